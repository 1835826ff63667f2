//! Writing attributes.

use crate::document::Document;
use crate::edit::Splice;
use crate::escape;

impl Document {
    /// Replaces the value of attribute `index` within the quotes it has.
    pub(crate) fn value_splice(&self, element: usize, index: usize, value: &str) -> Splice {
        let span = self.tree.elements[element].attributes[index].value.clone();
        let replacement = escape::attribute(value, self.quote_before(span.start));
        Splice { span, replacement }
    }

    /// Adds an attribute after the last one, separated and quoted as that one is.
    pub(crate) fn add_attribute(&self, element: usize, name: &str, value: &str) -> Splice {
        let element = &self.tree.elements[element];
        let (at, separator, quote) = match element.attributes.last() {
            None => (element.name.end, " ", '"'),
            Some(last) => {
                let head = &self.text[element.name.end..last.name.start];
                let separator = &head[head.trim_end().len()..];
                (last.value.end + 1, separator, self.quote_before(last.value.start))
            }
        };
        let value = escape::attribute(value, quote);
        Splice {
            span: at..at,
            replacement: format!("{separator}{name}={quote}{value}{quote}"),
        }
    }

    fn quote_before(&self, offset: usize) -> char {
        if self.text[..offset].ends_with('\'') {
            '\''
        } else {
            '"'
        }
    }
}
