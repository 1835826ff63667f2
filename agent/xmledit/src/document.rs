//! A document: the text of a file, where its elements lie, and what can be read from it.

use std::fmt;

use crate::encoding::{self, BOM, Encoding};
use crate::leaf::Leaf;
use crate::lookup::{Target, View};
use crate::parse;
use crate::parse::error::ParseError;
use crate::path::Path;
use crate::position::line_at;
use crate::tree::{Tree, split_name};
use crate::value::{self, Unreadable};

/// An XML file that can be read and edited without touching any byte that is not meant.
///
/// Its `Debug` form does not show the text, which may hold passwords.
#[derive(Clone)]
pub struct Document {
    pub(crate) encoding: Encoding,
    pub(crate) bom: bool,
    pub(crate) text: String,
    pub(crate) tree: Tree,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("encoding", &self.encoding)
            .field("bom", &self.bom)
            .field("length", &self.text.len())
            .field("elements", &self.tree.elements.len())
            .finish_non_exhaustive()
    }
}

/// Why a value cannot be told. No variant holds a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// More than one place matches.
    #[error(
        "`{path}` matches {} places, at lines {}; make the path match only one",
        lines.len(),
        join(lines)
    )]
    Several {
        /// The path that was looked up.
        path: Path,
        /// The line of each match.
        lines: Vec<usize>,
    },
    /// The element holds elements, not text.
    #[error("`{path}` (line {line}) holds child elements, not a value; name one of them")]
    HasChildren {
        /// The path that was looked up.
        path: Path,
        /// The line the element begins on.
        line: usize,
    },
    /// The value contains an entity that only a DTD could define.
    #[error(
        "the value of `{path}` refers to the entity `{entity}` (line {line}), which is not resolved; write its text instead"
    )]
    UnknownEntity {
        /// The path that was looked up.
        path: Path,
        /// The line of the reference.
        line: usize,
        /// The name of the entity.
        entity: String,
    },
}

pub(crate) fn join(lines: &[usize]) -> String {
    lines.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

impl Document {
    /// Reads a file: finds its encoding, checks that it is well-formed, and finds its elements.
    ///
    /// # Errors
    /// What is wrong and where, when the file is not well-formed or in an encoding that is not supported.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let detected = encoding::detect(bytes)?;
        let body = if detected.bom { &bytes[BOM.len()..] } else { bytes };
        Self::from_text(detected.encoding, detected.bom, detected.encoding.decode(body)?)
    }

    pub(crate) fn from_text(encoding: Encoding, bom: bool, text: String) -> Result<Self, ParseError> {
        let tree = parse::parse(&text)?;
        Ok(Self {
            encoding,
            bom,
            text,
            tree,
        })
    }

    /// The file's bytes; those it was parsed from when nothing was edited.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = if self.bom { BOM.to_vec() } else { Vec::new() };
        // The text came out of this encoding and edits are checked against it, so there is always something to add.
        bytes.extend(self.encoding.encode(&self.text).unwrap_or_default());
        bytes
    }

    /// The encoding the file is in.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The decoded text of the one element, or value of the one attribute, that `path` matches; `None` when nothing
    /// matches.
    ///
    /// # Errors
    /// When several places match, the element has child elements, or the value needs a DTD to be understood.
    pub fn text(&self, path: &Path) -> Result<Option<String>, LookupError> {
        let Some(target) = self.one(path)? else {
            return Ok(None);
        };
        let value = self.view().value(target);
        value
            .map(Some)
            .map_err(|unreadable| self.unreadable(path, target, unreadable))
    }

    /// Everything `path` matches, in document order, each with a path of its own.
    pub fn all(&self, path: &Path) -> Vec<Leaf> {
        let targets = self.view().find(path);
        if targets.is_empty() {
            return Vec::new();
        }
        let paths = self.canonical_paths();
        targets
            .into_iter()
            .map(|target| self.leaf(self.own_path(target, &paths), target))
            .collect()
    }

    /// How many places `path` matches.
    pub fn count(&self, path: &Path) -> usize {
        self.view().find(path).len()
    }

    /// The Secure Vault alias of the first element or attribute that `path` matches and that has one.
    ///
    /// That is the value of `secretAlias` in the namespace `http://org.wso2.securevault/configuration`.
    pub fn secret_alias(&self, path: &Path) -> Option<String> {
        self.view()
            .find(path)
            .into_iter()
            .find_map(|target| self.alias_of(target))
    }

    pub(crate) fn view(&self) -> View<'_> {
        View {
            text: &self.text,
            tree: &self.tree,
        }
    }

    /// The one target of `path`, if there is any.
    pub(crate) fn one(&self, path: &Path) -> Result<Option<Target>, LookupError> {
        match self.view().find(path).as_slice() {
            [] => Ok(None),
            [target] => Ok(Some(*target)),
            several => {
                let lines = several.iter().map(|target| self.line_of(*target)).collect();
                Err(LookupError::Several {
                    path: path.clone(),
                    lines,
                })
            }
        }
    }

    pub(crate) fn line_of(&self, target: Target) -> usize {
        let offset = match target {
            Target::Element(id) => self.tree.elements[id].start_tag.start,
            Target::Attribute { element, index } => self.tree.elements[element].attributes[index].name.start,
        };
        line_at(&self.text, offset)
    }

    pub(crate) fn unreadable(&self, path: &Path, target: Target, unreadable: Unreadable) -> LookupError {
        match unreadable {
            Unreadable::HasChildren => LookupError::HasChildren {
                path: path.clone(),
                line: self.line_of(target),
            },
            Unreadable::UnknownEntity { name, offset } => LookupError::UnknownEntity {
                path: path.clone(),
                line: line_at(&self.text, offset),
                entity: name,
            },
        }
    }

    /// The alias that protects a target. An element's alias is about its text.
    pub(crate) fn alias_of(&self, target: Target) -> Option<String> {
        match target {
            Target::Element(id) => self.element_alias(id).map(|(_, alias)| alias),
            Target::Attribute { element, index } => {
                let span = self.tree.elements[element].attributes[index].name.clone();
                self.attribute_alias(element, Some(index), split_name(&self.text[span]).1)
            }
        }
    }

    /// The alias that protects attribute `local` of an element, which is attribute `index` if it is there.
    ///
    /// Tomcat's `Connector` has its `keystorePass` protected by an alias on the element,
    /// `Server.Service.Connector.keystorePass`: the last part names the attribute. Where it names none of the
    /// element's, whatever looks like a password counts as protected; other attributes, such as a port, do not.
    pub(crate) fn attribute_alias(&self, id: usize, index: Option<usize>, local: &str) -> Option<String> {
        let (at, alias) = self.element_alias(id)?;
        let named = alias.rsplit('.').next().unwrap_or_default();
        let is_named = |name: &str| name.eq_ignore_ascii_case(named);
        let mut attributes = self.tree.elements[id].attributes.iter();
        let names_one = attributes.any(|a| is_named(split_name(&self.text[a.name.clone()]).1));
        let protected = index == Some(at) || is_named(local) || (!names_one && looks_secret(local));
        protected.then_some(alias)
    }

    /// The alias on an element, and which of its attributes says so.
    fn element_alias(&self, id: usize) -> Option<(usize, String)> {
        let at = self.tree.secret_alias(&self.text, id)?;
        let span = self.tree.elements[id].attributes[at].value.clone();
        let alias = value::attribute(&self.text, span.clone());
        Some((at, alias.unwrap_or_else(|_| self.text[span].to_owned())))
    }

    fn own_path(&self, target: Target, paths: &[Path]) -> Path {
        let path = paths[target.element()].clone();
        match target {
            Target::Element(_) => path,
            Target::Attribute { element, index } => Path {
                attribute: Some(self.attribute_name(element, index)),
                ..path
            },
        }
    }
}

fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["pass", "pwd", "secret"].iter().any(|part| name.contains(part))
}
