//! Keeping secret values out of what is shown.

use crate::document::Document;
use crate::escape::{self, LineEnding};
use crate::lookup::Target;
use crate::tree::{Piece, PieceKind, Span};

const HIDDEN: &str = "********";

/// A file as text, with its structure when it has one.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) text: String,
    document: Option<Document>,
}

/// Decodes a file for showing; one that is not XML is shown as far as it is UTF-8.
pub(super) fn decode(bytes: &[u8]) -> Side {
    match Document::parse(bytes) {
        Ok(document) => {
            let bom = if document.bom { "\u{feff}" } else { "" };
            Side {
                text: format!("{bom}{}", document.text),
                document: Some(document),
            }
        }
        Err(_) => Side {
            text: String::from_utf8_lossy(bytes).into_owned(),
            document: None,
        },
    }
}

/// The texts that must not be shown, longest first.
pub(super) struct Mask {
    forms: Vec<String>,
}

impl Mask {
    pub(super) fn new(secrets: &[&str], sides: &[&Side]) -> Self {
        let documents: Vec<&Document> = sides.iter().filter_map(|side| side.document.as_ref()).collect();
        let mut forms: Vec<String> = Vec::new();
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            let mut written = standard_forms(secret);
            let standard = written.clone();
            let is_unusual = |raw: &String| !standard.iter().any(|form| raw.contains(form.as_str()));
            written.extend(
                documents
                    .iter()
                    .flat_map(|document| raw_values(document, secret))
                    .filter(is_unusual),
            );
            // What is shown is shown line by line.
            let lines = written.iter().flat_map(|form| form.lines()).map(str::trim);
            forms.extend(lines.filter(|line| !line.is_empty()).map(str::to_owned));
        }
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        Self { forms }
    }

    pub(super) fn hide(&self, line: &str) -> String {
        let mut shown = String::new();
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            let hidden = self
                .forms
                .iter()
                .find_map(|form| rest.strip_prefix(form.as_str()));
            rest = match hidden {
                Some(after) => {
                    shown.push_str(HIDDEN);
                    after
                }
                None => {
                    shown.push(c);
                    &rest[c.len_utf8()..]
                }
            };
        }
        shown
    }
}

fn standard_forms(secret: &str) -> Vec<String> {
    vec![
        secret.to_owned(),
        escape::text(secret, LineEnding::Lf),
        escape::attribute(secret, '"'),
        escape::attribute(secret, '\''),
    ]
}

/// How the file writes each value that contains the secret.
fn raw_values(document: &Document, secret: &str) -> Vec<String> {
    let mut raw = Vec::new();
    for (id, element) in document.tree.elements.iter().enumerate() {
        let mut add = |target: Target, spans: Vec<Span>| {
            if document
                .view()
                .value(target)
                .is_ok_and(|value| value.contains(secret))
            {
                raw.extend(spans.into_iter().map(|span| document.text[span].to_owned()));
            }
        };
        let is_text = |piece: &&Piece| piece.kind != PieceKind::Other;
        add(
            Target::Element(id),
            element
                .pieces
                .iter()
                .filter(is_text)
                .map(|piece| piece.span.clone())
                .collect(),
        );
        for (index, attribute) in element.attributes.iter().enumerate() {
            add(
                Target::Attribute { element: id, index },
                vec![attribute.value.clone()],
            );
        }
    }
    raw
}
