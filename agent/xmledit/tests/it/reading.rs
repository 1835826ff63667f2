//! Values as an XML reader hands them to Carbon.

use crate::support::{document, path};
use cutover_xmledit::LookupError;
use test_case::test_case;

#[test_case("<a>x</a>", "x"; "plain")]
#[test_case("<a/>", ""; "self closing")]
#[test_case("<a> x\n</a>", " x\n"; "white space kept")]
#[test_case("<a>x\r\ny\rz</a>", "x\ny\nz"; "line endings become line feeds")]
#[test_case("<a>&lt;&gt;&amp;&quot;&apos;</a>", "<>&\"'"; "predefined entities")]
#[test_case("<a>&#65;&#x42;&#xe9;&#13;</a>", "AB\u{e9}\r"; "character references")]
#[test_case("<a>&amp;lt;</a>", "&lt;"; "decoded once")]
#[test_case("<a>x<![CDATA[<&amp;>]]>y</a>", "x<&amp;>y"; "cdata")]
#[test_case("<a><![CDATA[x\r\ny]]></a>", "x\ny"; "line endings in cdata")]
#[test_case("<a>x<!-- y -->z<?y y?></a>", "xz"; "comments are no text")]
#[test_case("<a>^[\\S]{5,30}$</a>", "^[\\S]{5,30}$"; "regular expression")]
fn text_when_element_then_decoded(text: &str, expected: &str) {
    assert_eq!(
        document(text).text(&path("/a")).unwrap().as_deref(),
        Some(expected)
    );
}

#[test_case("<a b='x'/>", "x"; "single quotes")]
#[test_case("<a b=\"'\"/>", "'"; "quote in quotes")]
#[test_case("<a b='x\r\n\ty\nz'/>", "x  y z"; "white space becomes blanks")]
#[test_case("<a b='x&#10;y&#9;'/>", "x\ny\t"; "references stay")]
#[test_case("<a b='&lt;&amp;&quot;'/>", "<&\""; "entities")]
fn text_when_attribute_then_normalized(text: &str, expected: &str) {
    assert_eq!(
        document(text).text(&path("/a/@b")).unwrap().as_deref(),
        Some(expected)
    );
}

#[test]
fn text_when_nothing_matches_then_none() {
    let document = document("<a><!--b>1</b--></a>");
    assert_eq!(document.text(&path("/a/b")), Ok(None));
    assert_eq!(document.text(&path("/a/@b")), Ok(None));
}

#[test]
fn text_when_ambiguous_or_structured_then_error() {
    let document = document("<a>\n<b/><b/>\n<c><d/></c></a>");
    let several = document.text(&path("/a/b")).unwrap_err();
    assert_eq!(
        several,
        LookupError::Several {
            path: path("/a/b"),
            lines: vec![2, 2]
        }
    );
    let children = document.text(&path("/a/c")).unwrap_err();
    assert_eq!(
        children,
        LookupError::HasChildren {
            path: path("/a/c"),
            line: 3
        }
    );
    assert_eq!(
        children.to_string(),
        "`/a/c` (line 3) holds child elements, not a value; name one of them"
    );
}

#[test]
fn text_when_entity_is_external_then_error_and_no_resolution() {
    let document = document(
        "<!DOCTYPE a [<!ENTITY xxe SYSTEM 'file:///etc/passwd'>]>\n<a b='&xxe;'>\n<c>x &lt; &xxe; y</c><d>1</d></a>",
    );
    let in_text = document.text(&path("/a/c")).unwrap_err();
    let expected = LookupError::UnknownEntity {
        path: path("/a/c"),
        line: 3,
        entity: "xxe".to_owned(),
    };
    assert_eq!(in_text, expected);
    assert!(in_text.to_string().contains("entity `xxe` (line 3)"), "{in_text}");
    assert!(matches!(
        document.text(&path("/a/@b")),
        Err(LookupError::UnknownEntity { line: 2, .. })
    ));
    assert_eq!(document.text(&path("/a/d")).unwrap().as_deref(), Some("1"));
}

#[test]
fn all_tells_line_path_and_value_or_why_not() {
    let document = document("<a>\n<b name='x'>1</b>\n<b name='y'><c/></b>\n</a>");
    let found = document.all(&path("/a/b"));
    assert_eq!(found[0].path.to_string(), "/a/b[@name='x']");
    assert_eq!((found[0].line, found[0].value.as_deref()), (2, Ok("1")));
    assert!(matches!(
        found[1].value,
        Err(LookupError::HasChildren { line: 3, .. })
    ));
    let names = document.all(&path("/a/b/@name"));
    assert_eq!(names[1].path.to_string(), "/a/b[@name='y']/@name");
}
