//! Copying an element from one file into another.

use std::collections::BTreeMap;

use crate::chars::is_blank;
use crate::document::Document;
use crate::edit::Subject;
use crate::edit::change::Change;
use crate::edit::element::Style;
use crate::edit::error::EditError;
use crate::lookup::Target;
use crate::path::Path;
use crate::show::splice;
use crate::tree::{PieceKind, is_namespace_declaration, split_name};
use crate::value;

impl Document {
    /// Puts the one element that `source` matches in `from` where `path` says, as the last child of `path`'s parent:
    /// its text as it is written there, with this file's line endings and indentation. Prefixes that mean nothing
    /// here are declared on it.
    ///
    /// Doing it twice is doing it once: an element that says the same is left as it is.
    ///
    /// # Errors
    /// [`EditError`] says why and leaves the document as it was: either place is not exactly one, an element that
    /// says something else is there, its names would mean something else, or `path` would not find what was added.
    pub fn insert_copy(&mut self, path: &Path, from: &Document, source: &Path) -> Result<Change, EditError> {
        let no_source = || EditError::NoSource { path: source.clone() };
        let element = match from.one(source)?.ok_or_else(no_source)? {
            Target::Element(id) => id,
            Target::Attribute { .. } => return Err(no_source()),
        };
        if path.attribute.is_some() {
            return Err(EditError::NotAnElement { path: path.clone() });
        }
        if let Some(target) = self.one(path)? {
            return self.already(path, target, from, element);
        }
        let parent_path = path
            .parent()
            .ok_or_else(|| EditError::NoMatch { path: path.clone() })?;
        let parent = self.parent_of_copy(&parent_path)?;
        let declarations = self.declarations(path, parent, from, element)?;
        let style = self.style_below(parent);
        let place = self.place_last(parent, |indent| {
            from.written(element, &style, indent, &declarations)
        });
        let after = place.replacement.trim().to_owned();
        let (candidate, bytes) = self.spliced(path, place)?;
        let added = candidate.tree.elements[parent].children.last().copied();
        let count = from.below(element).len();
        let as_meant = candidate.tree.elements.len() == self.tree.elements.len() + count
            && added.is_some_and(|added| candidate.same_element(added, from, element));
        if !as_meant {
            return Err(EditError::Unverified { path: path.clone() });
        }
        if candidate.one(path)? != added.map(Target::Element) {
            return Err(EditError::Underivable {
                path: path.clone(),
                reason: "the element that was to be added is not what the path describes",
            });
        }
        let subject = Subject {
            path,
            line: self.line_of(Target::Element(parent)),
            before: None,
            after,
        };
        Ok(self.replace_with(candidate, bytes, subject))
    }

    fn already(
        &self,
        path: &Path,
        target: Target,
        from: &Document,
        element: usize,
    ) -> Result<Change, EditError> {
        let line = self.line_of(target);
        if !self.same_element(target.element(), from, element) {
            return Err(EditError::AlreadyThere {
                path: path.clone(),
                line,
            });
        }
        let id = target.element();
        let raw = self.text[self.tree.elements[id].start_tag.start..self.end_of(id)].to_owned();
        let subject = Subject {
            path,
            line,
            before: Some(raw.clone()),
            after: raw,
        };
        Ok(Change::unchanged(self, subject, target))
    }

    fn parent_of_copy(&self, parent: &Path) -> Result<usize, EditError> {
        let target = self
            .one(parent)?
            .ok_or_else(|| EditError::NoMatch { path: parent.clone() })?;
        self.refuse_protected(parent, target)?;
        let id = target.element();
        if !value::own_text(&self.text, &self.tree, id).is_ok_and(|text| is_blank(&text)) {
            return Err(EditError::HoldsText {
                path: parent.clone(),
                line: self.line_of(target),
            });
        }
        Ok(id)
    }

    /// The prefixes that the copied element has to declare, each with its namespace as the other file writes it.
    fn declarations<'d>(
        &self,
        path: &Path,
        parent: usize,
        from: &'d Document,
        element: usize,
    ) -> Result<BTreeMap<&'d str, &'d str>, EditError> {
        let mut needed = BTreeMap::new();
        for id in from.below(element) {
            for prefix in from.prefixes(id) {
                if prefix == Some("xml") || from.declares(element, id, prefix) {
                    continue;
                }
                let theirs = from.tree.namespace(&from.text, id, prefix);
                let ours = self.tree.namespace(&self.text, parent, prefix);
                match (prefix, theirs) {
                    _ if theirs == ours => {}
                    (Some(prefix), Some(uri)) => drop(needed.insert(prefix, uri)),
                    // Its parent's namespace there becomes its parent's namespace here, as in every version's file.
                    (None, _) if from.is_of_parent(element) && self.is_default_of(parent) => {}
                    (Some(prefix), None) => {
                        return Err(namespace(path, &format!("the prefix `{prefix}`")));
                    }
                    (None, _) => return Err(namespace(path, "names without a prefix")),
                }
            }
        }
        Ok(needed)
    }

    /// The prefixes of an element's name and of its attributes' names. An attribute without one is in no namespace.
    fn prefixes(&self, id: usize) -> Vec<Option<&str>> {
        let element = &self.tree.elements[id];
        let mut all = vec![split_name(&self.text[element.name.clone()]).0];
        let names = element.attributes.iter().map(|a| &self.text[a.name.clone()]);
        all.extend(
            names
                .filter(|name| !is_namespace_declaration(name))
                .map(|name| split_name(name).0)
                .filter(Option::is_some),
        );
        all
    }

    /// Whether a prefix is declared on an element or on the way down to it from `root`.
    fn declares(&self, root: usize, id: usize, prefix: Option<&str>) -> bool {
        let wanted = prefix.map_or_else(|| "xmlns".to_owned(), |prefix| format!("xmlns:{prefix}"));
        let mut at = Some(id);
        while let Some(here) = at.filter(|here| *here >= root) {
            let element = &self.tree.elements[here];
            if element
                .attributes
                .iter()
                .any(|a| self.text[a.name.clone()] == wanted)
            {
                return true;
            }
            at = element.parent;
        }
        false
    }

    /// Whether an element without a prefix is of its parent's namespace.
    fn is_of_parent(&self, id: usize) -> bool {
        self.tree.elements[id]
            .parent
            .is_none_or(|parent| self.is_default_of(parent))
    }

    /// Whether names without a prefix below an element are of that element's namespace.
    fn is_default_of(&self, id: usize) -> bool {
        let (prefix, _) = split_name(&self.text[self.tree.elements[id].name.clone()]);
        self.tree.namespace(&self.text, id, prefix) == self.tree.namespace(&self.text, id, None)
    }

    /// An element of this document as another one writes it.
    fn written(
        &self,
        root: usize,
        style: &Style,
        indent: Option<&str>,
        declarations: &BTreeMap<&str, &str>,
    ) -> String {
        let name_end = self.tree.elements[root].name.end;
        let mut parts = Vec::new();
        if !declarations.is_empty() {
            let declared = declarations
                .iter()
                .map(|(prefix, uri)| format!(" xmlns:{prefix}={}", quoted(uri)));
            parts.push((name_end..name_end, declared.collect()));
        }
        for id in self.below(root) {
            let element = &self.tree.elements[id];
            let laid_out = !element.children.is_empty()
                && value::own_text(&self.text, &self.tree, id).is_ok_and(|text| is_blank(&text));
            if !laid_out {
                continue;
            }
            let depth = self.depth(id, root);
            for piece in element
                .pieces
                .iter()
                .filter(|piece| piece.kind == PieceKind::Text)
            {
                let raw = &self.text[piece.span.clone()];
                let levels = depth + usize::from(piece.span.end != element.content.end);
                let blank = indent.map_or(String::new(), |indent| {
                    let lines = style.ending.as_str().repeat(raw.matches('\n').count());
                    if lines.is_empty() {
                        return raw.to_owned();
                    }
                    format!("{lines}{indent}{}", style.unit.repeat(levels))
                });
                parts.push((piece.span.clone(), blank));
            }
        }
        let span = self.tree.elements[root].start_tag.start..self.end_of(root);
        let text = splice(&self.text, span, parts);
        text.replace("\r\n", "\n").replace('\n', style.ending.as_str())
    }

    fn depth(&self, id: usize, root: usize) -> usize {
        let mut depth = 0;
        let mut at = id;
        while at != root {
            depth += 1;
            at = self.tree.elements[at].parent.unwrap_or(root);
        }
        depth
    }
}

/// A namespace in the quotes that the raw text of it allows.
fn quoted(uri: &str) -> String {
    if uri.contains('"') {
        format!("'{uri}'")
    } else {
        format!("\"{uri}\"")
    }
}

fn namespace(path: &Path, name: &str) -> EditError {
    EditError::Namespace {
        path: path.clone(),
        name: name.to_owned(),
    }
}
