//! Backups: what is in them, what is found when they are damaged, what comes back.

#![expect(
    clippy::unwrap_used,
    reason = "what fails in the set-up of a test fails the test"
)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use cutover_files::archive::{
    ArchiveError, BackupReceipt, BackupRequest, DEFAULT_EXCLUDES, backup, manifest_path, restore, verify,
};
use cutover_files::tree::{Entry, compare, manifest, tree_hash};
use cutover_files::{Cancel, NoProgress, Progress, Root};

struct Site {
    temp: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let home = temp.path().join("home");
        for dir in [
            "bin",
            "repository/conf",
            "repository/empty",
            "tmp/work",
            "dbscripts",
        ] {
            fs::create_dir_all(home.join(dir)).unwrap();
        }
        for (path, content) in [
            ("bin/wso2server.sh", "#!/bin/sh"),
            ("repository/conf/carbon.xml", "<Server/>"),
            ("tmp/work/x", "scratch"),
            ("wso2carbon.pid", "4711"),
            ("dbscripts/mysql.sql", "CREATE TABLE UM_DOMAIN;"),
        ] {
            fs::write(home.join(path), content).unwrap();
        }
        fs::write(home.join(OsStr::from_bytes(b"odd \xff\nname")), "odd").unwrap();
        let long = "long-".repeat(60).split_at(200).0.to_owned();
        fs::create_dir_all(home.join(&long)).unwrap();
        fs::write(home.join(&long).join(&long), noise(300_000)).unwrap();
        fs::write(home.join("big.war"), noise(34 << 20)).unwrap();
        symlink("bin/wso2server.sh", home.join("start")).unwrap();
        symlink(format!("{long}/{long}"), home.join("long link")).unwrap();
        fs::set_permissions(home.join("bin/wso2server.sh"), fs::Permissions::from_mode(0o750)).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o710)).unwrap();
        Self { temp }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.temp.path().join(path)
    }

    fn archive(&self) -> PathBuf {
        self.path("home.tar.zst")
    }

    fn backup(&self, progress: &dyn Progress) -> Result<BackupReceipt, ArchiveError> {
        backup(&BackupRequest {
            source: &self.path("home"),
            dest: &self.archive(),
            exclude: &DEFAULT_EXCLUDES.map(str::to_owned),
            progress,
            cancel: &Cancel::new(),
        })
    }

    fn verify(&self, receipt: &BackupReceipt) -> Result<(), ArchiveError> {
        verify(&self.archive(), receipt, &NoProgress, &Cancel::new())
    }

    fn list(&self, path: &str) -> Vec<Entry> {
        manifest(
            &Root::open(self.path(path)).unwrap(),
            "",
            None,
            &NoProgress,
            &Cancel::new(),
        )
        .unwrap()
    }
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

#[test]
fn backup_verifies_and_restores_to_the_same_home() {
    let site = Site::new();
    let receipt = site.backup(&NoProgress).unwrap();
    assert_eq!(receipt.size, fs::metadata(site.archive()).unwrap().len());
    assert_eq!(
        receipt.sha256,
        cutover_files::hash::sha256_file(site.archive()).unwrap()
    );
    let excluded: Vec<String> = receipt.excluded.iter().map(ToString::to_string).collect();
    assert_eq!(excluded, ["tmp/work", "wso2carbon.pid"]);
    assert!(
        receipt.changed_while_read.is_empty() && receipt.vanished.is_empty() && receipt.skipped.is_empty()
    );
    let text = serde_json::to_string(&receipt).unwrap();
    assert_eq!(serde_json::from_str::<BackupReceipt>(&text).unwrap(), receipt);
    site.verify(&receipt).unwrap();

    let report = restore(
        &site.archive(),
        &site.path("restored"),
        &NoProgress,
        &Cancel::new(),
    )
    .unwrap();
    assert_eq!(report.tree_hash, receipt.tree_hash);
    let hash = tree_hash(
        &Root::open(site.path("restored")).unwrap(),
        "",
        None,
        &NoProgress,
        &Cancel::new(),
    );
    assert_eq!(hash.unwrap(), receipt.tree_hash);
    fs::remove_dir_all(site.path("home/tmp/work")).unwrap();
    fs::remove_file(site.path("home/wso2carbon.pid")).unwrap();
    let (home, restored) = (site.list("home"), site.list("restored"));
    assert!(
        compare(&home, &restored).is_equal(),
        "{:?}",
        compare(&home, &restored)
    );
    for (entry, restored) in home
        .iter()
        .zip(&restored)
        .filter(|(entry, _)| entry.path.as_path() != Path::new("tmp"))
    {
        assert_eq!(entry, restored);
    }
    let mode = fs::metadata(site.path("restored")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o710);
    let left: Vec<_> = fs::read_dir(site.temp.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 4, "{left:?}");
    assert_eq!(
        fs::metadata(site.archive()).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn one_flipped_byte_anywhere_is_found() {
    let site = Site::new();
    let receipt = site.backup(&NoProgress).unwrap();
    for path in [site.archive(), manifest_path(&site.archive())] {
        let good = fs::read(&path).unwrap();
        let places = [
            0,
            1,
            9,
            good.len() / 3,
            good.len() / 2,
            good.len() - 9,
            good.len() - 1,
        ];
        for place in places {
            let mut bad = good.clone();
            bad[place] ^= 1;
            fs::write(&path, &bad).unwrap();
            let error = site.verify(&receipt).unwrap_err();
            let named = matches!(
                error,
                ArchiveError::Damaged { .. } | ArchiveError::Unreadable { .. } | ArchiveError::BadPath { .. }
            );
            assert!(named, "byte {place} of {}: {error:?}", path.display());
        }
        for cut in [good.len() - 1, good.len() / 2, 0] {
            fs::write(&path, &good[..cut]).unwrap();
            assert!(site.verify(&receipt).is_err(), "cut to {cut}");
        }
        let mut longer = good.clone();
        longer.push(0);
        fs::write(&path, longer).unwrap();
        assert!(site.verify(&receipt).is_err(), "one byte more");
        fs::write(&path, &good).unwrap();
    }
    site.verify(&receipt).unwrap();
}

#[test]
fn another_archive_does_not_pass_for_the_one_that_was_taken() {
    let site = Site::new();
    let receipt = site.backup(&NoProgress).unwrap();
    fs::write(site.path("home/bin/wso2server.sh"), "#!/bin/ss").unwrap();
    site.backup(&NoProgress).unwrap();
    assert!(matches!(
        site.verify(&receipt).unwrap_err(),
        ArchiveError::Damaged { .. }
    ));
}

#[test]
fn restore_refuses_what_is_there_and_what_is_damaged() {
    let site = Site::new();
    site.backup(&NoProgress).unwrap();
    let error = restore(&site.archive(), &site.path("home"), &NoProgress, &Cancel::new()).unwrap_err();
    assert!(matches!(error, ArchiveError::Occupied { .. }), "{error}");
    let path = manifest_path(&site.archive());
    let content = fs::read_to_string(&path).unwrap();
    let (before, after) = content.split_once("\"blake3\":\"").unwrap();
    let flipped = if after.starts_with('0') { "1" } else { "0" };
    fs::write(&path, format!("{before}\"blake3\":\"{flipped}{}", &after[1..])).unwrap();
    let error = restore(
        &site.archive(),
        &site.path("restored"),
        &NoProgress,
        &Cancel::new(),
    )
    .unwrap_err();
    assert!(matches!(error, ArchiveError::Damaged { .. }), "{error}");
    assert!(!site.path("restored").exists());
    assert_eq!(
        fs::read_dir(site.temp.path()).unwrap().count(),
        3,
        "the unfinished restoration was removed"
    );
    // An empty directory may be restored into.
    site.backup(&NoProgress).unwrap();
    fs::create_dir(site.path("restored")).unwrap();
    restore(
        &site.archive(),
        &site.path("restored"),
        &NoProgress,
        &Cancel::new(),
    )
    .unwrap();
}

#[test]
fn a_backup_into_the_home_itself_is_refused() {
    let site = Site::new();
    let error = backup(&BackupRequest {
        source: &site.path("home"),
        dest: &site.path("home/repository/backup.tar.zst"),
        exclude: &[],
        progress: &NoProgress,
        cancel: &Cancel::new(),
    });
    assert!(matches!(error.unwrap_err(), ArchiveError::Inside { .. }));
}

#[test]
fn a_cancelled_backup_leaves_nothing() {
    let site = Site::new();
    let cancel = Cancel::new();
    cancel.cancel();
    let request = BackupRequest {
        source: &site.path("home"),
        dest: &site.archive(),
        exclude: &[],
        progress: &NoProgress,
        cancel: &cancel,
    };
    assert!(matches!(
        backup(&request).unwrap_err(),
        ArchiveError::Cancelled(_)
    ));
    assert_eq!(fs::read_dir(site.temp.path()).unwrap().count(), 1);
}

/// Grows a log whenever something is reported, as a serving Carbon does, and removes another file.
#[derive(Debug)]
struct Serving(PathBuf, Mutex<()>);

impl Progress for Serving {
    fn total(&self, _files: u64, _bytes: u64) {
        fs::remove_file(self.0.join("dbscripts/mysql.sql")).unwrap();
    }
    fn add(&self, _files: u64, _bytes: u64) {
        let _guard = self.1.lock().unwrap();
        let mut log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.0.join("big.war"))
            .unwrap();
        std::io::Write::write_all(&mut log, b"line\n").unwrap();
    }
}

#[test]
fn a_serving_home_is_backed_up_and_what_moved_is_named() {
    let site = Site::new();
    let receipt = site.backup(&Serving(site.path("home"), Mutex::new(()))).unwrap();
    assert_eq!(
        receipt
            .changed_while_read
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["big.war"]
    );
    assert_eq!(
        receipt
            .vanished
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["dbscripts/mysql.sql"]
    );
    site.verify(&receipt).unwrap();
}
