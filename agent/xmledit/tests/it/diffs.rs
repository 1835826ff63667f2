//! The diff an operator sees.

use crate::support::{document, path};
use cutover_xmledit::diff;
use test_case::test_case;

fn numbered(range: std::ops::RangeInclusive<usize>) -> String {
    range.map(|n| format!("l{n}\n")).collect()
}

#[test]
fn diff_when_same_then_empty() {
    assert_eq!(diff(b"a\nb", b"a\nb", &[]), "");
    assert_eq!(diff(b"", b"", &["x"]), "");
}

#[test]
fn diff_when_one_line_changes_then_three_lines_around() {
    let before = numbered(1..=9);
    let after = before.replace("l5\n", "x\n");
    let expected = "@@ -2,7 +2,7 @@\n l2\n l3\n l4\n-l5\n+x\n l6\n l7\n l8\n";
    assert_eq!(diff(before.as_bytes(), after.as_bytes(), &[]), expected);
}

#[test]
fn diff_when_changes_are_far_apart_then_two_hunks() {
    let before = numbered(1..=20);
    let after = before.replace("l2\n", "").replace("l19\n", "l19\nnew\n");
    let shown = diff(before.as_bytes(), after.as_bytes(), &[]);
    assert_eq!(
        shown,
        "@@ -1,5 +1,4 @@\n l1\n-l2\n l3\n l4\n l5\n@@ -17,4 +16,5 @@\n l17\n l18\n l19\n+new\n l20\n"
    );
}

#[test_case("", "a\n", "@@ -0,0 +1 @@\n+a\n"; "from empty")]
#[test_case("a\n", "", "@@ -1 +0,0 @@\n-a\n"; "to empty")]
#[test_case("a", "a\n", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"; "newline at the end")]
#[test_case("a\r\nb\r\n", "a\r\nc\r\n", "@@ -1,2 +1,2 @@\n a\n-b\n+c\n"; "crlf on both sides is not shown")]
#[test_case("a\r\n", "a\n", "@@ -1 +1 @@\n-a\\r\n+a\n"; "a changed line ending is shown")]
fn diff_edges(before: &str, after: &str, expected: &str) {
    assert_eq!(diff(before.as_bytes(), after.as_bytes(), &[]), expected);
}

#[test]
fn diff_when_many_lines_differ_then_common_ones_stay() {
    let shown = diff(b"a\nb\nc\nd\n", b"b\nx\nd\ne\n", &[]);
    assert_eq!(shown, "@@ -1,4 +1,4 @@\n-a\n b\n-c\n+x\n d\n+e\n");
}

#[test]
fn diff_when_huge_then_replaced_outright() {
    let before = "a\n".repeat(3000);
    let after = "b\n".repeat(3000);
    let shown = diff(before.as_bytes(), after.as_bytes(), &[]);
    assert_eq!(shown.lines().count(), 6001);
}

#[test]
fn diff_when_latin_1_then_decoded() {
    let head = b"<?xml version='1.0' encoding='ISO-8859-1'?>\n".to_vec();
    let before = [&head[..], b"<a>\xe4</a>"].concat();
    let after = [&head[..], b"<a>\xf6</a>"].concat();
    let shown = diff(&before, &after, &[]);
    assert!(
        shown.contains("-<a>\u{e4}</a>") && shown.contains("+<a>\u{f6}</a>"),
        "{shown}"
    );
}

#[test_case("<p>s&lt;cr&amp;t</p>"; "escaped text")]
#[test_case("<p x=\"s&lt;cr&amp;t\"/>"; "escaped attribute")]
#[test_case("<p><![CDATA[s<cr&t]]></p>"; "cdata")]
#[test_case("<p>s&#60;&#x63;r&amp;t</p>"; "character references")]
#[test_case("<p>jdbc:x?password=s&lt;cr&amp;t;y</p>"; "within a longer value")]
#[test_case("<p>s&lt;c<!-- -->r&amp;t</p>"; "interrupted by a comment")]
#[test_case("<!-- s<cr&t --><p/>"; "in a comment")]
#[test_case("not xml s<cr&t"; "in a file that is not xml")]
fn diff_when_masked_then_secret_is_hidden_however_written(before: &str) {
    let after = format!("{before}\n");
    let shown = diff(before.as_bytes(), after.as_bytes(), &["s<cr&t", ""]);
    assert!(shown.contains("********"), "{shown}");
    for part in ["s<cr", "s&lt;c", "s&#60;", "cr&", "r&amp;t"] {
        assert!(!shown.contains(part), "{part} in {shown}");
    }
}

#[test]
fn diff_when_only_a_secret_changes_then_the_change_shows_without_it() {
    let before = b"<a>\n<password>old</password>\n</a>\n";
    let mut edited = document(std::str::from_utf8(before).unwrap());
    let old = edited.text(&path("/a/password")).unwrap().unwrap();
    edited.set(&path("/a/password"), "new").unwrap();
    let shown = diff(before, &edited.to_bytes(), &[&old, "new"]);
    let line = "<password>********</password>";
    assert_eq!(shown, format!("@@ -1,3 +1,3 @@\n <a>\n-{line}\n+{line}\n </a>\n"));
}

#[test]
fn diff_when_secret_spans_lines_or_contains_another_then_hidden() {
    assert_eq!(
        diff(b"", b"x one y\nx two y\n", &["one y\nx two"]),
        "@@ -0,0 +1,2 @@\n+x ********\n+******** y\n"
    );
    assert_eq!(
        diff(b"", b"abc ab *\n", &["ab", "abc", "*"]),
        "@@ -0,0 +1 @@\n+******** ******** ********\n"
    );
}
