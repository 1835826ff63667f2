//! A document written in a random style reads as the values it was written from.

use cutover_xmledit::Document;
use proptest::prelude::*;

/// An element as it is meant.
#[derive(Debug, Clone)]
struct Meant {
    name: String,
    attributes: Vec<(String, String)>,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Text(String),
    Children(Vec<Meant>),
}

fn meant() -> impl Strategy<Value = Meant> {
    let text = "[ -~\u{e9}\u{20ac}]{0,10}";
    let attributes = proptest::collection::btree_map("[kl]", text, 0..3);
    let leaf = ("[a-d]", attributes.clone(), text).prop_map(|(name, attributes, text)| Meant {
        name,
        attributes: attributes.into_iter().collect(),
        content: Content::Text(text),
    });
    leaf.prop_recursive(4, 24, 4, move |inner| {
        (
            "[a-d]",
            attributes.clone(),
            proptest::collection::vec(inner, 1..4),
        )
            .prop_map(|(name, attributes, children)| Meant {
                name,
                attributes: attributes.into_iter().collect(),
                content: Content::Children(children),
            })
    })
}

/// How things are written, decided by one random stream after the other.
struct Style {
    choices: Vec<u8>,
    at: usize,
}

impl Style {
    fn choose<'c>(&mut self, among: &[&'c str]) -> &'c str {
        self.at += 1;
        among[usize::from(self.choices[self.at % self.choices.len()]) % among.len()]
    }

    fn character(&mut self, c: char) -> String {
        let number = u32::from(c);
        match c {
            '&' => self.choose(&["&amp;", "&#38;", "&#x26;"]).to_owned(),
            '<' => self.choose(&["&lt;", "&#60;"]).to_owned(),
            '>' => self.choose(&["&gt;", "&#x3e;"]).to_owned(),
            '"' => "&quot;".to_owned(),
            '\'' => "&apos;".to_owned(),
            other => match self.choose(&["plain", "plain", "plain", "decimal", "hex"]) {
                "decimal" => format!("&#{number};"),
                "hex" => format!("&#x{number:X};"),
                _ => other.to_string(),
            },
        }
    }

    fn text(&mut self, value: &str) -> String {
        if self.choose(&["escaped", "escaped", "cdata"]) == "cdata" && !value.contains("]]>") {
            return format!("<![CDATA[{value}]]>");
        }
        let written: Vec<String> = value
            .chars()
            .map(|c| {
                format!(
                    "{}{}",
                    self.character(c),
                    self.choose(&["", "", "", "", "<!--<a k='0'>-->", "<?x y?>"])
                )
            })
            .collect();
        written.concat()
    }

    fn element(&mut self, meant: &Meant) -> String {
        let mut tag = format!("<{}", meant.name);
        for (name, value) in &meant.attributes {
            let space = self.choose(&[" ", "\n  ", "\r\n\t"]);
            let equals = self.choose(&["=", " = "]);
            let quote = self.choose(&["'", "\""]);
            let value: String = value.chars().map(|c| self.character(c)).collect();
            tag.push_str(&format!("{space}{name}{equals}{quote}{value}{quote}"));
        }
        tag.push_str(self.choose(&["", "", " ", "\n"]));
        match &meant.content {
            Content::Text(text) if text.is_empty() && self.choose(&["long", "short"]) == "short" => {
                format!("{tag}/>")
            }
            Content::Text(text) => format!("{tag}>{}</{}>", self.text(text), meant.name),
            Content::Children(children) => {
                let inner: String = children
                    .iter()
                    .map(|child| {
                        let before = self.choose(&["", "\n", "\r\n    ", "<!-- <a/> -->", "<?pi <b>?>"]);
                        format!("{before}{}", self.element(child))
                    })
                    .collect();
                format!("{tag}>{inner}{}</{}>", self.choose(&["", "\n"]), meant.name)
            }
        }
    }
}

/// The values in document order, as the walk is documented to list them.
fn values(meant: &Meant, found: &mut Vec<String>) {
    found.extend(meant.attributes.iter().map(|(_, value)| value.clone()));
    match &meant.content {
        Content::Text(text) => {
            if !text.trim().is_empty() || meant.attributes.is_empty() {
                found.push(text.clone());
            }
        }
        Content::Children(children) => children.iter().for_each(|child| values(child, found)),
    }
}

proptest! {
    #[test]
    fn leaves_are_the_values_that_were_written(
        meant in meant(), choices in proptest::collection::vec(any::<u8>(), 1..64)
    ) {
        let written = Style { choices, at: 0 }.element(&meant);
        let document = Document::parse(written.as_bytes()).unwrap();
        let mut expected = Vec::new();
        values(&meant, &mut expected);
        let leaves = document.leaves();
        let found: Vec<String> = leaves.iter().map(|leaf| leaf.value.clone().unwrap()).collect();
        prop_assert_eq!(found, expected);
        for leaf in leaves {
            prop_assert_eq!(document.text(&leaf.path).unwrap(), leaf.value.ok());
        }
    }

    #[test]
    fn every_leaf_takes_any_value(
        meant in meant(), choices in proptest::collection::vec(any::<u8>(), 1..64),
        which: prop::sample::Index, value in "[ -~\r\n\u{e9}]{0,10}"
    ) {
        let written = Style { choices, at: 0 }.element(&meant);
        let mut document = Document::parse(written.as_bytes()).unwrap();
        let leaves = document.leaves();
        prop_assume!(!leaves.is_empty());
        let at = which.index(leaves.len());
        let change = document.set(&leaves[at].path, &value).unwrap();
        let after = document.leaves();
        let untouched = |index: &usize| *index != at;
        // Emptying the text of an element with attributes takes it off the list.
        if after.len() == leaves.len() {
            for index in (0..leaves.len()).filter(untouched) {
                prop_assert_eq!(&after[index].value, &leaves[index].value);
            }
        }
        document.undo(&change).unwrap();
        prop_assert_eq!(document.to_bytes(), written.as_bytes());
    }
}
