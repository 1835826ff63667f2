//! Every value of a document with a path that finds it again.

use std::fmt;

use crate::chars::is_blank;
use crate::document::{Document, LookupError};
use crate::lookup::{Target, View};
use crate::path::{Name, Operand, Path, Predicate, Relative, Step};
use crate::tree::is_namespace_declaration;
use crate::value;

/// An element's text or an attribute, as found in a document.
///
/// Its `Debug` form does not show the value, which may be a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Matches exactly this one. Where an element has a `name` or `id` of its own among its siblings the path says
    /// that rather than a position, so that it means the same in another version of the file.
    pub path: Path,
    /// The line the element begins on.
    pub line: usize,
    /// The Secure Vault alias the value is kept under, if it is.
    pub alias: Option<String>,
    /// The decoded value, or why it cannot be told.
    pub value: Result<String, LookupError>,
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf")
            .field("path", &self.path.to_string())
            .field("line", &self.line)
            .field("alias", &self.alias)
            .finish_non_exhaustive()
    }
}

impl Document {
    /// Every value of the document in its order: the attributes of each element, and the text of each element that
    /// has no child elements.
    ///
    /// Namespace declarations are no values. An element with attributes and no text is listed by its attributes
    /// alone. Text mixed with child elements is listed with a [`LookupError::HasChildren`] in place of its value.
    pub fn leaves(&self) -> Vec<Leaf> {
        let paths = self.canonical_paths();
        (0..self.tree.elements.len())
            .flat_map(|id| self.leaves_of(id, &paths[id]))
            .collect()
    }

    pub(crate) fn canonical_paths(&self) -> Vec<Path> {
        let mut paths: Vec<Path> = Vec::with_capacity(self.tree.elements.len());
        for (id, element) in self.tree.elements.iter().enumerate() {
            let parent = element.parent.map(|parent| &paths[parent]);
            let path = canonical(self.view(), id, parent);
            paths.push(path);
        }
        paths
    }

    fn leaves_of(&self, id: usize, path: &Path) -> Vec<Leaf> {
        let element = &self.tree.elements[id];
        let mut leaves = Vec::new();
        for (index, attribute) in element.attributes.iter().enumerate() {
            let name = &self.text[attribute.name.clone()];
            if !is_namespace_declaration(name) {
                let attribute_path = Path {
                    attribute: Some(self.attribute_name(id, index)),
                    ..path.clone()
                };
                leaves.push(self.leaf(attribute_path, Target::Attribute { element: id, index }));
            }
        }
        let blank = value::own_text(&self.text, &self.tree, id).is_ok_and(|text| is_blank(&text));
        let bare = element.children.is_empty() && leaves.is_empty();
        if !blank || bare {
            leaves.push(self.leaf(path.clone(), Target::Element(id)));
        }
        leaves
    }

    pub(crate) fn leaf(&self, path: Path, target: Target) -> Leaf {
        let value = self
            .view()
            .value(target)
            .map_err(|unreadable| self.unreadable(&path, target, unreadable));
        Leaf {
            line: self.line_of(target),
            alias: self.alias_of(target),
            value,
            path,
        }
    }

    /// A name that finds attribute `index`; a namespace is only said where the local name would find another one.
    pub(crate) fn attribute_name(&self, id: usize, index: usize) -> Name {
        let full = &self.text[self.tree.elements[id].attributes[index].name.clone()];
        let (prefix, local) = crate::tree::split_name(full);
        let name = Name {
            namespace: None,
            local: local.to_owned(),
        };
        if self.view().attribute(id, &name) == Some(index) {
            return name;
        }
        let namespace = prefix.and_then(|prefix| self.tree.namespace(&self.text, id, Some(prefix)));
        Name {
            namespace: Some(namespace.unwrap_or("").to_owned()),
            ..name
        }
    }
}

/// What may tell an element from its siblings, in this order.
const IDENTITIES: [&str; 3] = ["@name", "name", "@id"];

fn canonical(view: View<'_>, id: usize, parent: Option<&Path>) -> Path {
    let mut steps = parent.map(|parent| parent.steps.clone()).unwrap_or_default();
    steps.push(canonical_step(view, id));
    Path {
        steps,
        attribute: None,
    }
}

/// A step that finds element `id` and no other below its parent.
fn canonical_step(view: View<'_>, id: usize) -> Step {
    let name = Name {
        namespace: None,
        local: view.local_name(id).to_owned(),
    };
    let siblings = view.tree.elements[id]
        .parent
        .map_or(vec![id], |parent| view.tree.elements[parent].children.clone());
    let plain = Step {
        name,
        predicates: Vec::new(),
    };
    let identified = IDENTITIES
        .iter()
        .filter_map(|identity| identify(view, id, identity));
    let named = identified.map(|predicate| Step {
        predicates: vec![predicate],
        ..plain.clone()
    });
    let unique = |step: &Step| view.filter(siblings.clone(), step) == [id];
    if let Some(step) = named.chain([plain.clone()]).find(unique) {
        return step;
    }
    let alike = view.filter(siblings.clone(), &plain);
    let position = alike.iter().take_while(|other| **other <= id).count();
    Step {
        predicates: vec![Predicate::Position(position)],
        ..plain
    }
}

fn identify(view: View<'_>, id: usize, identity: &str) -> Option<Predicate> {
    let local = identity.trim_start_matches('@');
    let name = Name {
        namespace: None,
        local: local.to_owned(),
    };
    let (relative, target) = if identity.starts_with('@') {
        let index = view.attribute(id, &name)?;
        let relative = Relative {
            steps: Vec::new(),
            attribute: Some(name),
        };
        (relative, Target::Attribute { element: id, index })
    } else {
        let children = &view.tree.elements[id].children;
        let child = children.iter().find(|child| view.local_name(**child) == local)?;
        (
            Relative {
                steps: vec![name],
                attribute: None,
            },
            Target::Element(*child),
        )
    };
    let value = view.value(target).ok().filter(|value| !value.is_empty())?;
    Path::quote(&value).map(|_| Predicate::Equals(relative, Operand::Literal(value)))
}
