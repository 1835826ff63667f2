use std::path::PathBuf;

use super::*;
use crate::guide::Sentence;

fn guide(texts: &[&str]) -> Guide {
    let mut guide = Guide::shipped().unwrap().remove(0);
    guide.sentences = texts
        .iter()
        .enumerate()
        .map(|(number, text)| Sentence {
            id: format!("s{number}"),
            text: (*text).to_owned(),
            steps: vec!["inspect".into()],
            declined: None,
        })
        .collect();
    guide
}

fn codes(guide: &Guide, page: &str) -> Vec<String> {
    compare(guide, page)
        .into_iter()
        .map(|finding| finding.code)
        .collect()
}

#[test]
fn page_when_every_order_is_in_the_guide_then_nothing_is_found() {
    let page =
        "A heading\n\n  1. Stop the\u{a0}current server.\n  2. Copy the data. It becomes the new database.\n";
    assert_eq!(
        codes(&guide(&["Stop the current server.", "Copy the data."]), page),
        Vec::<String>::new()
    );
}

#[test]
fn page_when_an_order_is_left_out_then_found_with_its_words() {
    let page = "Stop the current server.\nSelect the script.Running it helps. Copy the\ndata.";
    let found = compare(&guide(&["Stop the current server.", "Select the script."]), page);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].text.contains("Copy the data."), "{found:?}");
    assert_eq!(found[0].code, "page-sentence-left-out");
}

#[test]
fn order_when_it_stands_within_a_sentence_then_found() {
    let page = "Note that you should NOT connect it. However, the new one must be stopped.";
    assert_eq!(
        codes(&guide(&["Note that you should NOT connect it."]), page),
        ["page-sentence-left-out"]
    );
}

#[test]
fn sentence_when_not_on_the_page_then_found() {
    assert_eq!(
        codes(&guide(&["Dance."]), "All is well."),
        ["sentence-not-on-page"]
    );
}

#[test]
fn list_when_its_markup_broke_then_a_repeated_beginning_is_no_sentence_of_its_own() {
    let page = "- Go to the\n<X>/conf folder and update a.xml. - Go to the\n- Start the server.";
    let guide = guide(&["Go to the <X>/conf folder and update a.xml.", "Start the server."]);
    assert_eq!(codes(&guide, page), Vec::<String>::new());
}

/// The vendor's pages are not part of the project: they lie beside the corpus, or where the variable says.
fn pages() -> Option<PathBuf> {
    let told = std::env::var_os("CUTOVER_GUIDE_TEXTS").map(PathBuf::from);
    let beside = || {
        Some(
            PathBuf::from(std::env::var_os("CUTOVER_CORPUS")?)
                .parent()?
                .join("guides"),
        )
    };
    told.or_else(beside).filter(|folder| folder.is_dir())
}

#[test]
fn shipped_guides_when_compared_with_their_pages_then_no_order_is_left_out() {
    let Some(folder) = pages() else {
        eprintln!(
            "SKIPPED: set CUTOVER_GUIDE_TEXTS to the folder with the vendor's pages (NAME.txt for each guide)"
        );
        return;
    };
    for guide in Guide::shipped().unwrap() {
        let page = std::fs::read_to_string(folder.join(format!("{}.txt", guide.name))).unwrap();
        assert_eq!(compare(&guide, &page), Vec::new(), "{}", guide.name);
        for left_out in 0..guide.sentences.len() {
            let mut spoilt = guide.clone();
            let sentence = spoilt.sentences.remove(left_out);
            assert!(
                !compare(&spoilt, &page).is_empty(),
                "{}: {}",
                guide.name,
                sentence.id
            );
        }
    }
}
