//! The walk over every value, by which two configurations are compared.

use std::collections::BTreeMap;

use crate::support::{document, path, text_of};
use cutover_xmledit::{Document, LookupError};

fn listed(document: &Document) -> Vec<(String, String)> {
    let value = |value: Result<String, LookupError>| value.unwrap_or_else(|error| format!("! {error}"));
    document
        .leaves()
        .into_iter()
        .map(|leaf| (leaf.path.to_string(), value(leaf.value)))
        .collect()
}

fn pairs(listed: &[(String, String)]) -> Vec<(&str, &str)> {
    listed
        .iter()
        .map(|(path, value)| (path.as_str(), value.as_str()))
        .collect()
}

#[test]
fn leaves_list_every_value_once_in_document_order() {
    let document = document(
        "<a xmlns='u' v='0'>\n<b>1</b><c/><d x='2'/><e y='3'>4</e><!-- <f>5</f> --><g><h>6</h></g></a>",
    );
    assert_eq!(
        pairs(&listed(&document)),
        [
            ("/a/@v", "0"),
            ("/a/b", "1"),
            ("/a/c", ""),
            ("/a/d/@x", "2"),
            ("/a/e/@y", "3"),
            ("/a/e", "4"),
            ("/a/g/h", "6"),
        ]
    );
}

#[test]
fn leaves_name_elements_by_identity_before_position() {
    let document = document(
        "<a><p name='x'>1</p><p name='y'>2</p><ds><name>z</name><url>3</url></ds><i id='k'>4</i>\
         <q>5</q><q>6</q><s name='t'>7</s><s name='t'>8</s></a>",
    );
    let found = listed(&document);
    let texts: Vec<_> = pairs(&found)
        .into_iter()
        .filter(|(path, _)| !path.contains("/@"))
        .collect();
    assert_eq!(
        texts,
        [
            ("/a/p[@name='x']", "1"),
            ("/a/p[@name='y']", "2"),
            ("/a/ds[name='z']/name", "z"),
            ("/a/ds[name='z']/url", "3"),
            ("/a/i[@id='k']", "4"),
            ("/a/q[1]", "5"),
            ("/a/q[2]", "6"),
            ("/a/s[1]", "7"),
            ("/a/s[2]", "8"),
        ]
    );
}

#[test]
fn leaves_when_an_element_is_added_then_the_others_keep_their_paths() {
    let old = document("<a><p name='x'>1</p></a>");
    let new = document("<a><p name='w'>0</p><p name='x'>2</p></a>");
    let old: BTreeMap<_, _> = listed(&old).into_iter().collect();
    let new: BTreeMap<_, _> = listed(&new).into_iter().collect();
    assert_eq!(
        (&old["/a/p[@name='x']"], &new["/a/p[@name='x']"]),
        (&"1".to_owned(), &"2".to_owned())
    );
}

#[test]
fn leaves_when_identity_cannot_be_quoted_then_position() {
    let document = document("<a><p name='&apos;&quot;'>1</p><p name=''>2</p><p>3</p></a>");
    let found = listed(&document);
    let texts: Vec<_> = found
        .iter()
        .map(|(path, _)| path.as_str())
        .filter(|path| !path.contains('@'))
        .collect();
    assert_eq!(texts, ["/a/p[1]", "/a/p[2]", "/a/p[3]"]);
}

#[test]
fn leaves_when_value_is_unreadable_then_the_others_are_listed() {
    let document = document("<a>\n<b>&x;</b>\n<c>1</c><d>mixed<e>2</e></d></a>");
    let found = document.leaves();
    assert!(
        matches!(&found[0].value, Err(LookupError::UnknownEntity { entity, line: 2, .. }) if entity == "x")
    );
    assert_eq!((found[1].line, found[1].value.as_deref()), (3, Ok("1")));
    assert!(matches!(found[2].value, Err(LookupError::HasChildren { .. })));
    assert_eq!(found[3].value.as_deref(), Ok("2"));
}

#[test]
fn leaves_when_prefixed_and_plain_attribute_share_a_name_then_both_are_found_again() {
    let document = document("<a xmlns:x='u' x:b='1' b='2'/>");
    assert_eq!(pairs(&listed(&document)), [("/a/@{u}b", "1"), ("/a/@b", "2")]);
    assert_eq!(document.text(&path("/a/@{u}b")).unwrap().as_deref(), Some("1"));
}

#[test]
fn leaves_paths_can_be_edited() {
    let mut edited = document("<a><p name='x'>1</p><q>2</q><q k='3'>4</q></a>");
    for leaf in edited
        .leaves()
        .into_iter()
        .filter(|leaf| leaf.path.attribute_name() != Some("name"))
    {
        edited.set(&leaf.path, "v").unwrap();
    }
    assert_eq!(text_of(&edited), "<a><p name='x'>v</p><q>v</q><q k='v'>v</q></a>");
}
