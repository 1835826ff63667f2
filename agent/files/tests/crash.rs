//! A copy that is killed, at many moments, then resumed or undone.

#![expect(
    clippy::unwrap_used,
    reason = "what fails in the set-up of a test fails the test"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cutover_files::tree::{
    CopyReport, CopyRequest, Entry, Existing, TreeError, copy_tree, manifest, undo_copy,
};
use cutover_files::{Cancel, NoProgress, Progress, Root};

/// Where the child of [`child`] works. Without it the child does nothing.
const DIR: &str = "CUTOVER_FILES_CRASH_DIR";
/// After how many reports of progress it dies; without it, when it is killed.
const AFTER: &str = "CUTOVER_FILES_CRASH_AFTER";

/// Makes it leave what the target has.
const BESIDE: &str = "CUTOVER_FILES_CRASH_BESIDE";
const EXCEPT: &[String] = &[];

#[derive(Debug)]
struct Abort {
    left: AtomicU64,
}

impl Progress for Abort {
    fn total(&self, _files: u64, _bytes: u64) {}
    fn add(&self, _files: u64, _bytes: u64) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 0 {
            std::process::abort();
        }
    }
}

/// Not a test of its own: the process that the tests below start and kill.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else {
        return;
    };
    let after = std::env::var(AFTER).ok().and_then(|text| text.parse().ok());
    let existing = match std::env::var_os(BESIDE) {
        Some(_) => Existing::Keep { except: EXCEPT },
        None => Existing::Replace,
    };
    let abort = Abort {
        left: AtomicU64::new(after.unwrap_or(u64::MAX)),
    };
    copy_over(&dir, existing, &abort).unwrap();
}

fn copy(dir: &Path, progress: &dyn Progress) -> Result<(), TreeError> {
    copy_over(dir, Existing::Replace, progress).map(drop)
}

fn copy_over(dir: &Path, existing: Existing<'_>, progress: &dyn Progress) -> Result<CopyReport, TreeError> {
    copy_tree(&CopyRequest {
        from: &Root::open(dir.join("old")).unwrap(),
        from_path: Path::new("server"),
        to: &Root::open(dir.join("new")).unwrap(),
        to_path: Path::new("server"),
        keep: &Root::open(dir.join("keep")).unwrap(),
        existing,
        workers: None,
        progress,
        cancel: &Cancel::new(),
    })
}

fn spawn(dir: &Path, after: Option<u64>, beside: bool) -> std::process::Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "child"])
        .env(DIR, dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if beside {
        command.env(BESIDE, "1");
    }
    if let Some(after) = after {
        command.env(AFTER, after.to_string());
    }
    command.spawn().unwrap()
}

/// A source and a target that share, replace and add.
fn homes() -> tempfile::TempDir {
    // A killed process loses nothing the kernel has, so memory serves and saves the waiting for the disk.
    let memory = tempfile::tempdir_in("/dev/shm");
    let temp = memory.or_else(|_| tempfile::tempdir()).unwrap();
    for index in 0..300 {
        let dir = format!("server/app{}/lib{}", index % 5, index % 3);
        fs::create_dir_all(temp.path().join("old").join(&dir)).unwrap();
        fs::write(
            temp.path().join("old").join(&dir).join(format!("{index}.jar")),
            format!("old {index}"),
        )
        .unwrap();
        if index % 4 == 0 {
            fs::create_dir_all(temp.path().join("new").join(&dir)).unwrap();
            fs::write(
                temp.path().join("new").join(&dir).join(format!("{index}.jar")),
                format!("new {index}"),
            )
            .unwrap();
        }
        if index % 10 == 0 {
            symlink(
                "../x",
                temp.path().join("old").join(&dir).join(format!("{index}.link")),
            )
            .unwrap();
        }
    }
    fs::create_dir_all(temp.path().join("old/server/only/old/deep")).unwrap();
    fs::write(temp.path().join("new/server/own"), "own").unwrap();
    fs::create_dir(temp.path().join("keep")).unwrap();
    temp
}

fn list(dir: &Path) -> Vec<Entry> {
    manifest(&Root::open(dir).unwrap(), "", None, &NoProgress, &Cancel::new()).unwrap()
}

fn undo(dir: &Path) {
    undo_copy(
        &Root::open(dir.join("new")).unwrap(),
        &Root::open(dir.join("keep")).unwrap(),
    )
    .unwrap();
}

/// What holds after a crash: every file of the target is the old or the new one, whole.
fn assert_no_half_file(dir: &Path, before: &[Entry]) {
    let source = list(&dir.join("old"));
    for entry in list(&dir.join("new"))
        .iter()
        .filter(|entry| entry.blake3.is_some())
    {
        let known = source
            .iter()
            .chain(before)
            .filter(|known| known.path == entry.path);
        assert!(
            known.into_iter().any(|known| known.same_content(entry)),
            "{entry:?}"
        );
    }
}

/// After a crash: undo on one half of the moments, resume and then undo on the other.
fn assert_recovers(dir: &Path, before: &[Entry], resume: bool, moment: &str) {
    assert_no_half_file(dir, before);
    if resume {
        copy(dir, &NoProgress).unwrap();
        let landed = list(&dir.join("new"));
        let own = before
            .iter()
            .filter(|entry| entry.path.as_path().ends_with("own"));
        let missing = list(&dir.join("old"));
        for entry in missing.iter().chain(own) {
            assert!(
                landed
                    .iter()
                    .any(|landed| landed.path == entry.path && landed.same_content(entry)),
                "{entry:?}"
            );
        }
    }
    undo(dir);
    assert_eq!(list(&dir.join("new")), before, "{moment}");
    undo(dir);
    assert_eq!(list(&dir.join("new")), before, "{moment}, again");
}

#[test]
fn dying_while_staging_then_resume_and_undo_hold() {
    for after in [0, 1, 2, 50, 299, 300, 600] {
        let temp = homes();
        let before = list(&temp.path().join("new"));
        let status = spawn(temp.path(), Some(after), false).wait().unwrap();
        assert!(!status.success(), "the child was to die after {after}");
        assert_recovers(temp.path(), &before, after % 2 == 0, &format!("after {after}"));
    }
}

#[test]
fn killed_at_any_time_then_resume_and_undo_hold() {
    let temp = homes();
    let start = Instant::now();
    assert!(spawn(temp.path(), None, false).wait().unwrap().success());
    let whole = start.elapsed();
    let moments = 24;
    for moment in 0..moments {
        let temp = homes();
        let before = list(&temp.path().join("new"));
        let mut child = spawn(temp.path(), None, false);
        let deadline = Instant::now() + whole.mul_f64(f64::from(moment) / f64::from(moments));
        while Instant::now() < deadline && child.try_wait().unwrap().is_none() {
            std::thread::park_timeout(Duration::from_micros(100));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_recovers(
            temp.path(),
            &before,
            moment % 2 == 0,
            &format!("moment {moment} of {moments}"),
        );
    }
}

/// Puts a finished copy back into the state it had when `landed` of its files had been renamed.
fn rewind(dir: &Path, landed: usize) {
    let journal = fs::read_to_string(dir.join("keep/journal.jsonl")).unwrap();
    let lines = journal
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let ops: Vec<(String, u64, bool)> = lines
        .filter_map(|line| {
            let (kind, op) = line
                .as_object()?
                .iter()
                .next()
                .map(|(kind, op)| (kind.clone(), op.clone()))?;
            let number = op.get("number")?.as_u64()?;
            Some((op.get("path")?.as_str()?.to_owned(), number, kind == "replace"))
        })
        .collect();
    for (path, number, replaced) in ops.iter().skip(landed) {
        let stage = dir.join(format!("keep/stage/{}/{number}", number / 64));
        fs::create_dir_all(stage.parent().unwrap()).unwrap();
        let target = dir.join("new").join(path);
        fs::rename(&target, stage).unwrap();
        if *replaced {
            fs::hard_link(dir.join(format!("keep/kept/{number}")), target).unwrap();
        }
    }
    let whole: Vec<&str> = journal
        .lines()
        .filter(|line| !line.contains("complete"))
        .collect();
    fs::write(dir.join("keep/journal.jsonl"), whole.join("\n") + "\n").unwrap();
}

#[test]
fn dying_while_landing_then_resume_and_undo_hold() {
    for landed in [0, 1, 77, 200, 329, 330] {
        for resume in [false, true] {
            let temp = homes();
            let before = list(&temp.path().join("new"));
            copy(temp.path(), &NoProgress).unwrap();
            rewind(temp.path(), landed);
            assert_recovers(temp.path(), &before, resume, &format!("{landed} landed"));
        }
    }
}

#[test]
fn a_journal_cut_short_announces_nothing() {
    let temp = homes();
    let before = list(&temp.path().join("new"));
    let after_begin = r#"{"begin":{"version":1,"copy":"`server` to `server`"}}"#.to_owned() + "\n";
    for cut in [
        "",
        "{\"be",
        &after_begin,
        &(after_begin.clone() + "{\"make\":{\"path\":\"server/own\",\"num"),
    ] {
        fs::write(temp.path().join("keep/journal.jsonl"), cut).unwrap();
        undo(temp.path());
        assert_eq!(list(&temp.path().join("new")), before);
    }
    copy(temp.path(), &NoProgress).unwrap();
    undo(temp.path());
    assert_eq!(list(&temp.path().join("new")), before);
}

#[test]
fn a_damaged_journal_is_named_and_nothing_is_done() {
    let temp = homes();
    copy(temp.path(), &NoProgress).unwrap();
    let journal = temp.path().join("keep/journal.jsonl");
    let content = fs::read_to_string(&journal)
        .unwrap()
        .replacen("\"make\"", "\"fake\"", 1);
    fs::write(&journal, content).unwrap();
    let copied = list(&temp.path().join("new"));
    let result = undo_copy(
        &Root::open(temp.path().join("new")).unwrap(),
        &Root::open(temp.path().join("keep")).unwrap(),
    );
    assert!(matches!(result.unwrap_err(), TreeError::Journal { .. }));
    assert_eq!(list(&temp.path().join("new")), copied);
}

#[test]
fn dying_while_the_targets_files_stay_then_its_own_output_is_never_taken_for_them() {
    let beside = Existing::Keep { except: EXCEPT };
    let whole = homes();
    let expected = copy_over(whole.path(), beside, &NoProgress).unwrap();
    assert_eq!(expected.kept.len(), 75);
    for after in [0, 30, 76, 120, 200, 299, 300] {
        let temp = homes();
        let before = list(&temp.path().join("new"));
        let status = spawn(temp.path(), Some(after), true).wait().unwrap();
        assert!(!status.success(), "the child was to die after {after}");
        let resumed = copy_over(temp.path(), beside, &NoProgress).unwrap();
        assert_eq!(
            (resumed.kept, resumed.tree_hash),
            (expected.kept.clone(), expected.tree_hash),
            "{after}"
        );
        assert!(resumed.overwritten.is_empty());
        undo(temp.path());
        assert_eq!(list(&temp.path().join("new")), before, "{after}");
    }
    for landed in [0, 1, 100, 254, 255] {
        let temp = homes();
        let before = list(&temp.path().join("new"));
        copy_over(temp.path(), beside, &NoProgress).unwrap();
        rewind(temp.path(), landed);
        let resumed = copy_over(temp.path(), beside, &NoProgress).unwrap();
        assert_eq!(
            (resumed.kept, resumed.tree_hash),
            (expected.kept.clone(), expected.tree_hash),
            "{landed}"
        );
        undo(temp.path());
        assert_eq!(list(&temp.path().join("new")), before, "{landed}");
    }
}
