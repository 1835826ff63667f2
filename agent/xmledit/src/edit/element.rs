//! An element that is to be added.

use std::fmt;

use crate::chars::{is_local_name, is_xml_char};
use crate::escape::{self, LineEnding};

/// An element to be inserted: a name without a prefix, attributes, and either text or child elements.
///
/// Its `Debug` form does not show values, which may be passwords.
#[derive(Clone, PartialEq, Eq)]
pub struct NewElement {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) text: Option<String>,
    pub(crate) children: Vec<NewElement>,
}

impl fmt::Debug for NewElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewElement")
            .field("name", &self.name)
            .field(
                "attributes",
                &self.attributes.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            )
            .field("children", &self.children)
            .finish_non_exhaustive()
    }
}

/// How elements are written where a new one goes.
#[derive(Debug)]
pub(crate) struct Style {
    /// The prefix of the parent, colon included: a new element belongs to its parent's namespace.
    pub(crate) prefix: String,
    pub(crate) unit: String,
    pub(crate) ending: LineEnding,
}

impl NewElement {
    /// An empty element.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            attributes: Vec::new(),
            text: None,
            children: Vec::new(),
        }
    }

    /// Adds an attribute.
    #[must_use]
    pub fn with_attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }

    /// Gives it text. An element with child elements is written without it.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Adds a child element.
    #[must_use]
    pub fn with_child(mut self, child: NewElement) -> Self {
        self.children.push(child);
        self
    }

    /// The first name in it that cannot be one.
    pub(crate) fn bad_name(&self) -> Option<&str> {
        let duplicate = |index: usize| {
            self.attributes[..index]
                .iter()
                .any(|(name, _)| *name == self.attributes[index].0)
        };
        let bad_attribute = (0..self.attributes.len())
            .find(|index| !is_local_name(&self.attributes[*index].0) || duplicate(*index))
            .map(|index| self.attributes[index].0.as_str());
        let own = (!is_local_name(&self.name)).then_some(self.name.as_str());
        own.or(bad_attribute)
            .or_else(|| self.children.iter().find_map(Self::bad_name))
    }

    /// Whether every value in it can be written in XML.
    pub(crate) fn is_writable(&self) -> bool {
        let values = self.attributes.iter().map(|(_, value)| value).chain(&self.text);
        values.flat_map(|value| value.chars()).all(is_xml_char) && self.children.iter().all(Self::is_writable)
    }

    /// The element and all below it.
    pub(crate) fn count(&self) -> usize {
        1 + self.children.iter().map(Self::count).sum::<usize>()
    }

    /// The child of that name, made if there is none.
    pub(crate) fn child_mut(&mut self, name: &str) -> &mut NewElement {
        let index = self
            .children
            .iter()
            .position(|child| child.name == name)
            .unwrap_or_else(|| {
                self.children.push(NewElement::new(name));
                self.children.len() - 1
            });
        &mut self.children[index]
    }

    /// The element as text; `indent` is that of its own line, `None` when all goes on one line.
    pub(crate) fn render(&self, style: &Style, indent: Option<&str>) -> String {
        let name = format!("{}{}", style.prefix, self.name);
        let mut tag = format!("<{name}");
        for (attribute, value) in &self.attributes {
            tag.push_str(&format!(" {attribute}=\"{}\"", escape::attribute(value, '"')));
        }
        let content = match (&self.text, self.children.is_empty()) {
            (_, false) => self.render_children(style, indent),
            (Some(text), true) => escape::text(text, style.ending),
            (None, true) => return format!("{tag}/>"),
        };
        format!("{tag}>{content}</{name}>")
    }

    fn render_children(&self, style: &Style, indent: Option<&str>) -> String {
        let Some(indent) = indent else {
            return self
                .children
                .iter()
                .map(|child| child.render(style, None))
                .collect();
        };
        let inner = format!("{indent}{}", style.unit);
        let ending = style.ending.as_str();
        let mut content: String = self
            .children
            .iter()
            .map(|child| format!("{ending}{inner}{}", child.render(style, Some(&inner))))
            .collect();
        content.push_str(ending);
        content.push_str(indent);
        content
    }
}
