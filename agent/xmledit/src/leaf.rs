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
    /// Matches exactly this one. Where an element has a `name` or `id` of its own among its siblings, or else a class
    /// or type, the path says that rather than a position, so that it means the same in another version of the file.
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

/// What sort of element it is: tells it from siblings of its name where nothing else does.
const KINDS: [&str; 6] = ["@class", "@scheme", "@type", "@key", "@path", "@contentType"];

/// The predicate on the first of [`IDENTITIES`] that an element has.
pub(crate) fn identity(view: View<'_>, id: usize) -> Option<Predicate> {
    IDENTITIES
        .iter()
        .find_map(|identity| identify(view, id, identity))
}

/// The predicate on the first of [`KINDS`] that an element has.
pub(crate) fn kind(view: View<'_>, id: usize) -> Option<Predicate> {
    KINDS.iter().find_map(|kind| identify(view, id, kind))
}

/// The attributes of an element that the last step of its path names.
pub(crate) fn predicate_attributes(path: &Path) -> Vec<&str> {
    let predicates = path.steps.last().map(|step| step.predicates.as_slice());
    let relative = predicates
        .into_iter()
        .flatten()
        .filter_map(|predicate| match predicate {
            Predicate::Equals(relative, Operand::Literal(_)) if relative.steps.is_empty() => Some(relative),
            Predicate::Equals(..) | Predicate::Position(_) => None,
        });
    relative
        .filter_map(|relative| relative.attribute.as_ref().map(|name| name.local.as_str()))
        .collect()
}

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
    let kinds = KINDS.iter().filter_map(|kind| identify(view, id, kind));
    let with = |predicate| Step {
        predicates: vec![predicate],
        ..plain.clone()
    };
    let unique = |step: &Step| view.filter(siblings.clone(), step) == [id];
    let mut steps = identified.map(with).chain([plain.clone()]).chain(kinds.map(with));
    if let Some(step) = steps.find(unique) {
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
        let child = child_named(view, id, local)?;
        if is_field(view, id, local) {
            return None;
        }
        (
            Relative {
                steps: vec![name],
                attribute: None,
            },
            Target::Element(child),
        )
    };
    let value = view.value(target).ok().filter(|value| !value.is_empty())?;
    Path::quote(&value).map(|_| Predicate::Equals(relative, Operand::Literal(value)))
}

fn child_named(view: View<'_>, id: usize, local: &str) -> Option<usize> {
    let children = &view.tree.elements[id].children;
    children
        .iter()
        .copied()
        .find(|child| view.local_name(*child) == local)
}

/// Whether an element is one part of a thing with a name, such as the `jndiConfig` of a `datasource`: its own name
/// is then a value like any other and does not tell it from siblings, of which it has none.
fn is_field(view: View<'_>, id: usize, local: &str) -> bool {
    let Some(parent) = view.tree.elements[id].parent else {
        return true;
    };
    let name = view.local_name(id);
    let siblings = view.tree.elements[parent].children.iter();
    child_named(view, parent, local).is_some()
        && siblings.filter(|other| view.local_name(**other) == name).count() == 1
}
