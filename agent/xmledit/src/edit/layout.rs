//! How a file is laid out around a place, so that what is added looks like what is there.

use std::collections::BTreeMap;

use crate::chars::is_blank;
use crate::document::Document;
use crate::edit::Splice;
use crate::edit::element::Style;
use crate::tree::{Piece, PieceKind, split_name};

/// What a file without any nesting is indented by.
const DEFAULT_UNIT: &str = "    ";

impl Document {
    pub(crate) fn style_below(&self, parent: usize) -> Style {
        let (prefix, _) = split_name(&self.text[self.tree.elements[parent].name.clone()]);
        Style {
            prefix: prefix.map(|prefix| format!("{prefix}:")).unwrap_or_default(),
            unit: self.indent_unit(parent),
            ending: self.line_ending(),
        }
    }

    /// Places a new last child into `parent`; `render` writes it for a line of the given indentation.
    pub(crate) fn place_last(&self, parent: usize, render: impl Fn(Option<&str>) -> String) -> Splice {
        let element = &self.tree.elements[parent];
        let ending = self.line_ending().as_str();
        let content = &self.text[element.content.clone()];
        let filled = element.content.start + content.trim_end().len();
        if let Some(indent) = self.neighbour_indent(parent) {
            // After comments that trail the last child too, and before the white space of the closing tag.
            return Splice {
                span: filled..filled,
                replacement: format!("{ending}{indent}{}", render(Some(indent))),
            };
        }
        let own = self
            .line_indent(element.start_tag.start)
            .filter(|_| self.text.contains('\n'));
        let (Some(own), true) = (own, is_blank(content)) else {
            let inline = render(None);
            return if element.self_closing {
                self.open_self_closing(parent, &inline)
            } else {
                Splice {
                    span: filled..filled,
                    replacement: inline,
                }
            };
        };
        let indent = format!("{own}{}", self.indent_unit(parent));
        let line = format!("{ending}{indent}{}", render(Some(&indent)));
        if element.self_closing {
            self.open_self_closing(parent, &format!("{line}{ending}{own}"))
        } else if content.contains('\n') {
            Splice {
                span: element.content.start..element.content.start,
                replacement: line,
            }
        } else {
            Splice {
                span: element.content.clone(),
                replacement: format!("{line}{ending}{own}"),
            }
        }
    }

    /// The indentation most children have that begin a line, or else most comments that do.
    fn neighbour_indent(&self, parent: usize) -> Option<&str> {
        let element = &self.tree.elements[parent];
        let children = element
            .children
            .iter()
            .map(|child| self.tree.elements[*child].start_tag.start);
        let is_comment = |piece: &&Piece| piece.kind == PieceKind::Other;
        let comments = element
            .pieces
            .iter()
            .filter(is_comment)
            .map(|piece| piece.span.start);
        let starts: Vec<usize> = if element.children.is_empty() {
            comments.collect()
        } else {
            children.collect()
        };
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for start in starts {
            if self.text[element.content.start..start].contains('\n')
                && let Some(indent) = self.line_indent(start)
            {
                *counts.entry(indent).or_default() += 1;
            }
        }
        counts
            .into_iter()
            .max_by_key(|(_, count)| *count)
            .map(|(indent, _)| indent)
    }

    /// The white space before `offset` on its line, or `None` when something else stands there.
    fn line_indent(&self, offset: usize) -> Option<&str> {
        let start = self.text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
        let before = &self.text[start..offset];
        is_blank(before).then_some(before)
    }

    /// One level of indentation: `near`'s own against its parent's, or else the first in the file.
    fn indent_unit(&self, near: usize) -> String {
        std::iter::once(near)
            .chain(0..self.tree.elements.len())
            .find_map(|id| self.indent_step(id))
            .unwrap_or(DEFAULT_UNIT)
            .to_owned()
    }

    fn indent_step(&self, id: usize) -> Option<&str> {
        let element = &self.tree.elements[id];
        let inner = self.line_indent(element.start_tag.start)?;
        let outer = self.line_indent(self.tree.elements[element.parent?].start_tag.start)?;
        inner.strip_prefix(outer).filter(|step| !step.is_empty())
    }
}

#[cfg(test)]
mod tests;
