//! Where the elements of a document lie: spans into its text, in document order.

use std::ops::Range;

pub(crate) type Span = Range<usize>;

/// The namespace of Secure Vault's attributes.
const SECURE_VAULT: &str = "http://org.wso2.securevault/configuration";

/// One attribute; the value's span lies inside the quotes.
#[derive(Debug, Clone)]
pub(crate) struct Attribute {
    pub(crate) name: Span,
    pub(crate) value: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PieceKind {
    /// Character data and references.
    Text,
    /// A CDATA section, its markers included in the span.
    CData,
    /// A comment or processing instruction.
    Other,
}

/// A run of an element's content that is not a child element.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) kind: PieceKind,
    pub(crate) span: Span,
}

#[derive(Debug, Clone)]
pub(crate) struct Element {
    pub(crate) name: Span,
    pub(crate) parent: Option<usize>,
    pub(crate) start_tag: Span,
    /// Between the tags; empty and after the tag when the element is self-closing.
    pub(crate) content: Span,
    pub(crate) self_closing: bool,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) children: Vec<usize>,
    pub(crate) pieces: Vec<Piece>,
}

/// The elements in document order; a parent stands before its children and the root is the first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    pub(crate) elements: Vec<Element>,
}

/// Splits a qualified name into prefix and local name.
pub(crate) fn split_name(name: &str) -> (Option<&str>, &str) {
    match name.split_once(':') {
        Some((prefix, local)) => (Some(prefix), local),
        None => (None, name),
    }
}

/// Whether an attribute declares a namespace rather than holding a value.
pub(crate) fn is_namespace_declaration(name: &str) -> bool {
    name == "xmlns" || name.starts_with("xmlns:")
}

impl Tree {
    /// The namespace `prefix` is bound to where element `id` stands.
    pub(crate) fn namespace<'t>(&self, text: &'t str, id: usize, prefix: Option<&str>) -> Option<&'t str> {
        if prefix == Some("xml") {
            return Some("http://www.w3.org/XML/1998/namespace");
        }
        let wanted = prefix.map_or_else(|| "xmlns".to_owned(), |prefix| format!("xmlns:{prefix}"));
        let mut at = Some(id);
        while let Some(element) = at.map(|id| &self.elements[id]) {
            if let Some(found) = element.attributes.iter().find(|a| text[a.name.clone()] == wanted) {
                let uri = &text[found.value.clone()];
                return (!uri.is_empty()).then_some(uri);
            }
            at = element.parent;
        }
        None
    }

    /// The `secretAlias` attribute that puts element `id` under Secure Vault.
    ///
    /// An unbound prefix counts as well: the file is broken then, but a plain value there is never what is wanted.
    pub(crate) fn secret_alias(&self, text: &str, id: usize) -> Option<usize> {
        self.elements[id].attributes.iter().position(|attribute| {
            let (prefix, local) = split_name(&text[attribute.name.clone()]);
            local == "secretAlias"
                && prefix.is_some()
                && self
                    .namespace(text, id, prefix)
                    .is_none_or(|uri| uri == SECURE_VAULT)
        })
    }
}
