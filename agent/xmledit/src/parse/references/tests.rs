//! Which references there are.

use test_case::test_case;

use super::{Reference, check, read};

#[test_case("lt", '<'; "less than")]
#[test_case("gt", '>'; "greater than")]
#[test_case("amp", '&'; "ampersand")]
#[test_case("quot", '"'; "quote")]
#[test_case("apos", '\''; "apostrophe")]
#[test_case("#9", '\t'; "tab")]
#[test_case("#65", 'A'; "decimal")]
#[test_case("#x41", 'A'; "hexadecimal")]
#[test_case("#xE9", '\u{e9}'; "upper case digits")]
#[test_case("#x1F600", '\u{1f600}'; "beyond the basic plane")]
#[test_case("#00065", 'A'; "leading zeros")]
fn read_when_known_then_character(name: &str, expected: char) {
    assert_eq!(read(name), Some(Reference::Char(expected)));
}

#[test_case("nbsp"; "html entity")]
#[test_case("LT"; "names are case sensitive")]
#[test_case("my.entity-1"; "any name")]
fn read_when_another_name_then_unknown(name: &str) {
    assert_eq!(read(name), Some(Reference::Unknown));
}

#[test_case(""; "empty")]
#[test_case("#"; "no number")]
#[test_case("#x"; "no hexadecimal number")]
#[test_case("#X41"; "upper case x")]
#[test_case("#+65"; "sign")]
#[test_case("#6 5"; "blank")]
#[test_case("#0"; "nul")]
#[test_case("#8"; "control character")]
#[test_case("#xD800"; "surrogate")]
#[test_case("#xFFFF"; "non character")]
#[test_case("#x110000"; "beyond unicode")]
#[test_case("#99999999999999999999"; "beyond any number")]
#[test_case("a b"; "blank in name")]
#[test_case("1a"; "digit first")]
fn read_when_malformed_then_none(name: &str) {
    assert_eq!(read(name), None);
}

#[test]
fn check_finds_the_first_bad_ampersand() {
    assert!(check("a &lt; b &me; c", 0..15).is_ok());
    assert_eq!(check("a &lt; b & c", 0..12).unwrap_err().0, 9);
    assert_eq!(check("&lt", 0..3).unwrap_err().0, 0);
    // A semicolon beyond the span does not count.
    assert_eq!(check("x &lt;", 0..5).unwrap_err().0, 2);
    assert!(check("x & y", 3..5).is_ok());
}
