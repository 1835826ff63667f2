//! Properties that hold for every file and every value.

use crate::support::path;
use cutover_xmledit::{Change, Document, Path, diff};
use proptest::prelude::*;

/// A value with everything that needs care: markup, quotes, line endings, characters beyond ASCII.
fn value() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            4 => proptest::char::range(' ', '~').prop_map(String::from),
            1 => proptest::char::range('\u{a0}', '\u{ff}').prop_map(String::from),
            1 => prop_oneof![
                Just("]]>"), Just("<!--"), Just("&amp;"), Just("\r\n"), Just("\n"), Just("\r"), Just("\t"), Just("'\"")
            ].prop_map(str::to_owned),
        ],
        0..12,
    )
    .prop_map(|parts| parts.concat())
}

#[derive(Debug, Clone)]
struct File {
    bytes: Vec<u8>,
    count: usize,
}

/// One element's outside and inside; `$` is where its name goes.
fn element() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("<$>plain</$>"),
        Just("<$/>"),
        Just("<$ k='v' />"),
        Just("<$ k=\"v&amp;w\">&lt;x&#62;</$>"),
        Just("<$><![CDATA[raw <b> &amp; ]]></$>"),
        Just("<$>~  <!-- was $ -->~  value~</$>"),
        Just("<$></$><!--$>dead</$-->"),
        Just("<$>\u{e9}\u{f6}</$>"),
    ]
}

/// A document of named elements with comments around, in one of the line endings and encodings.
fn file() -> impl Strategy<Value = File> {
    let layout = (0..4_usize, any::<bool>(), any::<bool>());
    (proptest::collection::vec(element(), 1..6), layout).prop_map(|(elements, (head, crlf, indent))| {
        let mut text = [
            "",
            "\u{feff}",
            "<?xml version='1.0' encoding='ISO-8859-1'?>~",
            "<?xml version='1.0'?>~",
        ][head]
            .to_owned();
        text.push_str("<!-- <r><e0>no</e0></r> -->~<r a='1' b=\"2\">~");
        for (index, element) in elements.iter().enumerate() {
            text.push_str(if indent { "    " } else { "" });
            text.push_str(&element.replace('$', &format!("e{index}")));
            text.push('~');
        }
        text.push_str("</r>~");
        let text = text.replace('~', if crlf { "\r\n" } else { "\n" });
        let latin1 = || {
            text.chars()
                .map(|c| u8::try_from(u32::from(c)).unwrap())
                .collect()
        };
        File {
            bytes: if head == 2 {
                latin1()
            } else {
                text.clone().into_bytes()
            },
            count: elements.len(),
        }
    })
}

fn target(file: &File, seed: usize) -> Path {
    match seed % (file.count + 2) {
        0 => path("/r/@a"),
        1 => path("/r/@b"),
        index => path(&format!("/r/e{}", index - 2)),
    }
}

fn assert_only_its_span(change: &Change, before: &[u8], after: &[u8]) {
    let (removed, inserted) = (change.removed_span(), change.inserted_span());
    assert_eq!(before[..removed.start], after[..inserted.start]);
    assert_eq!(before[removed.end..], after[inserted.end..]);
}

proptest! {
    #[test]
    fn unedited_is_identical(file in file()) {
        prop_assert_eq!(Document::parse(&file.bytes).unwrap().to_bytes(), file.bytes);
    }

    #[test]
    fn set_changes_only_its_span_and_undo_restores(file in file(), seed: usize, value in value()) {
        let at = target(&file, seed);
        let mut document = Document::parse(&file.bytes).unwrap();
        let change = document.set(&at, &value).unwrap();
        let after = document.to_bytes();
        assert_only_its_span(&change, &file.bytes, &after);
        prop_assert_eq!(Document::parse(&after).unwrap().text(&at).unwrap(), Some(value.clone()));
        prop_assert_eq!(change.is_unchanged(), after == file.bytes);

        let again = document.set(&at, &value).unwrap();
        prop_assert!(again.is_unchanged());
        prop_assert_eq!(document.to_bytes(), after);

        document.undo(&change).unwrap();
        prop_assert_eq!(document.to_bytes(), file.bytes);
    }

    #[test]
    fn ensure_adds_once_and_undo_restores(file in file(), seed: usize, value in value(), missing in 0..5_usize) {
        let at = match missing {
            0 => target(&file, seed),
            1 => path("/r/new"),
            2 => path("/r/new[@name='x'][k='y']/deep/@z"),
            3 => path("/r/@new"),
            _ => path("/r/new[sub/name='x']/deep"),
        };
        let mut document = Document::parse(&file.bytes).unwrap();
        let change = document.ensure(&at, &value).unwrap();
        let after = document.to_bytes();
        assert_only_its_span(&change, &file.bytes, &after);
        prop_assert_eq!(document.text(&at).unwrap(), Some(value.clone()));
        prop_assert!(document.ensure(&at, &value).unwrap().is_unchanged());
        document.undo(&change).unwrap();
        prop_assert_eq!(document.to_bytes(), file.bytes);
    }

    #[test]
    fn edits_in_any_order_undo_to_the_original(file in file(), edits in proptest::collection::vec((any::<usize>(), value()), 1..8)) {
        let mut document = Document::parse(&file.bytes).unwrap();
        let changes: Vec<Change> =
            edits.iter().map(|(seed, value)| document.set(&target(&file, *seed), value).unwrap()).collect();
        for change in changes.iter().rev() {
            document.undo(change).unwrap();
        }
        prop_assert_eq!(document.to_bytes(), file.bytes);
    }

    #[test]
    fn other_values_do_not_move(file in file(), seed: usize, value in value()) {
        let at = target(&file, seed);
        let mut document = Document::parse(&file.bytes).unwrap();
        let before = document.leaves();
        document.set(&at, &value).unwrap();
        for leaf in before.into_iter().filter(|leaf| leaf.path != at) {
            prop_assert_eq!(document.text(&leaf.path).unwrap(), leaf.value.ok());
        }
    }

    #[test]
    fn leaves_are_found_by_their_paths(file in file()) {
        let document = Document::parse(&file.bytes).unwrap();
        for leaf in document.leaves() {
            let reread: Path = leaf.path.to_string().parse().unwrap();
            prop_assert_eq!(document.text(&reread).unwrap(), leaf.value.ok());
        }
    }

    #[test]
    fn parse_never_panics_and_passes_through(text in "(<[/!?]?|/?>|[a-c]|[ \r\n]|=|'|\"|&|;|#|-|\\[|\\]|CDATA|<!--|-->|<a>|</a>|xmlns:|\u{e9}){0,24}") {
        if let Ok(document) = Document::parse(text.as_bytes()) {
            prop_assert_eq!(document.to_bytes(), text.as_bytes());
            for leaf in document.leaves() {
                prop_assert_eq!(document.text(&leaf.path), leaf.value.map(Some));
            }
        }
    }

    #[test]
    fn parse_never_panics_on_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(document) = Document::parse(&bytes) {
            prop_assert_eq!(document.to_bytes(), bytes);
        }
    }

    #[test]
    fn path_text_round_trips(text in "/[a-c](\\[(@[a-c]|[a-c]|[a-c]/@?[a-c])='[^']{0,4}'\\]|\\[[1-9]\\]){0,2}(/[a-c]){0,2}(/@[a-c])?") {
        let parsed: Path = text.parse().unwrap();
        prop_assert_eq!(parsed.to_string().parse::<Path>().unwrap(), parsed);
    }

    #[test]
    fn path_parsing_never_panics(text in ".{0,24}|[/@\\[\\]{}='\"a1. ]{0,24}") {
        if let Ok(parsed) = text.parse::<Path>() {
            prop_assert_eq!(parsed.to_string().parse::<Path>().unwrap(), parsed);
        }
    }

    #[test]
    fn diff_holds_each_side_and_no_secret(
        before in "([a-d]\n){0,12}", after in "([a-d]\n){0,12}", secret in "[x-z]{3,6}"
    ) {
        let before = format!("{before}k={secret}\n");
        let after = format!("{after}{secret}\n");
        let shown = diff(before.as_bytes(), after.as_bytes(), &[&secret]);
        prop_assert!(!shown.contains(&secret));
        let count = |sign: char| shown.lines().filter(|line| line.starts_with(sign)).count();
        let lines = |text: &str| text.lines().count();
        prop_assert_eq!(lines(&before) + count('+'), lines(&after) + count('-'));
    }
}
