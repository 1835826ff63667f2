//! Spans of attributes, and where a malformed one is reported.

use test_case::test_case;

use super::scan;
use crate::parse::error::Reason;

#[test_case("", &[]; "none")]
#[test_case(" \r\n\t", &[]; "white space")]
#[test_case(" a='1'", &[("a", "1")]; "one")]
#[test_case(" a = \"1\"\n\tb\n=\n'2' ", &[("a", "1"), ("b", "2")]; "white space everywhere")]
#[test_case(" a='\"' b=\"'\"", &[("a", "\""), ("b", "'")]; "each quote in the other")]
#[test_case(" a='b=\"c\"' x:y=''", &[("a", "b=\"c\""), ("x:y", "")]; "markup in a value, a prefix, an empty value")]
#[test_case(" a='>/>' b='&lt;&#9;'", &[("a", ">/>"), ("b", "&lt;&#9;")]; "greater than and references")]
#[test_case(" \u{e9}='\u{20ac}'", &[("\u{e9}", "\u{20ac}")]; "beyond ascii")]
fn scan_when_well_formed_then_names_and_values(text: &str, expected: &[(&str, &str)]) {
    let found = scan(text, 0..text.len()).unwrap();
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|a| (&text[a.name.clone()], &text[a.value.clone()]))
        .collect();
    assert_eq!(found, expected);
}

#[test_case("a='1'", 0, Reason::Attribute; "no white space before")]
#[test_case(" a='1' a='2'", 7, Reason::DuplicateAttribute; "twice")]
#[test_case(" a", 1, Reason::Attribute; "name only")]
#[test_case(" a=", 3, Reason::Attribute; "no value")]
#[test_case(" a='1", 3, Reason::Attribute; "unclosed value")]
#[test_case(" a=1", 3, Reason::Attribute; "unquoted value")]
#[test_case(" ='1'", 1, Reason::Name; "no name")]
#[test_case(" -a='1'", 1, Reason::Name; "bad name")]
#[test_case(" a='1'/ b='2'", 6, Reason::Attribute; "slash between")]
#[test_case(" a='x<y'", 5, Reason::LessThanInAttribute; "less than")]
#[test_case(" a='x&y'", 5, Reason::Reference; "ampersand")]
#[test_case(" a='&y' b=';'", 4, Reason::Reference; "a reference does not end in the next value")]
fn scan_when_malformed_then_place_and_reason(text: &str, offset: usize, reason: Reason) {
    assert_eq!(scan(text, 0..text.len()).unwrap_err(), (offset, reason));
}

#[test]
fn scan_stays_within_its_span() {
    let text = "<a b='1' c='2'>";
    assert_eq!(scan(text, 2..8).unwrap().len(), 1);
    assert!(scan(text, 2..12).is_err());
}
