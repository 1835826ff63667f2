//! Just enough XML: a tree with namespaces that knows where each element's content lies in the text.

use std::ops::Range;

use anyhow::{Context as _, Result, bail};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// One element.
#[derive(Debug, Default)]
pub(crate) struct Element {
    /// The name without its prefix.
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Element>,
    pub(crate) text: String,
    /// Where the content lies between the start and the end tag.
    pub(crate) content: Range<usize>,
    /// The start tag as it is written, and where it begins.
    tag: (usize, String),
    /// Namespace declarations on this very element.
    declared: Vec<(String, String)>,
}

impl Element {
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }

    pub(crate) fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path).map(|element| element.text.trim())
    }

    /// Where an attribute's value lies in the text.
    pub(crate) fn value_range(&self, name: &str) -> Option<Range<usize>> {
        let (begin, tag) = &self.tag;
        let (before, after) = tag.split_once(&format!(" {name}="))?;
        let quote = after.chars().next()?;
        let length = after.get(1..)?.find(quote)?;
        let start = begin + before.len() + name.len() + 3;
        Some(start..start + length)
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Reads a document into its root element.
pub(crate) fn parse(text: &str) -> Result<Element> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = vec![Element::default()];
    loop {
        let before = position(&reader)?;
        let event = reader
            .read_event()
            .with_context(|| format!("not well-formed at byte {before}"))?;
        match event {
            Event::Start(tag) => {
                let element = start(&tag, &open, before..position(&reader)?, text)?;
                open.push(element);
            }
            Event::Empty(tag) => {
                let element = start(&tag, &open, before..position(&reader)?, text)?;
                append(&mut open, element)?;
            }
            Event::End(_) => {
                let mut element = open.pop().context("an end tag too many")?;
                element.content.end = before;
                append(&mut open, element)?;
            }
            Event::Text(part) => push_text(&mut open, &part.xml10_content()),
            Event::CData(part) => push_text(&mut open, &part.xml10_content()),
            Event::GeneralRef(reference) => {
                let character = match reference.resolve_char_ref()? {
                    Some(character) => character.to_string(),
                    None => named(&reference.xml10_content())?.to_owned(),
                };
                push_text(&mut open, &character);
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            Event::Eof => break,
        }
    }
    match open.pop() {
        Some(mut document) if open.is_empty() => document.children.pop().context("there is no root element"),
        Some(element) => bail!("<{}> is not closed", element.name),
        None => bail!("there is no root element"),
    }
}

/// Replaces ranges of the text by markup; the rest stays as it is.
pub(crate) fn splice(text: &str, mut edits: Vec<(Range<usize>, String)>) -> String {
    // From the end on, so that a range still means what it meant; two edits of one place in the order given.
    edits.reverse();
    edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    let mut out = text.to_owned();
    for (range, markup) in edits {
        out.replace_range(range, &markup);
    }
    out
}

/// `text` as element content or attribute value.
pub(crate) fn escape(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

/// Configuration files say their encoding in the declaration; without one they are UTF-8.
pub(crate) fn decode(bytes: &[u8]) -> Result<String> {
    if is_latin1(bytes) {
        return Ok(bytes.iter().map(|&byte| char::from(byte)).collect());
    }
    String::from_utf8(bytes.to_owned()).context("the file is not UTF-8, and declares no other encoding")
}

/// The way back of [`decode`].
pub(crate) fn encode(text: &str) -> Vec<u8> {
    if !is_latin1(text.as_bytes()) {
        return text.as_bytes().to_owned();
    }
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
        .collect()
}

fn is_latin1(bytes: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(100)]).to_ascii_lowercase();
    head.starts_with("<?xml")
        && head
            .split("?>")
            .next()
            .is_some_and(|decl| decl.contains("iso-8859-1"))
}

fn position(reader: &Reader<&[u8]>) -> Result<usize> {
    Ok(usize::try_from(reader.buffer_position())?)
}

fn start(tag: &BytesStart<'_>, open: &[Element], span: Range<usize>, text: &str) -> Result<Element> {
    let written = text.get(span.clone()).unwrap_or_default().to_owned();
    let mut element = Element {
        content: span.end..span.end,
        tag: (span.start, written),
        ..Element::default()
    };
    for attribute in tag.attributes() {
        let attribute = attribute?;
        let key = attribute.key.as_ref().to_owned();
        let value = attribute
            .normalized_value(quick_xml::XmlVersion::Implicit1_0)?
            .into_owned();
        match key.strip_prefix("xmlns") {
            Some("") => element.declared.push((String::new(), value)),
            Some(prefix) if prefix.starts_with(':') => element.declared.push((prefix[1..].to_owned(), value)),
            Some(_) | None => element.attributes.push((key, value)),
        }
    }
    let full = tag.name().as_ref().to_owned();
    let (prefix, local) = full.split_once(':').unwrap_or(("", &full));
    element.name = local.to_owned();
    element.namespace = std::iter::once(&element)
        .chain(open.iter().rev())
        .find_map(|scope| scope.declared.iter().find(|(name, _)| name == prefix))
        .map(|(_, uri)| uri.clone())
        .unwrap_or_default();
    Ok(element)
}

fn append(open: &mut [Element], element: Element) -> Result<()> {
    open.last_mut()
        .context("an end tag too many")?
        .children
        .push(element);
    Ok(())
}

fn push_text(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn named(entity: &str) -> Result<&'static str> {
    Ok(match entity {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "apos" => "'",
        "quot" => "\"",
        other => bail!("the entity &{other}; is not defined"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_content_past_comments_that_look_like_it() {
        let text = "<a><!-- <b>no</b> --><b x='1'>yes &amp; <![CDATA[<no>]]></b></a>";
        let root = parse(text).expect("well-formed");
        assert_eq!(root.text_at(&["b"]), Some("yes & <no>"));
        let edited = splice(
            text,
            vec![(root.at(&["b"]).expect("b").content.clone(), escape("a<b"))],
        );
        assert_eq!(edited, "<a><!-- <b>no</b> --><b x='1'>a&lt;b</b></a>");
    }

    #[test]
    fn resolves_namespaces_by_scope() {
        let root = parse("<p:a xmlns:p='one' xmlns='two'><b xmlns='three'/><p:c/><d/></p:a>").expect("ok");
        let found: Vec<&str> = root
            .children
            .iter()
            .map(|child| child.namespace.as_str())
            .collect();
        assert_eq!(
            (root.namespace.as_str(), found),
            ("one", vec!["three", "one", "two"])
        );
    }

    #[test]
    fn latin1_survives_a_round_trip() {
        let bytes = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xe9</a>";
        let text = decode(bytes).expect("decodes");
        assert!(text.contains('é'));
        assert_eq!(encode(&text), bytes);
    }
}
