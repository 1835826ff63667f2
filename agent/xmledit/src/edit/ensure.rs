//! Making a value be there: set if it exists, added if it does not.

use crate::document::Document;
use crate::edit::change::Change;
use crate::edit::element::NewElement;
use crate::edit::error::EditError;
use crate::edit::{Subject, check_characters};
use crate::lookup::Target;
use crate::path::{Name, Operand, Path, Predicate, Relative, Step};

impl Document {
    /// Sets the value that `path` matches, or adds what is missing of the path: one or more last elements, with the
    /// attributes and children their predicates ask for, or the attribute.
    ///
    /// Doing it twice is doing it once.
    ///
    /// # Errors
    /// As [`Document::set`], and [`EditError::Underivable`] when what is missing cannot be told from the path.
    pub fn ensure(&mut self, path: &Path, value: &str) -> Result<Change, EditError> {
        if self.one(path)?.is_some() {
            return self.set(path, value);
        }
        check_characters(path, value)?;
        match &path.attribute {
            Some(name) if !self.view().find_elements(&path.steps).is_empty() => {
                self.ensure_attribute(path, name, value)
            }
            Some(_) | None => self.ensure_elements(path, value),
        }
    }

    fn ensure_attribute(&mut self, path: &Path, name: &Name, value: &str) -> Result<Change, EditError> {
        let element = Path {
            attribute: None,
            ..path.clone()
        };
        let target = self.one(&element)?.ok_or(EditError::NoMatch { path: element })?;
        if let Some(alias) = self.attribute_alias(target.element(), None, &name.local) {
            return Err(EditError::Protected {
                path: path.clone(),
                line: self.line_of(target),
                alias,
            });
        }
        if name.namespace.is_some() {
            return Err(underivable(
                path,
                "an attribute in a namespace has to be added by hand",
            ));
        }
        let splice = self.add_attribute(target.element(), &name.local, value);
        let (candidate, bytes) = self.spliced(path, splice)?;
        verify(&candidate, path, value)?;
        let subject = Subject {
            path,
            line: self.line_of(target),
            before: None,
            after: value.to_owned(),
        };
        Ok(self.replace_with(candidate, bytes, subject))
    }

    fn ensure_elements(&mut self, path: &Path, value: &str) -> Result<Change, EditError> {
        let present = (1..path.steps.len())
            .rev()
            .find(|count| !self.view().find_elements(&path.steps[..*count]).is_empty())
            .ok_or_else(|| EditError::NoMatch { path: path.clone() })?;
        let (have, missing) = path.steps.split_at(present);
        let parent = Path {
            steps: have.to_vec(),
            attribute: None,
        };
        let element = self.derive(path, &parent, missing, value)?;
        let (candidate, bytes, line) = self.with_child(path, &parent, &element)?;
        verify(&candidate, path, value)?;
        let subject = Subject {
            path,
            line,
            before: None,
            after: value.to_owned(),
        };
        Ok(self.replace_with(candidate, bytes, subject))
    }

    /// The elements that the missing steps ask for, one within the other.
    fn derive(
        &self,
        path: &Path,
        parent: &Path,
        missing: &[Step],
        value: &str,
    ) -> Result<NewElement, EditError> {
        let target = self
            .one(parent)?
            .ok_or_else(|| EditError::NoMatch { path: parent.clone() })?;
        let namespace = self.namespace_of(target);
        let mut inner: Option<NewElement> = None;
        for step in missing.iter().rev() {
            if step
                .name
                .namespace
                .as_deref()
                .is_some_and(|wanted| wanted != namespace)
            {
                return Err(underivable(
                    path,
                    "a new element is of its parent's namespace, not of the one demanded",
                ));
            }
            let mut element = self.derive_step(path, step)?;
            match inner.take() {
                None => self.give_value(path, &mut element, value),
                // A predicate such as [name='x'] may already have made the child that the path goes on to.
                Some(child) if child == NewElement::new(child.name.as_str()).with_text(value) => {
                    element.child_mut(&child.name).text = child.text;
                }
                Some(child) => element.children.push(child),
            }
            inner = Some(element);
        }
        inner.ok_or_else(|| EditError::NoMatch { path: path.clone() })
    }

    fn give_value(&self, path: &Path, element: &mut NewElement, value: &str) {
        match &path.attribute {
            None => element.text = Some(value.to_owned()),
            Some(name) => element.attributes.push((name.local.clone(), value.to_owned())),
        }
    }

    fn derive_step(&self, path: &Path, step: &Step) -> Result<NewElement, EditError> {
        let mut element = NewElement::new(step.name.local.as_str());
        for predicate in &step.predicates {
            match predicate {
                Predicate::Position(_) => {
                    return Err(underivable(path, "a position does not say what to add"));
                }
                Predicate::Equals(relative, operand) => {
                    let value = self.derive_operand(path, operand)?;
                    derive_predicate(&mut element, relative, value);
                }
            }
        }
        Ok(element)
    }

    fn derive_operand(&self, path: &Path, operand: &Operand) -> Result<String, EditError> {
        match self.view().operand(operand).as_slice() {
            [value] => Ok(value.clone()),
            _ => Err(underivable(
                path,
                "the path within a predicate does not give one value",
            )),
        }
    }

    fn namespace_of(&self, target: Target) -> &str {
        let id = target.element();
        let (prefix, _) = crate::tree::split_name(&self.text[self.tree.elements[id].name.clone()]);
        self.tree.namespace(&self.text, id, prefix).unwrap_or("")
    }
}

fn derive_predicate(element: &mut NewElement, relative: &Relative, value: String) {
    let mut at = element;
    for name in &relative.steps {
        at = at.child_mut(&name.local);
    }
    match &relative.attribute {
        Some(name) => at.attributes.push((name.local.clone(), value)),
        None => at.text = Some(value),
    }
}

/// What was added must be what the path finds.
fn verify(candidate: &Document, path: &Path, value: &str) -> Result<(), EditError> {
    match candidate.text(path) {
        Ok(Some(found)) if found == value => Ok(()),
        Ok(_) | Err(_) => Err(underivable(
            path,
            "what the path describes would not match the path",
        )),
    }
}

fn underivable(path: &Path, reason: &'static str) -> EditError {
    EditError::Underivable {
        path: path.clone(),
        reason,
    }
}
