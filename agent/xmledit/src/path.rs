//! Paths that say where in a file a value lies.

pub(crate) mod error;
mod syntax;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use error::PathError;

/// An absolute path to elements, or to an attribute of theirs: a small part of XPath.
///
/// ```text
/// /wso2registry/dbConfig[@name='wso2registry']/dataSource     an attribute's value
/// /datasources-configuration/datasources/datasource[jndiConfig/name='jdbc/X']   a descendant's text
/// /wso2registry/dbConfig[@name=/wso2registry/currentDBConfig]/dataSource        the text found at another path
/// /Server/Service/Connector[2]/@port                          the second such child; an attribute as target
/// /{http://wso2.org/projects/carbon/carbon.xml}Server/HostName                  a demanded namespace
/// ```
///
/// **Names match by local name**: `Server` also finds `c:Server` and elements of any namespace, for Carbon's files
/// use default namespaces that no path should have to repeat. `{uri}name` demands the namespace. An attribute name
/// means the attribute without a prefix if there is one, else any attribute of that local name. Comments are never
/// looked into. Several predicates filter one after the other, as in XPath.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    pub(crate) steps: Vec<Step>,
    pub(crate) attribute: Option<Name>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name {
    pub(crate) namespace: Option<String>,
    pub(crate) local: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Step {
    pub(crate) name: Name,
    pub(crate) predicates: Vec<Predicate>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Predicate {
    /// Counted from 1 among what the predicates before it left.
    Position(usize),
    Equals(Relative, Operand),
}

/// What a predicate looks at, seen from the element it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Relative {
    pub(crate) steps: Vec<Name>,
    pub(crate) attribute: Option<Name>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Operand {
    Literal(String),
    Path(Path),
}

impl Path {
    /// Quotes a value for use in a predicate, or `None` when it holds both kinds of quote.
    ///
    /// `format!("/a/b[name={}]", Path::quote(name)?)` is the way to put a name from elsewhere into a path.
    pub fn quote(value: &str) -> Option<String> {
        match (value.contains('\''), value.contains('"')) {
            (false, _) => Some(format!("'{value}'")),
            (true, false) => Some(format!("\"{value}\"")),
            (true, true) => None,
        }
    }

    /// The local name of the attribute this path ends in, if it does.
    pub fn attribute_name(&self) -> Option<&str> {
        self.attribute.as_ref().map(|name| name.local.as_str())
    }

    /// The words that say what a value is: the attribute, the last element, the values its predicates ask for, and
    /// the element around it.
    pub fn words(&self) -> Vec<&str> {
        let mut words: Vec<&str> = self.attribute_name().into_iter().collect();
        let mut steps = self.steps.iter().rev();
        if let Some(last) = steps.next() {
            words.push(&last.name.local);
            words.extend(last.predicates.iter().filter_map(|predicate| match predicate {
                Predicate::Equals(_, Operand::Literal(value)) => Some(value.as_str()),
                Predicate::Equals(_, Operand::Path(_)) | Predicate::Position(_) => None,
            }));
        }
        words.extend(steps.next().map(|step| step.name.local.as_str()));
        words
    }

    /// Whether this path is `outer` or goes on from it.
    pub fn is_within(&self, outer: &Path) -> bool {
        match outer.attribute {
            Some(_) => self == outer,
            None => self.steps.starts_with(&outer.steps),
        }
    }

    /// The path of the enclosing element: without the attribute, or without the last step; `None` at the root.
    pub fn parent(&self) -> Option<Path> {
        let mut parent = self.clone();
        if parent.attribute.take().is_none() {
            parent.steps.pop();
        }
        (!parent.steps.is_empty()).then_some(parent)
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        syntax::parse(text)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            write!(f, "/{}", step.name)?;
            for predicate in &step.predicates {
                write!(f, "[{predicate}]")?;
            }
        }
        match &self.attribute {
            Some(name) => write!(f, "/@{name}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(uri) => write!(f, "{{{uri}}}{}", self.local),
            None => f.write_str(&self.local),
        }
    }
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Position(position) => write!(f, "{position}"),
            Self::Equals(left, Operand::Path(path)) => write!(f, "{left}={path}"),
            Self::Equals(left, Operand::Literal(value)) => {
                let quote = if value.contains('\'') { '"' } else { '\'' };
                write!(f, "{left}={quote}{value}{quote}")
            }
        }
    }
}

impl fmt::Display for Relative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.steps.iter().enumerate() {
            let slash = if index == 0 { "" } else { "/" };
            write!(f, "{slash}{name}")?;
        }
        match &self.attribute {
            Some(name) if self.steps.is_empty() => write!(f, "@{name}"),
            Some(name) => write!(f, "/@{name}"),
            None => Ok(()),
        }
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
