//! From text to a tree of spans: quick-xml finds the markup, this module checks what it leaves unchecked.

pub(crate) mod attributes;
pub(crate) mod error;
pub(crate) mod references;

use quick_xml::Reader;
use quick_xml::errors::{Error, IllFormedError, SyntaxError};
use quick_xml::events::Event;

use crate::chars::{is_blank, is_name, is_xml_char};
use crate::position::line_at;
use crate::tree::{Element, Piece, PieceKind, Span, Tree};
use error::{ParseError, Reason};

/// Parses `text`, which has no byte order mark any more.
pub(crate) fn parse(text: &str) -> Result<Tree, ParseError> {
    let illegal = |c: char| !is_xml_char(c) || (c == '\u{feff}' && text.starts_with(c));
    if let Some((at, c)) = text.char_indices().find(|(_, c)| illegal(*c)) {
        return Err(ParseError::at(text, at, Reason::IllegalCharacter(u32::from(c))));
    }
    let mut builder = Builder {
        text,
        tree: Tree::default(),
        open: Vec::new(),
        doctype: false,
    };
    builder
        .run()
        .map_err(|(at, reason)| ParseError::at(text, at, reason))?;
    Ok(builder.tree)
}

/// Deeper than any configuration, and shallow enough that a path to each element costs little.
const MAX_DEPTH: usize = 256;

type Step = Result<(), (usize, Reason)>;

struct Builder<'t> {
    text: &'t str,
    tree: Tree,
    open: Vec<usize>,
    doctype: bool,
}

impl Builder<'_> {
    fn run(&mut self) -> Step {
        let mut reader = Reader::from_str(self.text);
        reader.config_mut().check_comments = true;
        loop {
            let start = offset(reader.buffer_position());
            let event = reader
                .read_event()
                .map_err(|error| (offset(reader.error_position()), self.reason(&error)))?;
            let span = start..offset(reader.buffer_position());
            match event {
                Event::Start(_) => self.start(span, false)?,
                Event::Empty(_) => self.start(span, true)?,
                Event::End(_) => self.end(&span)?,
                Event::Text(_) | Event::GeneralRef(_) => self.text(span)?,
                Event::CData(_) => self.piece(PieceKind::CData, span)?,
                Event::Comment(_) | Event::PI(_) => self.piece(PieceKind::Other, span)?,
                Event::Decl(_) if start == 0 => {}
                Event::Decl(_) => return Err((start, Reason::Declaration)),
                Event::DocType(_) => self.doctype(start)?,
                Event::Eof => return self.finish(),
            }
        }
    }

    fn start(&mut self, span: Span, self_closing: bool) -> Step {
        if self.open.is_empty() && !self.tree.elements.is_empty() {
            return Err((span.start, Reason::SecondRoot));
        }
        if self.open.len() == MAX_DEPTH {
            return Err((span.start, Reason::TooDeep(MAX_DEPTH)));
        }
        let inside = span.start + 1..span.end - if self_closing { 2 } else { 1 };
        let name_length = self.text[inside.clone()]
            .find(crate::chars::is_space)
            .unwrap_or(inside.len());
        let name = inside.start..inside.start + name_length;
        if !is_name(&self.text[name.clone()]) {
            return Err((name.start, Reason::Name));
        }
        let attributes = attributes::scan(self.text, name.end..inside.end)?;
        let id = self.tree.elements.len();
        let parent = self.open.last().copied();
        if let Some(parent) = parent {
            self.tree.elements[parent].children.push(id);
        }
        self.tree.elements.push(Element {
            name,
            parent,
            content: span.end..span.end,
            start_tag: span,
            self_closing,
            attributes,
            children: Vec::new(),
            pieces: Vec::new(),
        });
        if !self_closing {
            self.open.push(id);
        }
        Ok(())
    }

    fn end(&mut self, span: &Span) -> Step {
        let id = self.open.pop().ok_or((span.start, Reason::UnmatchedEnd))?;
        self.tree.elements[id].content.end = span.start;
        Ok(())
    }

    fn text(&mut self, span: Span) -> Step {
        let raw = &self.text[span.clone()];
        if let Some(at) = raw.find("]]>") {
            return Err((span.start + at, Reason::CDataEnd));
        }
        references::check(self.text, span.clone())?;
        self.piece(PieceKind::Text, span)
    }

    fn piece(&mut self, kind: PieceKind, span: Span) -> Step {
        let Some(element) = self.open.last().map(|id| &mut self.tree.elements[*id]) else {
            let allowed = kind == PieceKind::Other || is_blank(&self.text[span.clone()]);
            return if allowed {
                Ok(())
            } else {
                Err((span.start, Reason::TextOutsideRoot))
            };
        };
        match element.pieces.last_mut() {
            // The tokenizer splits character data at references; here it is one run.
            Some(last) if kind == PieceKind::Text && last.kind == kind && last.span.end == span.start => {
                last.span.end = span.end;
            }
            Some(_) | None => element.pieces.push(Piece { kind, span }),
        }
        Ok(())
    }

    fn doctype(&mut self, start: usize) -> Step {
        if self.doctype || !self.tree.elements.is_empty() {
            return Err((start, Reason::MisplacedDoctype));
        }
        self.doctype = true;
        Ok(())
    }

    fn finish(&mut self) -> Step {
        match self.open.last() {
            Some(id) => Err((self.text.len(), Reason::UnclosedElement(self.line_of(*id)))),
            None if self.tree.elements.is_empty() => Err((self.text.len(), Reason::NoRoot)),
            None => Ok(()),
        }
    }

    fn line_of(&self, id: usize) -> usize {
        line_at(self.text, self.tree.elements[id].start_tag.start)
    }

    fn reason(&self, error: &Error) -> Reason {
        match error {
            Error::Syntax(syntax) => unclosed(syntax),
            Error::IllFormed(IllFormedError::MismatchedEndTag { .. }) => {
                self.open.last().map_or(Reason::UnmatchedEnd, |id| {
                    Reason::MismatchedEnd(self.line_of(*id))
                })
            }
            Error::IllFormed(IllFormedError::MissingEndTag(_)) => self
                .open
                .last()
                .map_or(Reason::Malformed, |id| Reason::UnclosedElement(self.line_of(*id))),
            Error::IllFormed(IllFormedError::UnmatchedEndTag(_)) => Reason::UnmatchedEnd,
            Error::IllFormed(IllFormedError::DoubleHyphenInComment) => Reason::DoubleHyphen,
            Error::IllFormed(IllFormedError::UnclosedReference) => Reason::Reference,
            Error::IllFormed(IllFormedError::MissingDeclVersion(_) | IllFormedError::UnknownVersion) => {
                Reason::Version
            }
            Error::IllFormed(IllFormedError::MissingDoctypeName)
            | Error::Io(_)
            | Error::InvalidAttr(_)
            | Error::Encoding(_)
            | Error::Escape(_)
            | Error::Namespace(_) => Reason::Malformed,
        }
    }
}

fn unclosed(error: &SyntaxError) -> Reason {
    match error {
        SyntaxError::InvalidBangMarkup => Reason::UnknownMarkup,
        SyntaxError::UnclosedPI => Reason::Unclosed("a processing instruction"),
        SyntaxError::UnclosedXmlDecl => Reason::Unclosed("the XML declaration"),
        SyntaxError::UnclosedComment => Reason::Unclosed("a comment"),
        SyntaxError::UnclosedDoctype => Reason::Unclosed("the DOCTYPE"),
        SyntaxError::UnclosedCData => Reason::Unclosed("a CDATA section"),
        SyntaxError::UnclosedTag => Reason::Unclosed("a tag"),
        SyntaxError::UnclosedSingleQuotedAttributeValue | SyntaxError::UnclosedDoubleQuotedAttributeValue => {
            Reason::Unclosed("an attribute value")
        }
    }
}

fn offset(position: u64) -> usize {
    // A position within a text in memory always fits.
    usize::try_from(position).unwrap_or(usize::MAX)
}
