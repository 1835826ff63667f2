//! What the layout of a file is taken to be.

use test_case::test_case;

use crate::document::Document;

fn document(text: &str) -> Document {
    Document::parse(text.as_bytes()).unwrap()
}

#[test_case("<a/>", "    "; "nothing to go by")]
#[test_case("<a><b/></a>", "    "; "one line")]
#[test_case("<a>\n<b/>\n</a>", "    "; "not indented")]
#[test_case("<a>\n  <b/>\n</a>", "  "; "two blanks")]
#[test_case("<a>\n\t<b/>\n</a>", "\t"; "tab")]
#[test_case("  <a>\r\n     <b/>\r\n  </a>", "   "; "indented root")]
#[test_case("<a>\n<b/> <c>\n  <d/></c>\n <e/></a>", " "; "only what begins a line counts")]
fn unit_when_asked_at_the_root_then_the_first_step(text: &str, expected: &str) {
    assert_eq!(document(text).style_below(0).unit, expected);
}

#[test]
fn unit_when_asked_below_then_that_element_decides() {
    let document = document("<a>\n  <b/>\n\t<c>\n\t\t<d/>\n\t</c>\n</a>");
    assert_eq!(document.style_below(0).unit, "  ");
    assert_eq!(document.style_below(2).unit, "\t");
}

#[test_case("<a>\n  <b/>\n  <c/>\n <d/>\n</a>", Some("  "); "most")]
#[test_case("<a>\n  <b/> <c/>\n</a>", Some("  "); "first on the line")]
#[test_case("<a><b/>\n</a>", None; "beside the parent")]
#[test_case("<a>\n <!-- x -->\n  <b/>\n <!-- x -->\n</a>", Some("  "); "children before comments")]
#[test_case("<a>\n <!-- x -->\n</a>", Some(" "); "comments without children")]
#[test_case("<a><!-- x --></a>", None; "comment beside the parent")]
#[test_case("<a>\n</a>", None; "empty")]
fn neighbours_give_the_indentation(text: &str, expected: Option<&str>) {
    assert_eq!(document(text).neighbour_indent(0), expected);
}
