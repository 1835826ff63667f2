//! Making a value be there.

use crate::support::{document, path, text_of};
use cutover_xmledit::{EditError, LookupError};
use test_case::test_case;

#[test_case("<a><b>1</b></a>", "/a/b", "<a><b>v</b></a>"; "set")]
#[test_case("<a><b/></a>", "/a/b", "<a><b>v</b></a>"; "set self closing")]
#[test_case("<a x='1'/>", "/a/@x", "<a x='v'/>"; "set attribute")]
#[test_case("<a></a>", "/a/b", "<a><b>v</b></a>"; "last element")]
#[test_case("<a></a>", "/a/b/c", "<a><b><c>v</c></b></a>"; "two elements")]
#[test_case("<a><p name='x'>1</p></a>", "/a/p[@name='y']", "<a><p name='x'>1</p><p name=\"y\">v</p></a>"; "attribute predicate")]
#[test_case("<a></a>", "/a/p[name='y']/q", "<a><p><name>y</name><q>v</q></p></a>"; "child predicate")]
#[test_case("<a></a>", "/a/p[x/y='1'][x/z='2'][x/@k='3']/q", "<a><p><x k=\"3\"><y>1</y><z>2</z></x><q>v</q></p></a>"; "nested predicates share elements")]
#[test_case("<a><k>y</k></a>", "/a/p[@name=/a/k]/q", "<a><k>y</k><p name=\"y\"><q>v</q></p></a>"; "value of a path")]
#[test_case("<a></a>", "/a/p[name='v']/name", "<a><p><name>v</name></p></a>"; "predicate and target agree")]
#[test_case("<a/>", "/a/@x", "<a x=\"v\"/>"; "attribute")]
#[test_case("<a b='1'/>", "/a/@x", "<a b='1' x='v'/>"; "attribute quoted as its neighbour")]
#[test_case("<a b='1'\n   c = '2' />", "/a/@x", "<a b='1'\n   c = '2'\n   x='v' />"; "attribute on a line of its own")]
#[test_case("<a></a>", "/a/b[@k='1']/@x", "<a><b k=\"1\" x=\"v\"/></a>"; "element for an attribute")]
#[test_case("<a><!--b>0</b--></a>", "/a/b", "<a><!--b>0</b--><b>v</b></a>"; "commented out element")]
#[test_case("<a xmlns='u'></a>", "/a/{u}b", "<a xmlns='u'><b>v</b></a>"; "namespace of the parent")]
#[test_case("<a></a>", "/a/{}b", "<a><b>v</b></a>"; "no namespace demanded and none there")]
fn ensure_when_missing_then_added_and_twice_is_once(before: &str, at: &str, after: &str) {
    let mut edited = document(before);
    let change = edited.ensure(&path(at), "v").unwrap();
    assert_eq!(text_of(&edited), after);
    assert_eq!(edited.text(&path(at)).unwrap().as_deref(), Some("v"));
    let again = edited.ensure(&path(at), "v").unwrap();
    assert!(again.is_unchanged());
    assert_eq!(text_of(&edited), after);
    edited.undo(&change).unwrap();
    assert_eq!(text_of(&edited), before);
}

#[test_case("<a></a>", "/a/b[2]"; "position")]
#[test_case("<a></a>", "/a/b[@x='1'][1]/c"; "position after another predicate")]
#[test_case("<a><b>1</b></a>", "/a/b[2]"; "next position")]
#[test_case("<a></a>", "/a/b[@x='1'][@x='2']"; "contradicting attributes")]
#[test_case("<a></a>", "/a/b[@x=/a/none]"; "path without value")]
#[test_case("<a><k>1</k><k>2</k></a>", "/a/b[@x=/a/k]"; "path with several values")]
#[test_case("<a></a>", "/a/p[name='x']/name"; "predicate and target disagree")]
#[test_case("<a xmlns='u'></a>", "/a/{w}b"; "another namespace")]
#[test_case("<a xmlns='u'></a>", "/a/{}b"; "no namespace below a default one")]
#[test_case("<a/>", "/a/@{u}x"; "attribute in a namespace")]
fn ensure_when_path_does_not_say_what_to_add_then_refused(text: &str, at: &str) {
    let mut edited = document(text);
    let error = edited.ensure(&path(at), "v").unwrap_err();
    assert!(
        matches!(error, EditError::Underivable { .. } | EditError::Name { .. }),
        "{error}"
    );
    assert_eq!(text_of(&edited), text);
}

#[test]
fn ensure_when_root_differs_then_no_match() {
    let mut edited = document("<a/>");
    assert_eq!(
        edited.ensure(&path("/b/c"), "v"),
        Err(EditError::NoMatch { path: path("/b/c") })
    );
    assert_eq!(
        edited.ensure(&path("/b"), "v"),
        Err(EditError::NoMatch { path: path("/b") })
    );
}

#[test]
fn ensure_when_parent_is_ambiguous_then_refused() {
    let text = "<a>\n<b/>\n<b/>\n</a>";
    let mut edited = document(text);
    let several = |at: &str| {
        EditError::Lookup(LookupError::Several {
            path: path(at),
            lines: vec![2, 3],
        })
    };
    assert_eq!(edited.ensure(&path("/a/b"), "v"), Err(several("/a/b")));
    assert_eq!(edited.ensure(&path("/a/b/c"), "v"), Err(several("/a/b")));
    assert_eq!(edited.ensure(&path("/a/b/@c"), "v"), Err(several("/a/b")));
    assert_eq!(text_of(&edited), text);
}

#[test]
fn ensure_when_parent_holds_text_then_refused() {
    let mut edited = document("<a><b>1</b></a>");
    let refused = edited.ensure(&path("/a/b/c"), "v");
    assert_eq!(
        refused,
        Err(EditError::HoldsText {
            path: path("/a/b"),
            line: 1
        })
    );
}
