//! Setting a value changes its span and nothing else.

use crate::support::{after_set, document, path, text_of};
use cutover_xmledit::{EditError, LookupError};
use test_case::test_case;

#[test_case("<a><b>1</b></a>", "/a/b", "2", "<a><b>2</b></a>"; "plain text")]
#[test_case("<a>\r\n\t<b>1</b>\r\n</a>\r\n", "/a/b", "2", "<a>\r\n\t<b>2</b>\r\n</a>\r\n"; "crlf stays")]
#[test_case("<a><b>1</b></a>", "/a/b", "x\ny", "<a><b>x\ny</b></a>"; "line feed in an lf file")]
#[test_case("<a>\r\n<b>1</b></a>", "/a/b", "x\ny", "<a>\r\n<b>x\r\ny</b></a>"; "line feed in a crlf file")]
#[test_case("<a><b>1</b></a>", "/a/b", "x\r\ny", "<a><b>x&#13;\ny</b></a>"; "carriage return kept by reference")]
#[test_case("<a><b>1</b></a>", "/a/b", "<R&D>", "<a><b>&lt;R&amp;D&gt;</b></a>"; "markup is escaped")]
#[test_case("<a><b>1</b></a>", "/a/b", "]]>", "<a><b>]]&gt;</b></a>"; "cdata end is escaped")]
#[test_case("<a><b>1</b></a>", "/a/b", "", "<a><b></b></a>"; "emptied")]
#[test_case("<a><b></b></a>", "/a/b", "2", "<a><b>2</b></a>"; "empty element")]
#[test_case("<a><b/></a>", "/a/b", "2", "<a><b>2</b></a>"; "self closing")]
#[test_case("<a><b x='1' /></a>", "/a/b", "2", "<a><b x='1'>2</b></a>"; "self closing with attribute and blank")]
#[test_case("<a><b x='/>'/></a>", "/a/b", "2", "<a><b x='/>'>2</b></a>"; "self closing with markup in attribute")]
#[test_case("<a><p:b/></a>", "/a/b", "2", "<a><p:b>2</p:b></a>"; "self closing with prefix")]
#[test_case("<a><b>\n  1\n</b></a>", "/a/b", "2", "<a><b>2</b></a>"; "the whole text goes")]
#[test_case("<a><b><![CDATA[<1>]]></b></a>", "/a/b", "<2>", "<a><b><![CDATA[<2>]]></b></a>"; "cdata stays cdata")]
#[test_case("<a><b><![CDATA[1]]></b></a>", "/a/b", "]]>", "<a><b>]]&gt;</b></a>"; "cdata given up when it cannot hold the value")]
#[test_case("<a><b>x<![CDATA[1]]>y</b></a>", "/a/b", "2", "<a><b>2</b></a>"; "text beside cdata")]
#[test_case("<a><b>x&lt;y&#65;</b></a>", "/a/b", "2", "<a><b>2</b></a>"; "entities are part of the text")]
#[test_case("<a><b>\n<!-- was 0 -->\n1\n</b></a>", "/a/b", "2", "<a><b><!-- was 0 -->2</b></a>"; "a comment before the value stays")]
#[test_case("<a><b>1<!-- one -->1</b></a>", "/a/b", "2", "<a><b>2<!-- one --></b></a>"; "a comment within the value stays")]
#[test_case("<a><b><!-- none --><?pi x?></b></a>", "/a/b", "2", "<a><b><!-- none --><?pi x?>2</b></a>"; "only a comment")]
#[test_case("<a><!--b>0</b--><b>1</b></a>", "/a/b", "2", "<a><!--b>0</b--><b>2</b></a>"; "commented out element")]
#[test_case("<a><![CDATA[<b>0</b>]]><b>1</b></a>", "/a/b", "2", "<a><![CDATA[<b>0</b>]]><b>2</b></a>"; "markup in cdata")]
#[test_case("<a><?b <b>0</b>?><b>1</b></a>", "/a/b", "2", "<a><?b <b>0</b>?><b>2</b></a>"; "markup in a processing instruction")]
#[test_case("<a b=\"1\"/>", "/a/@b", "2", "<a b=\"2\"/>"; "attribute in double quotes")]
#[test_case("<a b='1'/>", "/a/@b", "it's \"2\"", "<a b='it&apos;s \"2\"'/>"; "attribute in single quotes")]
#[test_case("<a b=\"1\"/>", "/a/@b", "it's \"2\"", "<a b=\"it's &quot;2&quot;\"/>"; "only the own quote is escaped")]
#[test_case("<a b=\"1\"/>", "/a/@b", "<&>\t\r\n", "<a b=\"&lt;&amp;>&#9;&#13;&#10;\"/>"; "attribute escapes")]
#[test_case("<a\n   b = '1'\n   c='3' />", "/a/@b", "2", "<a\n   b = '2'\n   c='3' />"; "attribute spacing stays")]
#[test_case("<a b='1' bb='1'/>", "/a/@bb", "2", "<a b='1' bb='2'/>"; "attribute by whole name")]
fn set_when_one_match_then_only_its_span_changes(before: &str, at: &str, value: &str, expected: &str) {
    assert_eq!(after_set(before, at, value), expected);
}

#[test]
fn set_when_value_is_there_then_no_byte_changes() {
    for (text, at, value) in [
        ("<a><b>x&#38;y</b></a>", "/a/b", "x&y"),
        ("<a><b><![CDATA[x&y]]></b></a>", "/a/b", "x&y"),
        ("<a><b>x<!-- c -->y</b></a>", "/a/b", "xy"),
        ("<a><b/></a>", "/a/b", ""),
        ("<a b='&quot;'/>", "/a/@b", "\""),
        ("<a><b>1\r\n2</b></a>", "/a/b", "1\n2"),
    ] {
        let mut edited = document(text);
        let change = edited.set(&path(at), value).unwrap();
        assert!(change.is_unchanged(), "{text}");
        assert_eq!(text_of(&edited), text);
        assert_eq!((change.before(), change.after()), (Some(value), Some(value)));
    }
}

#[test]
fn set_when_nothing_matches_then_refused() {
    let text = "<a><!-- <b>1</b> --></a>";
    let mut edited = document(text);
    assert_eq!(
        edited.set(&path("/a/b"), "2"),
        Err(EditError::NoMatch { path: path("/a/b") })
    );
    assert_eq!(
        edited.set(&path("/b"), "2"),
        Err(EditError::NoMatch { path: path("/b") })
    );
    assert_eq!(
        edited.set(&path("/a/@x"), "2"),
        Err(EditError::NoMatch { path: path("/a/@x") })
    );
    assert_eq!(text_of(&edited), text);
}

#[test]
fn set_when_duplicates_then_refused_with_count_and_lines() {
    let text = "<a>\n<b>1</b>\n<b>1</b>\n\n<b>1</b></a>";
    let mut edited = document(text);
    let error = edited.set(&path("/a/b"), "2").unwrap_err();
    assert_eq!(
        error,
        EditError::Lookup(LookupError::Several {
            path: path("/a/b"),
            lines: vec![2, 3, 5]
        })
    );
    assert_eq!(
        error.to_string(),
        "`/a/b` matches 3 places, at lines 2, 3, 5; make the path match only one"
    );
    assert_eq!(text_of(&edited), text);
}

#[test]
fn set_when_element_has_children_then_refused() {
    let mut edited = document("<a>\n<b><c/></b></a>");
    let error = edited.set(&path("/a/b"), "2").unwrap_err();
    assert_eq!(
        error,
        EditError::Lookup(LookupError::HasChildren {
            path: path("/a/b"),
            line: 2
        })
    );
}

#[test_case("a\u{0}b"; "nul")]
#[test_case("\u{1b}[0m"; "escape")]
#[test_case("\u{ffff}"; "non character")]
fn set_when_value_is_no_xml_text_then_refused(value: &str) {
    let mut edited = document("<a b=''/>");
    for at in ["/a", "/a/@b"] {
        assert_eq!(
            edited.set(&path(at), value),
            Err(EditError::IllegalCharacter { path: path(at) })
        );
    }
    assert_eq!(text_of(&edited), "<a b=''/>");
}

#[test]
fn set_when_value_has_unknown_entity_then_refused_and_elsewhere_passes() {
    let text = "<!DOCTYPE a [<!ENTITY me \"x>y\">]>\n<a><b>&me;</b><c>1</c></a>";
    let mut edited = document(text);
    assert!(matches!(
        edited.set(&path("/a/b"), "2"),
        Err(EditError::Lookup(LookupError::UnknownEntity { entity, line: 2, .. })) if entity == "me"
    ));
    edited.set(&path("/a/c"), "2").unwrap();
    assert_eq!(text_of(&edited), text.replace("<c>1", "<c>2"));
}

#[test]
fn set_when_it_renames_what_the_path_asked_for_then_it_is_done() {
    let renamed = {
        let mut edited = document("<a><b><name>x</name></b></a>");
        edited.set(&path("/a/b[name='x']/name"), "y").unwrap();
        text_of(&edited)
    };
    assert_eq!(renamed, "<a><b><name>y</name></b></a>");
}

#[test]
fn errors_and_debug_never_show_a_value() {
    let mut edited = document("<a><b>old-secret</b></a>");
    let change = edited.set(&path("/a/b"), "new-secret").unwrap();
    let error = edited.set(&path("/a/b"), "new-secret\u{0}").unwrap_err();
    let leaves = edited.leaves();
    let shown = format!("{change:?} {change:#?} {error:?} {error} {edited:?} {leaves:?}");
    assert!(!shown.contains("secret"), "{shown}");
}
