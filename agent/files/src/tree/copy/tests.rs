//! The check of free space, with an answer the test chooses.

use std::fs;

use super::*;
use crate::progress::NoProgress;

#[test]
fn copy_when_space_is_one_byte_short_then_refused_before_anything_is_done() {
    let temp = tempfile::tempdir().unwrap();
    for dir in ["old/data", "new", "keep"] {
        fs::create_dir_all(temp.path().join(dir)).unwrap();
    }
    fs::write(temp.path().join("old/data/file"), [7; 10_000]).unwrap();
    let (from, to, keep) = (
        Root::open(temp.path().join("old")).unwrap(),
        Root::open(temp.path().join("new")).unwrap(),
        Root::open(temp.path().join("keep")).unwrap(),
    );
    let run = |free: u64| {
        execute(&Job {
            from: &from,
            from_path: RelPath::parse("data").unwrap(),
            to: &to,
            to_path: RelPath::parse("data").unwrap(),
            keep: &keep,
            selection: Selection::Tree,
            kept_but: None,
            workers: 2,
            progress: &NoProgress,
            cancel: &Cancel::new(),
            free: &|_| Ok(free),
        })
    };
    let needed = 10_000 + 2 * 4096;
    let error = run(needed - 1).unwrap_err();
    assert!(
        matches!(error, TreeError::File(ref error) if error.is_no_space()),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains(&format!("{needed} bytes needed, {} available", needed - 1)),
        "{error}"
    );
    assert!(!temp.path().join("new/data").exists());
    run(needed).unwrap();
    // What is there already needs no space.
    run(0).unwrap();
}
