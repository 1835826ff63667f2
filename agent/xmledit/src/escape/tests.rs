//! What is escaped is read back as it was.

use proptest::prelude::*;
use test_case::test_case;

use super::{LineEnding, attribute, cdata, text};
use crate::value;

const ENDINGS: [LineEnding; 2] = [LineEnding::Lf, LineEnding::CrLf];

#[test_case("", LineEnding::Lf; "no line at all")]
#[test_case("a\nb", LineEnding::Lf; "lf")]
#[test_case("a\r\nb", LineEnding::CrLf; "crlf")]
#[test_case("a\r\nb\n", LineEnding::Lf; "half and half")]
#[test_case("a\r\nb\r\nc\n", LineEnding::CrLf; "mostly crlf")]
#[test_case("a\rb", LineEnding::Lf; "a lone cr is no line ending")]
fn line_ending_of_most_lines(text: &str, expected: LineEnding) {
    assert_eq!(LineEnding::of(text), expected);
}

#[test]
fn cdata_when_it_cannot_hold_the_value_then_none() {
    assert_eq!(cdata("a]]>b", LineEnding::Lf), None);
    assert_eq!(cdata("a\rb", LineEnding::Lf), None);
    assert_eq!(cdata("<a>\n]]", LineEnding::CrLf).as_deref(), Some("<a>\r\n]]"));
}

proptest! {
    #[test]
    fn values_come_back(value in "[ -~\r\n\t\u{e9}]{0,16}") {
        for ending in ENDINGS {
            let document = format!("<a>{}</a>", text(&value, ending));
            let tree = crate::parse::parse(&document).unwrap();
            prop_assert_eq!(value::element(&document, &tree, 0).unwrap(), value.clone());
            if let Some(section) = cdata(&value, ending) {
                let document = format!("<a><![CDATA[{section}]]></a>");
                let tree = crate::parse::parse(&document).unwrap();
                prop_assert_eq!(value::element(&document, &tree, 0).unwrap(), value.clone());
            }
        }
        for quote in ['"', '\''] {
            let written = attribute(&value, quote);
            prop_assert!(!written.contains(quote));
            prop_assert_eq!(value::attribute(&written, 0..written.len()).unwrap(), value.clone());
        }
    }
}
