//! What a path matches in a tree.

use crate::path::{Name, Operand, Path, Predicate, Relative, Step};
use crate::tree::{Tree, split_name};
use crate::value;

/// One thing a path matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Element(usize),
    Attribute { element: usize, index: usize },
}

impl Target {
    pub(crate) fn element(self) -> usize {
        match self {
            Self::Element(id) | Self::Attribute { element: id, .. } => id,
        }
    }
}

/// A tree with the text its spans lie in.
#[derive(Clone, Copy)]
pub(crate) struct View<'d> {
    pub(crate) text: &'d str,
    pub(crate) tree: &'d Tree,
}

impl<'d> View<'d> {
    /// Everything `path` matches, in document order.
    pub(crate) fn find(self, path: &Path) -> Vec<Target> {
        let elements = self.find_elements(&path.steps);
        match &path.attribute {
            None => elements.into_iter().map(Target::Element).collect(),
            Some(name) => elements
                .into_iter()
                .filter_map(|element| {
                    self.attribute(element, name)
                        .map(|index| Target::Attribute { element, index })
                })
                .collect(),
        }
    }

    pub(crate) fn find_elements(self, steps: &[Step]) -> Vec<usize> {
        let Some((first, rest)) = steps.split_first() else {
            return Vec::new();
        };
        let root = if self.tree.elements.is_empty() {
            Vec::new()
        } else {
            vec![0]
        };
        let mut found = self.filter(root, first);
        for step in rest {
            found = found
                .into_iter()
                .flat_map(|id| self.filter(self.tree.elements[id].children.clone(), step))
                .collect();
        }
        found
    }

    /// The decoded value of a target.
    pub(crate) fn value(self, target: Target) -> Result<String, value::Unreadable> {
        match target {
            Target::Element(id) => value::element(self.text, self.tree, id),
            Target::Attribute { element, index } => value::attribute(
                self.text,
                self.tree.elements[element].attributes[index].value.clone(),
            ),
        }
    }

    pub(crate) fn local_name(self, id: usize) -> &'d str {
        split_name(&self.text[self.tree.elements[id].name.clone()]).1
    }

    pub(crate) fn attribute(self, id: usize, name: &Name) -> Option<usize> {
        let attributes = &self.tree.elements[id].attributes;
        let matches = |index: &usize| {
            let full = &self.text[attributes[*index].name.clone()];
            let (prefix, local) = split_name(full);
            let namespace = prefix.and_then(|prefix| self.tree.namespace(self.text, id, Some(prefix)));
            local == name.local
                && !crate::tree::is_namespace_declaration(full)
                && name
                    .namespace
                    .as_deref()
                    .is_none_or(|wanted| namespace.unwrap_or("") == wanted)
        };
        let plain = |index: &usize| !self.text[attributes[*index].name.clone()].contains(':');
        let all: Vec<usize> = (0..attributes.len()).filter(matches).collect();
        all.iter().copied().find(plain).or_else(|| all.first().copied())
    }

    fn has_name(self, id: usize, name: &Name) -> bool {
        let full = &self.text[self.tree.elements[id].name.clone()];
        let (prefix, local) = split_name(full);
        let namespace = || self.tree.namespace(self.text, id, prefix).unwrap_or("");
        local == name.local
            && name
                .namespace
                .as_deref()
                .is_none_or(|wanted| namespace() == wanted)
    }

    /// Those of `candidates` that a step keeps, in their order.
    pub(crate) fn filter(self, candidates: Vec<usize>, step: &Step) -> Vec<usize> {
        let mut left: Vec<usize> = candidates
            .into_iter()
            .filter(|id| self.has_name(*id, &step.name))
            .collect();
        for predicate in &step.predicates {
            left = match predicate {
                Predicate::Position(position) => left.get(position - 1).copied().into_iter().collect(),
                Predicate::Equals(relative, operand) => {
                    let wanted = self.operand(operand);
                    left.retain(|id| wanted.iter().any(|value| self.holds(*id, relative, value)));
                    left
                }
            };
        }
        left
    }

    /// The values an operand stands for; a path may match several, and one equal is enough, as in XPath.
    pub(crate) fn operand(self, operand: &Operand) -> Vec<String> {
        match operand {
            Operand::Literal(value) => vec![value.clone()],
            Operand::Path(path) => self
                .find(path)
                .into_iter()
                .filter_map(|target| self.value(target).ok())
                .collect(),
        }
    }

    fn holds(self, id: usize, relative: &Relative, wanted: &str) -> bool {
        let mut at = vec![id];
        for name in &relative.steps {
            at = at
                .into_iter()
                .flat_map(|id| self.tree.elements[id].children.iter().copied())
                .filter(|child| self.has_name(*child, name))
                .collect();
        }
        at.into_iter().any(|id| {
            let target = match &relative.attribute {
                None => Some(Target::Element(id)),
                Some(name) => self
                    .attribute(id, name)
                    .map(|index| Target::Attribute { element: id, index }),
            };
            target.is_some_and(|target| self.value(target).is_ok_and(|value| value == wanted))
        })
    }
}
