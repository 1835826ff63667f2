//! A disk that fills up, on a small file system mounted for the test. Needs root; says so when it cannot run.

#![expect(
    clippy::unwrap_used,
    reason = "what fails in the set-up of a test fails the test"
)]
#![expect(clippy::print_stdout, reason = "a skipped test says so")]

use std::fs;
use std::path::Path;
use std::process::Command;

use cutover_files::archive::{ArchiveError, BackupRequest, backup};
use cutover_files::tree::{CopyRequest, Existing, TreeError, copy_tree, undo_copy};
use cutover_files::{Cancel, FileError, NoProgress, Progress, Root};

/// A file system of one megabyte; unmounted when dropped.
struct Small {
    dir: tempfile::TempDir,
}

impl Small {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(dir.path())
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self { dir });
        }
        println!("SKIPPED: mounting a small file system needs root");
        None
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        Command::new("umount").arg(self.dir.path()).output().ok();
    }
}

/// Takes the space that the check before the start had found free.
#[derive(Debug)]
struct Hog(std::path::PathBuf);

impl Progress for Hog {
    fn total(&self, _files: u64, _bytes: u64) {
        fs::write(&self.0, vec![0; 700 << 10]).unwrap();
    }
    fn add(&self, _files: u64, _bytes: u64) {}
}

/// Strikes once the copy has passed its check.
#[derive(Debug)]
struct Late(Hog);

impl Progress for Late {
    fn total(&self, _files: u64, _bytes: u64) {}
    fn add(&self, files: u64, bytes: u64) {
        if !self.0.0.exists() {
            self.0.total(files, bytes);
        }
    }
}

fn source(dir: &Path, bytes: usize) {
    fs::create_dir_all(dir.join("data")).unwrap();
    // Bytes that do not compress.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let content: Vec<u8> = (0..bytes)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        })
        .collect();
    fs::write(dir.join("data/file"), content).unwrap();
}

fn copy(from: &Path, to: &Path, progress: &dyn Progress) -> Result<(), TreeError> {
    let request = CopyRequest {
        from: &Root::open(from).unwrap(),
        from_path: Path::new("data"),
        to: &Root::create(to.join("new")).unwrap(),
        to_path: Path::new("data"),
        keep: &Root::create(to.join("keep")).unwrap(),
        existing: Existing::Replace,
        workers: None,
        progress,
        cancel: &Cancel::new(),
    };
    copy_tree(&request).map(drop)
}

#[test]
fn copy_that_cannot_fit_is_refused_with_numbers() {
    let Some(small) = Small::mount() else { return };
    let temp = tempfile::tempdir().unwrap();
    source(temp.path(), 2 << 20);
    let error = copy(temp.path(), small.dir.path(), &NoProgress).unwrap_err();
    let TreeError::File(FileError::NoSpace {
        needed, available, ..
    }) = error
    else {
        panic!("{error:?}")
    };
    assert!(needed >= 2 << 20 && available <= 1 << 20, "{needed} {available}");
}

#[test]
fn copy_when_the_disk_fills_up_midway_then_clear_and_undoable() {
    let Some(small) = Small::mount() else { return };
    let temp = tempfile::tempdir().unwrap();
    source(temp.path(), 500 << 10);
    let late = Late(Hog(small.dir.path().join("hog")));
    let error = copy(temp.path(), small.dir.path(), &late).unwrap_err();
    let TreeError::File(error) = error else {
        panic!("{error:?}")
    };
    assert!(error.is_no_space(), "{error:?}");
    fs::remove_file(small.dir.path().join("hog")).unwrap();
    let (to, keep) = (small.dir.path().join("new"), small.dir.path().join("keep"));
    undo_copy(&Root::open(&to).unwrap(), &Root::open(&keep).unwrap()).unwrap();
    assert_eq!(fs::read_dir(&to).unwrap().count(), 0);
    copy(temp.path(), small.dir.path(), &NoProgress).unwrap();
    assert_eq!(
        fs::read(to.join("data/file")).unwrap(),
        fs::read(temp.path().join("data/file")).unwrap()
    );
}

#[test]
fn backup_when_the_disk_fills_up_then_nothing_is_left() {
    let Some(small) = Small::mount() else { return };
    let temp = tempfile::tempdir().unwrap();
    source(temp.path(), 800 << 10);
    let dest = small.dir.path().join("home.tar.zst");
    let take = |progress: &dyn Progress| {
        let cancel = Cancel::new();
        backup(&BackupRequest {
            cancel: &cancel,
            source: temp.path(),
            dest: &dest,
            exclude: &[],
            progress,
        })
    };
    let error = take(&Hog(small.dir.path().join("hog"))).unwrap_err();
    let ArchiveError::File(FileError::NoSpace {
        needed, available, ..
    }) = error
    else {
        panic!("{error:?}")
    };
    assert!(needed >= 800 << 10 && available < needed, "{needed} {available}");
    let left: Vec<_> = fs::read_dir(small.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["hog"]);
    // Too little from the start.
    let error = take(&NoProgress).unwrap_err();
    assert!(
        matches!(error, ArchiveError::File(FileError::NoSpace { .. })),
        "{error:?}"
    );
    fs::remove_file(small.dir.path().join("hog")).unwrap();
    take(&NoProgress).unwrap();
}
