//! An element of one file put into another.

use crate::corpus;
use crate::support::path;
use cutover_xmledit::{Document, EditError, Path};
use proptest::prelude::*;
use test_case::test_case;

fn copy(into: &str, at: &str, from: &str, source: &str) -> Result<String, EditError> {
    let mut document = Document::parse(into.as_bytes()).unwrap();
    let from = Document::parse(from.as_bytes()).unwrap();
    let change = document.insert_copy(&path(at), &from, &path(source))?;
    let text = String::from_utf8(document.to_bytes()).unwrap();
    assert!(document.says_the_same(&path(at), &from, &path(source)));
    assert!(
        document
            .insert_copy(&path(at), &from, &path(source))
            .unwrap()
            .is_unchanged()
    );
    document.undo(&change).unwrap();
    assert_eq!(document.to_bytes(), into.as_bytes());
    Ok(text)
}

const OLD: &str = "<m>\n\t<!-- off --><u class=\"A\"/>\n\t<u class=\"B\">\n\t\t<!-- about -->\n\n\t\t<p name='x'>1\n 2</p>\n\
                   \t\t<q>\n\t\t\t<r/>\n\t\t</q>\n\t</u>\n</m>\n";

#[test]
fn element_when_copied_then_laid_out_as_its_new_file_is() {
    let into = "<m>\r\n  <u class=\"A\"/>\r\n  <!-- last -->\r\n</m>\r\n";
    let expected = "<m>\r\n  <u class=\"A\"/>\r\n  <!-- last -->\r\n  <u class=\"B\">\r\n    <!-- about -->\r\n\r\n    \
                    <p name='x'>1\r\n 2</p>\r\n    <q>\r\n      <r/>\r\n    </q>\r\n  </u>\r\n</m>\r\n";
    assert_eq!(
        copy(into, "/m/u[@class='B']", OLD, "/m/u[@class='B']").unwrap(),
        expected
    );
}

#[test]
fn element_when_its_parent_is_self_closing_or_on_one_line_then_put_in() {
    assert_eq!(
        copy("<m/>", "/m/q", OLD, "/m/u[2]/q").unwrap(),
        "<m><q><r/></q></m>"
    );
    assert_eq!(
        copy("<r>\n <m/>\n</r>", "/r/m/q", OLD, "/m/u[2]/q").unwrap(),
        "<r>\n <m>\n  <q>\n   <r/>\n  </q>\n </m>\n</r>"
    );
}

#[test]
fn element_when_its_prefix_is_unknown_there_then_declared_on_it() {
    let from = r#"<a xmlns:s="u:vault"><b><c s:secretAlias="X">p</c></b></a>"#;
    assert_eq!(
        copy("<a></a>", "/a/b", from, "/a/b").unwrap(),
        r#"<a><b xmlns:s="u:vault"><c s:secretAlias="X">p</c></b></a>"#
    );
    assert_eq!(
        copy(r#"<a xmlns:s="u:vault"/>"#, "/a/b", from, "/a/b").unwrap(),
        r#"<a xmlns:s="u:vault"><b><c s:secretAlias="X">p</c></b></a>"#
    );
    assert_eq!(
        copy(r#"<a xmlns:s="u:other"/>"#, "/a/b", from, "/a/b").unwrap(),
        r#"<a xmlns:s="u:other"><b xmlns:s="u:vault"><c s:secretAlias="X">p</c></b></a>"#
    );
}

#[test]
fn element_when_in_its_parents_default_namespace_then_in_the_new_parents() {
    assert_eq!(
        copy(
            r#"<a xmlns="u:2"/>"#,
            "/a/b",
            r#"<a xmlns="u:1"><b/></a>"#,
            "/a/b"
        )
        .unwrap(),
        r#"<a xmlns="u:2"><b/></a>"#
    );
    let error = copy(
        r#"<p:a xmlns:p="u:2"/>"#,
        "/a/b",
        r#"<a xmlns="u:1"><b/></a>"#,
        "/a/b",
    )
    .unwrap_err();
    assert!(matches!(error, EditError::Namespace { .. }), "{error}");
}

#[test_case("/m/none", "/m/u[9]", "NoSource"; "no such element")]
#[test_case("/m/x", "/m/u[1]/@class", "NoSource"; "an attribute")]
#[test_case("/m/@x", "/m/u[1]", "NotAnElement"; "into an attribute")]
#[test_case("/m/x/y", "/m/u[1]", "NoMatch"; "no parent")]
#[test_case("/m/x", "/m/u[1]", "Underivable"; "another name")]
#[test_case("/m/t/u", "/m/u[1]", "HoldsText"; "beside text")]
#[test_case("/m/u", "/m/u[1]", "AlreadyThere"; "with another content")]
#[test_case("/m/v", "/m/u[1]", "Several"; "two places")]
fn copy_when_impossible_then_refused_and_nothing_changed(at: &str, source: &str, kind: &str) {
    let into = "<m><u/><t>text</t><v/><v/></m>";
    let mut document = Document::parse(into.as_bytes()).unwrap();
    let from = Document::parse(OLD.as_bytes()).unwrap();
    let error = document.insert_copy(&path(at), &from, &path(source)).unwrap_err();
    assert!(format!("{error:?}").contains(kind), "{error:?}");
    assert_eq!(document.to_bytes(), into.as_bytes());
}

#[test]
fn element_when_the_file_is_latin_1_then_in_its_bytes_or_refused() {
    let into = b"<?xml version='1.0' encoding='ISO-8859-1'?><a></a>";
    let mut document = Document::parse(into).unwrap();
    let from = Document::parse("<a><b>\u{e9}</b><c>\u{20ac}</c></a>".as_bytes()).unwrap();
    document.insert_copy(&path("/a/b"), &from, &path("/a/b")).unwrap();
    assert!(
        document
            .to_bytes()
            .windows(8)
            .any(|bytes| bytes == b"<b>\xe9</b>")
    );
    let error = document
        .insert_copy(&path("/a/c"), &from, &path("/a/c"))
        .unwrap_err();
    assert!(matches!(error, EditError::Unrepresentable { .. }), "{error}");
}

/// The children of the root, by their own paths.
fn children(document: &Document, root: &str) -> Vec<Path> {
    let mut all: Vec<Path> = Vec::new();
    for leaf in document.leaves() {
        let mut at = leaf.path;
        while let Some(parent) = at.parent().filter(|parent| parent.to_string() != root) {
            at = parent;
        }
        if at.attribute_name().is_none() && at.parent().is_some() && !all.contains(&at) {
            all.push(at);
        }
    }
    all
}

#[test]
fn every_element_of_the_corpus_can_be_copied_into_an_empty_file() {
    let Some(root) = corpus::corpus() else { return };
    let mut copied = 0;
    for folder in ["carbon-4.1.0", "carbon-4.2.0", "ss-1.1.0", "as-5.1.0"] {
        for file in walkdir::WalkDir::new(root.join(folder)) {
            let file = file.unwrap().into_path();
            if file.extension().is_none_or(|extension| extension != "xml") {
                continue;
            }
            let from = Document::parse(&std::fs::read(&file).unwrap()).unwrap();
            let top = from.leaves()[0].path.to_string();
            let top = format!("/{}", top.split('/').nth(1).unwrap());
            let shown = from.shown(&path(&top), &|_| None).unwrap();
            let tag = &shown[..=shown.find('>').unwrap()];
            let name = tag[1..]
                .split(|c: char| c.is_whitespace() || c == '>')
                .next()
                .unwrap();
            let mut into =
                Document::parse(format!("{}></{name}>\n", tag.trim_end_matches(['/', '>'])).as_bytes())
                    .unwrap();
            for at in children(&from, &top) {
                // The third of three is only found once the two before it are there.
                into.insert_copy(&at, &from, &at)
                    .unwrap_or_else(|error| panic!("{} in {}: {error}", at, file.display()));
                copied += 1;
            }
            assert_eq!(into.differences(&from), [], "{}", file.display());
        }
    }
    assert!(copied > 200, "{copied}");
}

/// A small tree, with its text laid out in the given line ending and unit.
fn tree() -> impl Strategy<Value = String> {
    let leaf = ("[a-c]", "[ -%'-;=?-~\u{e9}]{0,6}", any::<bool>()).prop_map(|(name, text, noted)| {
        let note = if noted { "<!-- <a>no</a> -->" } else { "" };
        format!(
            "~<{name} k='{}'>{note}{text}</{name}>",
            text.replace('\'', "&apos;")
        )
    });
    let fixed = prop_oneof![
        Just("~<$><![CDATA[<x> &amp; ]]></$>"),
        Just("~<$ k=\"&lt;&#62;'\"/>"),
        Just("~<$>&lt;&#233;&quot;</$>"),
        Just("~<$><?pi <b>?></$>"),
        Just("~<!-- <$>dead</$> -->~<$></$>"),
    ];
    let fixed = ("[a-c]", fixed).prop_map(|(name, text)| text.replace('$', &name));
    let leaf = prop_oneof![leaf, fixed];
    leaf.prop_recursive(3, 12, 3, |inner| {
        ("[a-c]", proptest::collection::vec(inner, 1..4))
            .prop_map(|(name, inner)| format!("~<{name}>{}~</{name}>", inner.concat().replace('~', "~^")))
    })
}

/// A file in one of the line endings, indentations and encodings.
fn laid_out(tree: &str, crlf: bool, unit: &str, head: usize) -> Vec<u8> {
    let head = ["", "\u{feff}", "<?xml version='1.0' encoding='ISO-8859-1'?>\n"][head];
    let text = format!("{head}<top>{}\n</top>\n", tree.replace('~', "\n^"));
    let text = text.replace('^', unit);
    let text = if crlf { text.replace('\n', "\r\n") } else { text };
    if head.contains("8859") {
        text.chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap())
            .collect()
    } else {
        text.into_bytes()
    }
}

proptest! {
    #[test]
    fn copy_changes_only_its_span_and_undo_restores(
        old in tree(), new in tree(), crlf: bool, other: bool, unit in " {0,4}|\t", heads in (0..3_usize, 0..3_usize)
    ) {
        let old = laid_out(&format!("~<site>{}~</site>", old.replace('~', "~^")), crlf, "\t", heads.0);
        let new = laid_out(&new, other, &unit, heads.1);
        let from = Document::parse(&old).unwrap();
        let mut document = Document::parse(&new).unwrap();
        let at = path("/top/site");
        let change = document.insert_copy(&at, &from, &at).unwrap();
        let after = document.to_bytes();
        let (removed, inserted) = (change.removed_span(), change.inserted_span());
        prop_assert!(removed.is_empty());
        prop_assert_eq!(&new[..removed.start], &after[..inserted.start]);
        prop_assert_eq!(&new[removed.end..], &after[inserted.end..]);
        // One line ending throughout, and every value as it was.
        let text: String = after.iter().copied().map(char::from).collect();
        prop_assert_eq!(text.contains("\r\n"), other);
        prop_assert_eq!(text.replace("\r\n", "").contains('\n'), !other);
        let values = |document: &Document| -> Vec<_> {
            let inside = document.leaves().into_iter().filter(|leaf| leaf.path.to_string().starts_with("/top/site"));
            inside.map(|leaf| (leaf.path.to_string(), leaf.value)).collect()
        };
        prop_assert_eq!(values(&document), values(&from));
        prop_assert!(document.insert_copy(&at, &from, &at).unwrap().is_unchanged());
        prop_assert_eq!(document.to_bytes(), after);
        document.undo(&change).unwrap();
        prop_assert_eq!(document.to_bytes(), new);
    }
}
