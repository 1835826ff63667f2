//! Copies that are repeated, disturbed, stopped and resumed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use cutover_files::tree::{TreeError, compare};
use cutover_files::{Cancel, Kind, NoProgress, Progress};

use crate::homes::{Homes, names};

#[test]
fn repeating_reuses_and_follows_the_source() {
    let homes = Homes::filled();
    let before = homes.manifest("new");
    homes.copy().unwrap();
    let again = homes.copy().unwrap();
    assert_eq!((again.reused, again.bytes_copied), (again.files, 0));
    assert_eq!(names(&again.overwritten), ["Version.aar"]);

    let server = "repository/deployment/server";
    homes.write(
        &format!("old/{server}/axis2services/Order.aar"),
        "order, second edition",
    );
    homes.write(&format!("old/{server}/axis2services/New.aar"), "new");
    fs::remove_dir_all(homes.path(&format!("old/{server}/webapps/shop"))).unwrap();
    fs::remove_file(homes.path(&format!("old/{server}/axis2services/Version.aar"))).unwrap();
    let third = homes.copy().unwrap();
    assert_eq!(
        homes.read(&format!("new/{server}/axis2services/Order.aar")),
        "order, second edition"
    );
    assert!(!homes.path(&format!("new/{server}/webapps/shop")).exists());
    assert_eq!(
        homes.read(&format!("new/{server}/axis2services/Version.aar")),
        "version 3.2.0"
    );
    assert_eq!(
        names(&third.withdrawn),
        ["Version.aar", "web.xml", "run.sh"].map(str::to_owned)
    );
    assert!(third.overwritten.is_empty());
    homes.undo();
    assert_eq!(homes.manifest("new"), before);
}

#[test]
fn what_somebody_changed_meanwhile_is_set_aside_not_lost() {
    let homes = Homes::filled();
    let server = "new/repository/deployment/server";
    homes.copy().unwrap();
    homes.write(
        &format!("{server}/axis2services/Version.aar"),
        "edited on the new home",
    );
    homes.write(&format!("{server}/axis2services/Order.aar"), "edited too");
    homes.write(&format!("{server}/webapps/shop/made-by-the-server"), "x");
    let report = homes.undo();
    assert_eq!(names(&report.set_aside), ["Order.aar", "Version.aar"]);
    assert_eq!(names(&report.dirs_left), ["shop", "webapps"]);
    assert_eq!(
        homes.read(&format!("{server}/axis2services/Version.aar")),
        "version 3.2.0"
    );
    assert!(!homes.path(&format!("{server}/axis2services/Order.aar")).exists());
    let mut aside: Vec<String> = fs::read_dir(homes.path("keep/aside"))
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    aside.sort();
    assert_eq!(aside, ["edited on the new home", "edited too"]);
}

#[test]
fn undo_when_somebody_removed_the_directory_of_an_original_then_it_is_made_again() {
    let homes = Homes::filled();
    homes.copy().unwrap();
    fs::remove_dir_all(homes.path("new/repository/deployment")).unwrap();
    let report = homes.undo();
    assert_eq!(report.restored, 1);
    let server = "new/repository/deployment/server";
    assert_eq!(
        homes.read(&format!("{server}/axis2services/Version.aar")),
        "version 3.2.0"
    );
    for dir in [
        "new/repository/deployment",
        server,
        &format!("{server}/axis2services"),
    ] {
        let mode = fs::metadata(homes.path(dir)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755, "{dir}");
    }
    assert!(!homes.path(&format!("{server}/webapps")).exists());
    assert_eq!(homes.undo().restored, 0);
}

#[test]
fn repeating_after_somebody_changed_the_target_keeps_both_versions() {
    let homes = Homes::filled();
    let before = homes.manifest("new");
    homes.copy().unwrap();
    let server = "new/repository/deployment/server";
    homes.write(
        &format!("{server}/axis2services/Version.aar"),
        "edited over an original",
    );
    homes.write(
        &format!("{server}/axis2services/Order.aar"),
        "edited over nothing",
    );
    let report = homes.copy().unwrap();
    assert_eq!(names(&report.set_aside), ["Version.aar"]);
    assert_eq!(
        homes.read(&format!("{server}/axis2services/Version.aar")),
        "version 3.0.1"
    );
    homes.undo();
    // What stood where nothing had been is treated as the target's own from then on.
    assert_eq!(
        homes.read(&format!("{server}/axis2services/Order.aar")),
        "edited over nothing"
    );
    fs::remove_file(homes.path(&format!("{server}/axis2services/Order.aar"))).unwrap();
    let after = homes.manifest("new");
    assert!(compare(&before, &after).is_equal());
}

/// Changes the source, or stops the copy, when the copy has got so far.
#[derive(Debug)]
struct Disturb {
    calls: AtomicU64,
    at: u64,
    grow: Option<PathBuf>,
    cancel: Cancel,
}

impl Progress for Disturb {
    fn total(&self, _files: u64, _bytes: u64) {}

    fn add(&self, _files: u64, bytes: u64) {
        if bytes == 0 || self.calls.fetch_add(1, Ordering::Relaxed) + 1 != self.at {
            return;
        }
        match &self.grow {
            Some(path) => {
                let mut file = fs::File::options().append(true).open(path).unwrap();
                std::io::Write::write_all(&mut file, b"more").unwrap();
            }
            None => self.cancel.cancel(),
        }
    }
}

#[test]
fn a_source_that_changes_meanwhile_is_named() {
    let homes = Homes::empty();
    homes.write("old/data/log", &"line\n".repeat(1_000_000));
    let grow = Some(homes.path("old/data/log"));
    let disturb = Disturb {
        calls: AtomicU64::new(0),
        at: 3,
        grow,
        cancel: Cancel::new(),
    };
    let error = homes.copy_with("data", &disturb, &disturb.cancel).unwrap_err();
    assert!(matches!(error, TreeError::SourceChanged { .. }), "{error}");
    assert!(error.to_string().contains("old/data/log"), "{error}");
    assert!(!homes.path("new/data/log").exists());
    homes.copy_with("data", &NoProgress, &Cancel::new()).unwrap();
    assert_eq!(homes.manifest("old"), homes.manifest("new"));
}

#[test]
fn a_cancelled_copy_lands_nothing_and_resumes_where_it_stopped() {
    let homes = Homes::empty();
    for index in 0..400 {
        homes.write(
            &format!("old/data/{}/{index}", index % 7),
            &format!("content {index}"),
        );
    }
    let cancel = Cancel::new();
    let disturb = Disturb {
        calls: AtomicU64::new(0),
        at: 200,
        grow: None,
        cancel: cancel.clone(),
    };
    assert!(matches!(
        homes.copy_with("data", &disturb, &cancel).unwrap_err(),
        TreeError::Cancelled(_)
    ));
    assert!(homes.manifest("new").iter().all(|entry| entry.kind == Kind::Dir));
    let report = homes.copy_with("data", &NoProgress, &Cancel::new()).unwrap();
    assert!(report.reused >= 190 && report.reused < 400, "{}", report.reused);
    assert_eq!(homes.manifest("old"), homes.manifest("new"));
    assert_eq!(fs::read_dir(homes.path("keep/stage")).unwrap().count(), 0);
}

#[test]
fn a_staged_file_that_was_damaged_is_not_reused() {
    let homes = Homes::empty();
    for index in 0..100 {
        homes.write(&format!("old/data/{index}"), "the same length");
    }
    let cancel = Cancel::new();
    let disturb = Disturb {
        calls: AtomicU64::new(0),
        at: 60,
        grow: None,
        cancel: cancel.clone(),
    };
    homes.copy_with("data", &disturb, &cancel).unwrap_err();
    for shard in fs::read_dir(homes.path("keep/stage")).unwrap() {
        for staged in fs::read_dir(shard.unwrap().path()).unwrap() {
            let path = staged.unwrap().path();
            let time = fs::metadata(&path).unwrap().modified().unwrap();
            fs::write(&path, "THE SAME LENGTH").unwrap();
            fs::File::options()
                .append(true)
                .open(&path)
                .unwrap()
                .set_modified(time)
                .unwrap();
        }
    }
    let report = homes.copy_with("data", &NoProgress, &Cancel::new()).unwrap();
    assert_eq!(report.reused, 0);
    assert_eq!(homes.manifest("old"), homes.manifest("new"));
}
