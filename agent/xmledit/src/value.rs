//! Decoded values: what an XML reader hands to Carbon for a piece of the file.

use crate::parse::references::{self, Reference};
use crate::tree::{PieceKind, Span, Tree};

/// Why a value cannot be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unreadable {
    HasChildren,
    UnknownEntity { name: String, offset: usize },
}

/// The text of an element: character data and CDATA, without comments.
pub(crate) fn element(text: &str, tree: &Tree, id: usize) -> Result<String, Unreadable> {
    let element = &tree.elements[id];
    if !element.children.is_empty() {
        return Err(Unreadable::HasChildren);
    }
    own_text(text, tree, id)
}

/// The text that stands directly in an element, whether or not it has children.
pub(crate) fn own_text(text: &str, tree: &Tree, id: usize) -> Result<String, Unreadable> {
    let mut value = String::new();
    for piece in &tree.elements[id].pieces {
        match piece.kind {
            PieceKind::Text => value.push_str(&unescape(text, piece.span.clone(), newlines)?),
            PieceKind::CData => value.push_str(&newlines(&text[cdata_inside(&piece.span)])),
            PieceKind::Other => {}
        }
    }
    Ok(value)
}

/// What stands between the markers of a CDATA section.
pub(crate) fn cdata_inside(span: &Span) -> Span {
    span.start + "<![CDATA[".len()..span.end - "]]>".len()
}

/// The value of an attribute.
pub(crate) fn attribute(text: &str, span: Span) -> Result<String, Unreadable> {
    unescape(text, span, |literal| newlines(literal).replace(['\n', '\t'], " "))
}

/// XML reads CR LF and a lone CR as LF.
fn newlines(literal: &str) -> String {
    literal.replace("\r\n", "\n").replace('\r', "\n")
}

fn unescape(text: &str, span: Span, literal: impl Fn(&str) -> String) -> Result<String, Unreadable> {
    let mut value = String::new();
    let mut at = span.start;
    while let Some(length) = text[at..span.end].find('&') {
        value.push_str(&literal(&text[at..at + length]));
        let start = at + length + 1;
        let end = text[start..span.end]
            .find(';')
            .map_or(span.end, |length| start + length);
        match references::read(&text[start..end]) {
            Some(Reference::Char(c)) => value.push(c),
            Some(Reference::Unknown) | None => {
                return Err(Unreadable::UnknownEntity {
                    name: text[start..end].to_owned(),
                    offset: start - 1,
                });
            }
        }
        at = (end + 1).min(span.end);
    }
    value.push_str(&literal(&text[at..span.end]));
    Ok(value)
}
