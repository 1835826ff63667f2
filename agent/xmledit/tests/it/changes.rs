//! Changes tell what they did and can be taken back.

use crate::support::{document, path, text_of};
use cutover_xmledit::ChangeError;

const TEXT: &str = "<a>\r\n  <b>old</b>\r\n  <c d='old'/>\r\n</a>";

#[test]
fn change_tells_path_line_values_and_spans() {
    let mut edited = document(TEXT);
    let change = edited.set(&path("/a/b"), "newer").unwrap();
    assert_eq!(change.path(), &path("/a/b"));
    assert_eq!(change.line(), 2);
    assert_eq!((change.before(), change.after()), (Some("old"), Some("newer")));
    assert_eq!(&TEXT[change.removed_span()], "old");
    assert_eq!(&text_of(&edited)[change.inserted_span()], "newer");
    assert!(!change.is_unchanged());
}

#[test]
fn change_when_inverted_then_everything_is_swapped() {
    let mut edited = document(TEXT);
    let change = edited.ensure(&path("/a/e"), "v").unwrap();
    let inverse = change.inverse();
    assert_eq!((inverse.before(), inverse.after()), (Some("v"), None));
    assert_eq!(
        (inverse.removed_span(), inverse.inserted_span()),
        (change.inserted_span(), change.removed_span())
    );
    assert_eq!(inverse.inverse(), change);
    let after = text_of(&edited);
    edited.apply(&inverse).unwrap();
    assert_eq!(text_of(&edited), TEXT);
    edited.apply(&change).unwrap();
    assert_eq!(text_of(&edited), after);
}

#[test]
fn undo_when_last_first_then_original_bytes() {
    let mut edited = document(TEXT);
    let changes = [
        edited.set(&path("/a/b"), "x").unwrap(),
        edited.set(&path("/a/c/@d"), "y").unwrap(),
        edited.ensure(&path("/a/c/e"), "z").unwrap(),
        edited.set(&path("/a/b"), "x").unwrap(),
    ];
    for change in changes.iter().rev() {
        edited.undo(change).unwrap();
    }
    assert_eq!(text_of(&edited), TEXT);
}

#[test]
fn undo_when_document_is_another_then_stale_and_unchanged() {
    let mut edited = document(TEXT);
    let first = edited.set(&path("/a/b"), "x").unwrap();
    let second = edited.set(&path("/a/c/@d"), "y").unwrap();
    let before = text_of(&edited);
    let error = edited.undo(&first).unwrap_err();
    assert_eq!(error, ChangeError::Stale { path: path("/a/b") });
    assert!(
        error.to_string().contains("undo the later changes first"),
        "{error}"
    );
    assert_eq!(text_of(&edited), before);
    let mut other = document("<a/>");
    assert_eq!(
        other.undo(&second),
        Err(ChangeError::Stale {
            path: path("/a/c/@d")
        })
    );
    edited.undo(&second).unwrap();
    assert_eq!(
        edited.undo(&second),
        Err(ChangeError::Stale {
            path: path("/a/c/@d")
        })
    );
}

#[test]
fn undone_document_can_be_read_and_edited_again() {
    let mut edited = document(TEXT);
    let change = edited.ensure(&path("/a/c/e"), "z").unwrap();
    edited.undo(&change).unwrap();
    assert_eq!(edited.text(&path("/a/c/e")), Ok(None));
    edited.set(&path("/a/c"), "t").unwrap();
    assert_eq!(text_of(&edited), TEXT.replace("<c d='old'/>", "<c d='old'>t</c>"));
}
