//! Lines and columns.

use test_case::test_case;

use super::{column_at, line_at};

#[test_case("", 0, 1, 1; "empty")]
#[test_case("ab", 1, 1, 2; "first line")]
#[test_case("a\nb", 1, 1, 2; "at the line feed")]
#[test_case("a\nb", 2, 2, 1; "after the line feed")]
#[test_case("a\r\n\r\nb", 5, 3, 1; "crlf counts once")]
#[test_case("\u{e9}\u{20ac}x", 5, 1, 3; "columns are characters")]
#[test_case("a\n", 99, 2, 1; "beyond the end")]
fn position_of_an_offset(text: &str, offset: usize, line: usize, column: usize) {
    assert_eq!((line_at(text, offset), column_at(text, offset)), (line, column));
}
