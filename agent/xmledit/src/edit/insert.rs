//! Adding an element.

use crate::chars::is_blank;
use crate::document::Document;
use crate::edit::change::Change;
use crate::edit::element::NewElement;
use crate::edit::error::EditError;
use crate::edit::{ByteSplice, Subject};
use crate::lookup::Target;
use crate::path::Path;
use crate::value;

impl Document {
    /// Adds `element` as the last child of the one element that `parent` matches, on a line of its own with the
    /// file's indentation and line ending where its neighbours have one.
    ///
    /// It is added each time; [`Document::ensure`] adds what is missing.
    ///
    /// # Errors
    /// [`EditError`] says why and leaves the document as it was.
    pub fn insert(&mut self, parent: &Path, element: &NewElement) -> Result<Change, EditError> {
        let after = element.text.clone().unwrap_or_default();
        let (candidate, splice, line) = self.with_child(parent, parent, element)?;
        let subject = Subject {
            path: parent,
            line,
            before: None,
            after,
        };
        Ok(self.replace_with(candidate, splice, subject))
    }

    /// The document with `element` added below `parent`, on behalf of `path`.
    pub(crate) fn with_child(
        &self,
        path: &Path,
        parent: &Path,
        element: &NewElement,
    ) -> Result<(Document, ByteSplice, usize), EditError> {
        let id = self.parent_for(parent, element)?;
        let style = self.style_below(id);
        let splice = self.place_last(id, |indent| element.render(&style, indent));
        let (candidate, bytes) = self.spliced(path, splice)?;
        let added = candidate.tree.elements[id].children.last().copied();
        let as_meant = candidate.tree.elements.len() == self.tree.elements.len() + element.count()
            && added.is_some_and(|added| candidate.view().local_name(added) == element.name);
        if !as_meant {
            return Err(EditError::Unverified { path: path.clone() });
        }
        Ok((candidate, bytes, self.line_of(Target::Element(id))))
    }

    fn parent_for(&self, parent: &Path, element: &NewElement) -> Result<usize, EditError> {
        let path = || parent.clone();
        let target = self
            .one(parent)?
            .ok_or_else(|| EditError::NoMatch { path: path() })?;
        let id = match target {
            Target::Element(id) => id,
            Target::Attribute { .. } => return Err(EditError::NotAnElement { path: path() }),
        };
        self.refuse_protected(parent, target)?;
        if let Some(name) = element.bad_name() {
            return Err(EditError::Name {
                path: path(),
                name: name.to_owned(),
            });
        }
        if !element.is_writable() {
            return Err(EditError::IllegalCharacter { path: path() });
        }
        let blank = value::own_text(&self.text, &self.tree, id).is_ok_and(|text| is_blank(&text));
        if !blank {
            return Err(EditError::HoldsText {
                path: path(),
                line: self.line_of(target),
            });
        }
        Ok(id)
    }
}
