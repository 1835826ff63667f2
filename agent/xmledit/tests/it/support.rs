//! Short ways to say what the tests say often.

use cutover_xmledit::{Document, Path};

pub(crate) fn path(text: &str) -> Path {
    text.parse().unwrap()
}

pub(crate) fn document(text: &str) -> Document {
    Document::parse(text.as_bytes()).unwrap()
}

pub(crate) fn text_of(document: &Document) -> String {
    String::from_utf8(document.to_bytes()).unwrap()
}

/// Sets a value and gives back the whole file.
pub(crate) fn after_set(before: &str, at: &str, value: &str) -> String {
    let mut document = document(before);
    document.set(&path(at), value).unwrap();
    assert_eq!(document.text(&path(at)).unwrap().as_deref(), Some(value));
    text_of(&document)
}
