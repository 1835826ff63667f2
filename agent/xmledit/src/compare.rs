//! What one version of a file says differently from another, whatever the order, layout and comments.

mod fingerprint;
mod pair;

use std::fmt;

use crate::chars::is_blank;
use crate::document::Document;
use crate::edit::is_encrypted;
use crate::leaf;
use crate::lookup::Target;
use crate::path::Path;
use crate::tree::{is_namespace_declaration, split_name};
use crate::value;
use fingerprint::Fingerprints;

/// A value as a file keeps it.
///
/// Its `Debug` form does not show values, which may be passwords.
#[derive(Clone, PartialEq, Eq)]
pub enum Kept {
    /// The value itself, without the blanks around it.
    Plain(String),
    /// Secure Vault keeps it under this alias; what the file holds in its place means nothing.
    Vault(String),
    /// It is encrypted in place (`encrypted="true"`); this is the cipher text.
    Encrypted(String),
    /// It refers to an entity that only a DTD could define; this is what the file writes.
    Unresolved(String),
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(_) => f.write_str("Plain"),
            Self::Vault(alias) => f.debug_tuple("Vault").field(alias).finish(),
            Self::Encrypted(_) => f.write_str("Encrypted"),
            Self::Unresolved(_) => f.write_str("Unresolved"),
        }
    }
}

/// What kind of difference it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DifferenceKind {
    /// Another value.
    Changed,
    /// A value that the base does not have, and that its path and text say in full.
    Added,
    /// A whole element that the base does not have.
    AddedElement,
    /// A value, or a whole element, of the base that is not there.
    Removed,
}

/// One difference between a file and its base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What kind it is.
    pub kind: DifferenceKind,
    /// Where: in the base for what was removed, else in the file.
    pub path: Path,
    /// Where a changed value is in the base.
    pub base_path: Option<Path>,
    /// The base's value; none for elements and for what is new.
    pub base: Option<Kept>,
    /// The file's value; none for elements and for what was removed.
    pub value: Option<Kept>,
}

impl Document {
    /// What this document says differently from `base`, in this document's order.
    ///
    /// Order, layout and comments say nothing. Elements of one name are paired by their `name` or `id` if they have
    /// one, else by equal content, by a class or type of theirs, and at last by position.
    pub fn differences(&self, base: &Document) -> Vec<Difference> {
        let (Some(_), Some(_)) = (self.tree.elements.first(), base.tree.elements.first()) else {
            return Vec::new();
        };
        let mut comparison = Comparison {
            site: Side::new(self),
            base: Side::new(base),
            found: Vec::new(),
        };
        if self.view().local_name(0) == base.view().local_name(0) {
            comparison.elements(0, 0);
        } else {
            comparison.removed(0);
            comparison.added(0);
        }
        comparison.found
    }

    /// The value of the one element or attribute that `path` matches; `None` when nothing matches, or when the
    /// element holds child elements and no text.
    ///
    /// # Errors
    /// When several places match.
    pub fn kept(&self, path: &Path) -> Result<Option<Kept>, crate::document::LookupError> {
        Ok(self.one(path)?.and_then(|target| match target {
            Target::Element(id) => self.kept_text(id),
            Target::Attribute { element, index } => Some(self.kept_attribute(element, index)),
        }))
    }

    /// Whether the one element that `path` matches says the same as the one that `other_path` matches in `other`.
    pub fn says_the_same(&self, path: &Path, other: &Document, other_path: &Path) -> bool {
        match (self.one(path), other.one(other_path)) {
            (Ok(Some(Target::Element(id))), Ok(Some(Target::Element(other_id)))) => {
                self.same_element(id, other, other_id)
            }
            _ => false,
        }
    }

    pub(crate) fn same_element(&self, id: usize, other: &Document, other_id: usize) -> bool {
        Fingerprints::of(self).get(id) == Fingerprints::of(other).get(other_id)
    }

    /// The text of an element as Carbon gets it; `None` where there is nothing but child elements or attributes.
    fn kept_text(&self, id: usize) -> Option<Kept> {
        let element = &self.tree.elements[id];
        let own = value::own_text(&self.text, &self.tree, id);
        let blank = own.as_ref().is_ok_and(|text| is_blank(text));
        if let Some(alias) = self.alias_of(Target::Element(id))
            && element.children.is_empty()
        {
            // An alias on an element without text is about one of its attributes.
            let about_attribute = blank
                && (0..element.attributes.len())
                    .any(|index| !self.is_mark(id, index) && self.alias_at(id, index).is_some());
            return (!about_attribute).then_some(Kept::Vault(alias));
        }
        match own {
            Err(_) => Some(Kept::Unresolved(
                self.text[element.content.clone()].trim().to_owned(),
            )),
            Ok(_) if blank && !element.children.is_empty() => None,
            Ok(text) if is_encrypted(self.view(), id) => Some(Kept::Encrypted(text.trim().to_owned())),
            Ok(text) => Some(Kept::Plain(text.trim().to_owned())),
        }
    }

    fn kept_attribute(&self, id: usize, index: usize) -> Kept {
        if let Some(alias) = self.alias_at(id, index) {
            return Kept::Vault(alias);
        }
        let span = self.tree.elements[id].attributes[index].value.clone();
        match value::attribute(&self.text, span.clone()) {
            Ok(value) => Kept::Plain(value),
            Err(_) => Kept::Unresolved(self.text[span].to_owned()),
        }
    }

    fn alias_at(&self, element: usize, index: usize) -> Option<String> {
        self.alias_of(Target::Attribute { element, index })
    }

    /// Whether an attribute says how a value is kept rather than holding one: a namespace, an alias, `encrypted`.
    fn is_mark(&self, id: usize, index: usize) -> bool {
        let element = &self.tree.elements[id];
        let name = &self.text[element.attributes[index].name.clone()];
        is_namespace_declaration(name)
            || (element.children.is_empty()
                && (self.tree.secret_alias(&self.text, id) == Some(index) || name == "encrypted"))
    }

    /// The attributes that hold values.
    fn valued(&self, id: usize) -> Vec<usize> {
        (0..self.tree.elements[id].attributes.len())
            .filter(|index| !self.is_mark(id, *index))
            .collect()
    }

    fn attribute_path(&self, id: usize, index: usize, element: &Path) -> Path {
        Path {
            attribute: Some(self.attribute_name(id, index)),
            ..element.clone()
        }
    }
}

/// A document with what comparing it needs to know of every element.
struct Side<'d> {
    document: &'d Document,
    paths: Vec<Path>,
    fingerprints: Fingerprints,
}

impl<'d> Side<'d> {
    fn new(document: &'d Document) -> Self {
        Self {
            document,
            paths: document.canonical_paths(),
            fingerprints: Fingerprints::of(document),
        }
    }
}

struct Comparison<'d> {
    site: Side<'d>,
    base: Side<'d>,
    found: Vec<Difference>,
}

impl Comparison<'_> {
    /// The parser bounds how deep elements are nested.
    fn elements(&mut self, site: usize, base: usize) {
        if self.site.fingerprints.get(site) == self.base.fingerprints.get(base) {
            return;
        }
        self.attributes(site, base);
        self.texts(site, base);
        let pairs = pair::children(&self.site, site, &self.base, base);
        for (child, partner) in pairs.site {
            match partner {
                Some(partner) => self.elements(child, partner),
                None => self.added(child),
            }
        }
        pairs.left.into_iter().for_each(|child| self.removed(child));
    }

    fn attributes(&mut self, site: usize, base: usize) {
        let (now, then) = (self.site.document, self.base.document);
        let find = |document: &Document, id: usize, name: &str| {
            let mut all = document.valued(id).into_iter();
            all.find(|index| attribute_local(document, id, *index) == name)
        };
        for index in now.valued(site) {
            let path = now.attribute_path(site, index, &self.site.paths[site]);
            let value = now.kept_attribute(site, index);
            let partner = find(then, base, attribute_local(now, site, index));
            let old = partner.map(|partner| {
                let path = then.attribute_path(base, partner, &self.base.paths[base]);
                (path, then.kept_attribute(base, partner))
            });
            self.value(path, Some(value), old);
        }
        for index in then.valued(base) {
            if find(now, site, attribute_local(then, base, index)).is_none() {
                let path = then.attribute_path(base, index, &self.base.paths[base]);
                let old = then.kept_attribute(base, index);
                self.value(path.clone(), None, Some((path, old)));
            }
        }
    }

    fn texts(&mut self, site: usize, base: usize) {
        let filled = |kept: &Kept| *kept != Kept::Plain(String::new());
        let value = self.site.document.kept_text(site);
        let old = self.base.document.kept_text(base);
        // An emptied element is a change; one that never held text holds none.
        let (value, old) = match (value, old) {
            (Some(value), old) if filled(&value) => (Some(value), old),
            (Some(value), Some(old)) => (Some(value), Some(old)),
            (_, old) => (None, old.filter(filled)),
        };
        let old = old.map(|old| (self.base.paths[base].clone(), old));
        self.value(self.site.paths[site].clone(), value, old);
    }

    /// Notes a value that is not as it was.
    fn value(&mut self, path: Path, value: Option<Kept>, old: Option<(Path, Kept)>) {
        let (base_path, base) = old.unzip();
        let kind = match (&value, &base) {
            (None, None) => return,
            (Some(value), Some(base)) if value == base => return,
            (Some(_), Some(_)) => DifferenceKind::Changed,
            (Some(_), None) => DifferenceKind::Added,
            (None, Some(_)) => DifferenceKind::Removed,
        };
        let path = match kind {
            DifferenceKind::Removed => base_path.clone().unwrap_or(path),
            DifferenceKind::Changed | DifferenceKind::Added | DifferenceKind::AddedElement => path,
        };
        self.found.push(Difference {
            kind,
            path,
            base_path,
            base,
            value,
        });
    }

    fn added(&mut self, site: usize) {
        let document = self.site.document;
        let path = self.site.paths[site].clone();
        let (kind, value) = match document.simple(site, &path) {
            Some(value) => (DifferenceKind::Added, Some(value)),
            None => (DifferenceKind::AddedElement, None),
        };
        self.found.push(Difference {
            kind,
            path,
            base_path: None,
            base: None,
            value,
        });
    }

    fn removed(&mut self, base: usize) {
        let path = self.base.paths[base].clone();
        let old = self.base.document.simple(base, &path);
        self.found.push(Difference {
            kind: DifferenceKind::Removed,
            base_path: Some(path.clone()),
            path,
            base: old,
            value: None,
        });
    }
}

impl Document {
    /// The value of an element that its path and this value say in full: no children, no attribute beside those
    /// that its path names, and kept in plain.
    fn simple(&self, id: usize, path: &Path) -> Option<Kept> {
        let element = &self.tree.elements[id];
        let named = leaf::predicate_attributes(path);
        let told = (0..element.attributes.len()).all(|index| {
            let name = &self.text[element.attributes[index].name.clone()];
            is_namespace_declaration(name) || named.contains(&split_name(name).1)
        });
        if !element.children.is_empty() || !told {
            return None;
        }
        self.kept_text(id).filter(|kept| matches!(kept, Kept::Plain(_)))
    }
}

fn attribute_local(document: &Document, id: usize, index: usize) -> &str {
    split_name(&document.text[document.tree.elements[id].attributes[index].name.clone()]).1
}
