//! What is added looks like what is there.

use crate::support::{document, path, text_of};
use cutover_xmledit::{EditError, NewElement};
use test_case::test_case;

#[test_case("<r>\n  <a/>\n</r>", "<r>\n  <a/>\n  <n>v</n>\n</r>"; "own line, own indentation")]
#[test_case("<r>\r\n\t<a/>\r\n</r>\r\n", "<r>\r\n\t<a/>\r\n\t<n>v</n>\r\n</r>\r\n"; "crlf and tab")]
#[test_case("<r>\n  <a/>\n\n\n</r>", "<r>\n  <a/>\n  <n>v</n>\n\n\n</r>"; "before blank lines")]
#[test_case("<r>\n  <a/> <!-- about a -->\n</r>", "<r>\n  <a/> <!-- about a -->\n  <n>v</n>\n</r>"; "after a comment on the last child")]
#[test_case("<r>\n  <a/>\n  <!--b/-->\n</r>", "<r>\n  <a/>\n  <!--b/-->\n  <n>v</n>\n</r>"; "after a commented block")]
#[test_case("<r>\n  <a/></r>", "<r>\n  <a/>\n  <n>v</n></r>"; "closing tag on the last line")]
#[test_case("<r><a/><b/></r>", "<r><a/><b/><n>v</n></r>"; "all on one line")]
#[test_case("<r>\n  <a/> <b/>\n</r>", "<r>\n  <a/> <b/>\n  <n>v</n>\n</r>"; "several on a line")]
#[test_case("<r>\n  <a/>\n  <a/>\n <b/>\n</r>", "<r>\n  <a/>\n  <a/>\n <b/>\n  <n>v</n>\n</r>"; "indentation of most")]
#[test_case("<r>\n<a/>\n</r>", "<r>\n<a/>\n<n>v</n>\n</r>"; "not indented")]
#[test_case("<r>\n   <!-- c -->\n</r>", "<r>\n   <!-- c -->\n   <n>v</n>\n</r>"; "only a comment")]
#[test_case("<r>\n</r>", "<r>\n    <n>v</n>\n</r>"; "empty on two lines")]
#[test_case("<r></r>", "<r><n>v</n></r>"; "empty on one line")]
#[test_case("<r/>", "<r><n>v</n></r>"; "self closing on one line")]
#[test_case("<!-- c -->\n<r/>\n", "<!-- c -->\n<r>\n    <n>v</n>\n</r>\n"; "self closing in a file of lines")]
#[test_case("<!-- c -->\r\n<r x='1' />", "<!-- c -->\r\n<r x='1'>\r\n    <n>v</n>\r\n</r>"; "self closing with attribute in a crlf file")]
#[test_case("<p:r xmlns:p='u'><p:a/></p:r>", "<p:r xmlns:p='u'><p:a/><p:n>v</p:n></p:r>"; "prefix of the parent")]
fn insert_when_root_then_laid_out_as_the_file(before: &str, after: &str) {
    let mut edited = document(before);
    let change = edited
        .insert(&path("/r"), &NewElement::new("n").with_text("v"))
        .unwrap();
    assert_eq!(text_of(&edited), after);
    assert_eq!((change.before(), change.after()), (None, Some("v")));
    edited.undo(&change).unwrap();
    assert_eq!(text_of(&edited), before);
}

#[test_case("<r>\n   <a/>\n   <p/>\n</r>", "<r>\n   <a/>\n   <p>\n      <n>v</n>\n   </p>\n</r>"; "unit of the file")]
#[test_case("<r>\n\t<p></p>\n</r>", "<r>\n\t<p>\n\t\t<n>v</n>\n\t</p>\n</r>"; "tab as unit")]
#[test_case("<r>\n  <p>\n  </p>\n</r>", "<r>\n  <p>\n    <n>v</n>\n  </p>\n</r>"; "empty on two lines")]
#[test_case("<r><p> </p>\n</r>", "<r><p><n>v</n> </p>\n</r>"; "not at the start of a line")]
fn insert_when_below_then_one_level_deeper(before: &str, after: &str) {
    let mut edited = document(before);
    edited
        .insert(&path("/r/p"), &NewElement::new("n").with_text("v"))
        .unwrap();
    assert_eq!(text_of(&edited), after);
}

#[test]
fn insert_when_nested_then_every_level_is_indented_and_escaped() {
    let mut edited = document("<r>\r\n  <a/>\r\n</r>");
    let element = NewElement::new("ds")
        .with_child(NewElement::new("name").with_text("R&D"))
        .with_child(
            NewElement::new("definition")
                .with_attribute("type", "\"x\"")
                .with_child(NewElement::new("empty")),
        );
    edited.insert(&path("/r"), &element).unwrap();
    assert_eq!(
        text_of(&edited),
        "<r>\r\n  <a/>\r\n  <ds>\r\n    <name>R&amp;D</name>\r\n    <definition type=\"&quot;x&quot;\">\r\n      \
         <empty/>\r\n    </definition>\r\n  </ds>\r\n</r>"
    );
}

#[test]
fn insert_when_refused_then_unchanged() {
    let text = "<r b='1'>\n<t>text</t><u>&unknown;</u><d/><d/></r>";
    let mut edited = document(text);
    let mut refuse = |at: &str, element: NewElement| edited.insert(&path(at), &element).unwrap_err();
    let new = || NewElement::new("n");
    assert_eq!(refuse("/r/x", new()), EditError::NoMatch { path: path("/r/x") });
    assert_eq!(
        refuse("/r/@b", new()),
        EditError::NotAnElement { path: path("/r/@b") }
    );
    assert_eq!(
        refuse("/r/t", new()),
        EditError::HoldsText {
            path: path("/r/t"),
            line: 2
        }
    );
    assert_eq!(
        refuse("/r/u", new()),
        EditError::HoldsText {
            path: path("/r/u"),
            line: 2
        }
    );
    assert!(matches!(refuse("/r/d", new()), EditError::Lookup(_)));
    let bad_name = |name: &str| EditError::Name {
        path: path("/r"),
        name: name.to_owned(),
    };
    assert_eq!(refuse("/r", NewElement::new("p:n")), bad_name("p:n"));
    assert_eq!(refuse("/r", NewElement::new("x><y")), bad_name("x><y"));
    assert_eq!(refuse("/r", new().with_attribute("a b", "")), bad_name("a b"));
    assert_eq!(
        refuse("/r", new().with_attribute("a", "").with_attribute("a", "")),
        bad_name("a")
    );
    assert_eq!(refuse("/r", new().with_child(NewElement::new(""))), bad_name(""));
    let illegal = EditError::IllegalCharacter { path: path("/r") };
    assert_eq!(refuse("/r", new().with_text("\u{0}")), illegal);
    assert_eq!(
        refuse("/r", new().with_child(new().with_attribute("a", "\u{1}"))),
        illegal
    );
    assert_eq!(text_of(&edited), text);
}

#[test]
fn new_element_debug_hides_values() {
    let element = NewElement::new("n")
        .with_attribute("password", "hunter2")
        .with_text("hunter2");
    let shown = format!("{element:?}");
    assert!(
        shown.contains("password") && !shown.contains("hunter2"),
        "{shown}"
    );
}
