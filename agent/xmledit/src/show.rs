//! An element as text for people, and the marks of kept secrets in a document.

use crate::document::Document;
use crate::edit::is_encrypted;
use crate::lookup::Target;
use crate::path::Path;
use crate::tree::{PieceKind, Span};

impl Document {
    /// The text of the one element that `path` matches, without comments and with every value for which `hide` has
    /// another text replaced by that; lines lose the element's own indentation. `None` when not one element matches.
    pub fn shown(&self, path: &Path, hide: &dyn Fn(&Path) -> Option<String>) -> Option<String> {
        let Ok(Some(Target::Element(root))) = self.one(path) else {
            return None;
        };
        let end = self.end_of(root);
        let start = self.tree.elements[root].start_tag.start;
        let paths = self.canonical_paths();
        let mut splices: Vec<(Span, String)> = Vec::new();
        for id in self.below(root) {
            let element = &self.tree.elements[id];
            for index in 0..element.attributes.len() {
                let attribute = Path {
                    attribute: Some(self.attribute_name(id, index)),
                    ..paths[id].clone()
                };
                splices.extend(hide(&attribute).map(|text| (element.attributes[index].value.clone(), text)));
            }
            let hidden = hide(&paths[id]).filter(|_| element.children.is_empty() && !element.self_closing);
            match hidden {
                Some(text) => splices.push((element.content.clone(), text)),
                None => splices.extend(
                    element
                        .pieces
                        .iter()
                        .filter(|piece| piece.kind == PieceKind::Other)
                        .map(|piece| (piece.span.clone(), String::new())),
                ),
            }
        }
        let text = splice(&self.text, start..end, splices);
        Some(dedent(&text))
    }

    /// Every element with an alias of Secure Vault, and the alias.
    pub fn vaulted(&self) -> Vec<(Path, String)> {
        let paths = self.canonical_paths();
        (0..self.tree.elements.len())
            .filter_map(|id| Some((paths[id].clone(), self.alias_of(Target::Element(id))?)))
            .collect()
    }

    /// Every element with `encrypted="true"`.
    pub fn encrypted(&self) -> Vec<Path> {
        let paths = self.canonical_paths();
        (0..self.tree.elements.len())
            .filter(|id| is_encrypted(self.view(), *id))
            .map(|id| paths[id].clone())
            .collect()
    }

    /// The element and all below it: a parent stands right before what is in it.
    pub(crate) fn below(&self, root: usize) -> std::ops::Range<usize> {
        let end = self.end_of(root);
        let inside = self.tree.elements[root..]
            .iter()
            .take_while(|element| element.start_tag.start < end);
        root..root + inside.count()
    }

    /// Where the end tag of an element ends.
    pub(crate) fn end_of(&self, id: usize) -> usize {
        let element = &self.tree.elements[id];
        if element.self_closing {
            return element.start_tag.end;
        }
        let tag = self.text[element.content.end..].find('>');
        tag.map_or(element.content.end, |length| element.content.end + length + 1)
    }
}

/// A span of a text with parts of it replaced; the parts do not overlap.
pub(crate) fn splice(text: &str, span: Span, mut parts: Vec<(Span, String)>) -> String {
    parts.sort_by_key(|(part, _)| (part.start, part.end));
    let mut result = String::new();
    let mut at = span.start;
    for (part, replacement) in parts {
        result.push_str(&text[at..part.start]);
        result.push_str(&replacement);
        at = part.end;
    }
    result.push_str(&text[at..span.end]);
    result
}

/// Lines without blank ones and without what the last one, that of the end tag, is indented by.
fn dedent(text: &str) -> String {
    let last = text.lines().last().unwrap_or_default();
    let indent = &last[..last.len() - last.trim_start().len()];
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.strip_prefix(indent).unwrap_or(line).trim_end())
        .collect();
    lines.join("\n")
}
