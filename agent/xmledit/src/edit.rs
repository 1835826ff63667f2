//! Edits: each is one splice, checked before it is kept.

pub(crate) mod attribute;
pub(crate) mod change;
pub(crate) mod copy;
pub(crate) mod element;
pub(crate) mod ensure;
pub(crate) mod error;
pub(crate) mod insert;
mod layout;

use crate::chars::{is_blank, is_xml_char};
use crate::document::{Document, LookupError};
use crate::escape::{self, LineEnding};
use crate::lookup::{Target, View};
use crate::path::{Name, Path};
use crate::tree::{Element, PieceKind, Span};
use crate::value;
use change::Change;
use error::EditError;

/// What to put in place of a span of the text.
#[derive(Debug)]
pub(crate) struct Splice {
    pub(crate) span: Span,
    pub(crate) replacement: String,
}

/// What a change is about, for those who read it.
#[derive(Debug)]
pub(crate) struct Subject<'p> {
    pub(crate) path: &'p Path,
    pub(crate) line: usize,
    pub(crate) before: Option<String>,
    pub(crate) after: String,
}

impl Document {
    /// Replaces the text of the one element, or the value of the one attribute, that `path` matches.
    ///
    /// The whole text of the element is replaced; comments within it stay, as do a CDATA section and the quotes of
    /// an attribute. Setting the value that is already there changes no byte: see [`Change::is_unchanged`].
    ///
    /// # Errors
    /// [`EditError`] says why and leaves the document as it was: nothing or several places match, the element has
    /// child elements, the value is kept by Secure Vault or encrypted, or the file's encoding cannot express it.
    pub fn set(&mut self, path: &Path, value: &str) -> Result<Change, EditError> {
        let target = self
            .one(path)?
            .ok_or_else(|| EditError::NoMatch { path: path.clone() })?;
        self.refuse_protected(path, target)?;
        check_characters(path, value)?;
        let before = self
            .view()
            .value(target)
            .map_err(|unreadable| EditError::from(self.unreadable(path, target, unreadable)))?;
        let line = self.line_of(target);
        let subject = Subject {
            path,
            line,
            after: value.to_owned(),
            before: Some(before),
        };
        if subject.before.as_deref() == Some(value) {
            return Ok(Change::unchanged(self, subject, target));
        }
        let candidate_splice = match target {
            Target::Element(id) => self.text_splice(id, value),
            Target::Attribute { element, index } => self.value_splice(element, index, value),
        };
        let (candidate, span) = self.spliced(path, candidate_splice)?;
        let same_shape = candidate.tree.elements.len() == self.tree.elements.len();
        if !same_shape || candidate.view().value(target).as_deref() != Ok(value) {
            return Err(EditError::Unverified { path: path.clone() });
        }
        Ok(self.replace_with(candidate, span, subject))
    }

    /// Refuses what a plain value must not be written to.
    pub(crate) fn refuse_protected(&self, path: &Path, target: Target) -> Result<(), EditError> {
        let line = self.line_of(target);
        if let Some(alias) = self.alias_of(target) {
            return Err(EditError::Protected {
                path: path.clone(),
                line,
                alias,
            });
        }
        match target {
            Target::Element(id) if is_encrypted(self.view(), id) => Err(EditError::Encrypted {
                path: path.clone(),
                line,
            }),
            Target::Element(_) | Target::Attribute { .. } => Ok(()),
        }
    }

    /// The document after a splice, with the span of bytes that the splice replaces in this one.
    pub(crate) fn spliced(&self, path: &Path, splice: Splice) -> Result<(Document, ByteSplice), EditError> {
        let unrepresentable = || EditError::Unrepresentable {
            path: path.clone(),
            encoding: self.encoding,
        };
        let inserted = self
            .encoding
            .encode(&splice.replacement)
            .ok_or_else(unrepresentable)?;
        let length = |text: &str| {
            self.encoding
                .encode(text)
                .map(|bytes| bytes.len())
                .ok_or_else(unrepresentable)
        };
        let bom = if self.bom { crate::encoding::BOM.len() } else { 0 };
        let offset = bom + length(&self.text[..splice.span.start])?;
        let removed = self
            .encoding
            .encode(&self.text[splice.span.clone()])
            .ok_or_else(unrepresentable)?;
        let mut text = self.text.clone();
        text.replace_range(splice.span, &splice.replacement);
        let candidate = Document::from_text(self.encoding, self.bom, text)
            .map_err(|_| EditError::Unverified { path: path.clone() })?;
        Ok((
            candidate,
            ByteSplice {
                offset,
                removed,
                inserted,
            },
        ))
    }

    /// Takes over an edited document and tells what changed.
    pub(crate) fn replace_with(
        &mut self,
        candidate: Document,
        splice: ByteSplice,
        subject: Subject<'_>,
    ) -> Change {
        let change = Change::new(self, &candidate, splice, subject);
        *self = candidate;
        change
    }

    pub(crate) fn line_ending(&self) -> LineEnding {
        LineEnding::of(&self.text)
    }

    fn text_splice(&self, id: usize, value: &str) -> Splice {
        let element = &self.tree.elements[id];
        let escaped = escape::text(value, self.line_ending());
        if element.self_closing {
            return self.open_self_closing(id, &escaped);
        }
        if let [piece] = element.pieces.as_slice()
            && piece.kind == PieceKind::CData
            && let Some(replacement) = escape::cdata(value, self.line_ending())
        {
            return Splice {
                span: value::cdata_inside(&piece.span),
                replacement,
            };
        }
        Splice {
            span: element.content.clone(),
            replacement: self.around_comments(element, &escaped),
        }
    }

    /// The element's comments with `escaped` where the first text of substance stood, or after them all.
    fn around_comments(&self, element: &Element, escaped: &str) -> String {
        let mut content = String::new();
        let mut placed = false;
        for piece in &element.pieces {
            let raw = &self.text[piece.span.clone()];
            match piece.kind {
                PieceKind::Other => content.push_str(raw),
                PieceKind::Text | PieceKind::CData if !placed && !is_blank(raw) => {
                    content.push_str(escaped);
                    placed = true;
                }
                PieceKind::Text | PieceKind::CData => {}
            }
        }
        if !placed {
            content.push_str(escaped);
        }
        content
    }

    /// `<a/>` with content.
    pub(crate) fn open_self_closing(&self, id: usize, content: &str) -> Splice {
        let element = &self.tree.elements[id];
        let tag = &self.text[element.start_tag.clone()];
        let kept = tag.trim_end_matches("/>").trim_end().len();
        let name = &self.text[element.name.clone()];
        Splice {
            span: element.start_tag.start + kept..element.start_tag.end,
            replacement: format!(">{content}</{name}>"),
        }
    }
}

/// A splice in terms of the file's bytes.
#[derive(Debug)]
pub(crate) struct ByteSplice {
    pub(crate) offset: usize,
    pub(crate) removed: Vec<u8>,
    pub(crate) inserted: Vec<u8>,
}

pub(crate) fn check_characters(path: &Path, value: &str) -> Result<(), EditError> {
    match value.chars().find(|c| !is_xml_char(*c)) {
        Some(_) => Err(EditError::IllegalCharacter { path: path.clone() }),
        None => Ok(()),
    }
}

/// Carbon decrypts the text of an element with `encrypted="true"` by its primary keystore.
pub(crate) fn is_encrypted(view: View<'_>, id: usize) -> bool {
    let name = Name {
        namespace: None,
        local: "encrypted".to_owned(),
    };
    view.attribute(id, &name)
        .and_then(|index| view.value(Target::Attribute { element: id, index }).ok())
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

impl From<LookupError> for EditError {
    fn from(error: LookupError) -> Self {
        Self::Lookup(error)
    }
}
