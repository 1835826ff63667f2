//! Copying trees: content, marks, merging, carrying single files.

#![expect(
    clippy::unwrap_used,
    reason = "what fails in the set-up of a test fails the test"
)]

mod again;
mod any_tree;
mod homes;
mod protect;
mod refuse;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};

use cutover_files::carry::{CarryRequest, carry};
use cutover_files::tree::{TreeError, UndoReport, compare, tree_hash};
use cutover_files::{Cancel, Kind, NoProgress};

use crate::homes::{Homes, names};

#[test]
fn copy_then_content_and_marks_are_the_sources() {
    let homes = Homes::filled();
    let report = homes.copy().unwrap();
    let (old, new) = (
        homes.manifest("old/repository/deployment"),
        homes.manifest("new/repository/deployment"),
    );
    for entry in &old {
        let landed = new
            .iter()
            .find(|landed| landed.path == entry.path)
            .unwrap_or_else(|| panic!("{entry:?}"));
        assert!(entry.same_content(landed), "{entry:?} {landed:?}");
        // Directories both had keep the new home's time; `Echo.aar`, equal in both, is the new home's own.
        let own = entry.kind == Kind::Dir && !entry.path.as_path().ends_with("emptydir");
        if !own && !entry.path.as_path().ends_with("Echo.aar") {
            assert_eq!(entry, landed);
        }
    }
    assert_eq!((report.files, report.links, report.dirs), (6, 2, 5));
    assert_eq!(report.reused, 1);
    assert_eq!(names(&report.overwritten), ["Version.aar"]);
    assert_eq!(names(&report.kept_own), ["Own.aar"]);
    assert_eq!(report.bytes_copied, report.bytes - "echo".len() as u64);
    let hash = tree_hash(
        &homes.root("old"),
        "repository/deployment/server",
        None,
        &NoProgress,
        &Cancel::new(),
    );
    assert_eq!(report.tree_hash, hash.unwrap());
    let difference = compare(&old, &new);
    assert!(difference.contains_all() && !difference.is_equal());
    assert_eq!(names(&difference.extra), ["Own.aar"]);
}

#[test]
fn undo_then_the_target_is_as_it_was_to_the_inode() {
    let homes = Homes::filled();
    let version = homes.path("new/repository/deployment/server/axis2services/Version.aar");
    let (before, inode) = (homes.manifest("new"), fs::metadata(&version).unwrap().ino());
    homes.copy().unwrap();
    assert_ne!(homes.manifest("new"), before);
    let report = homes.undo();
    assert_eq!(homes.manifest("new"), before);
    assert_eq!(fs::metadata(&version).unwrap().ino(), inode);
    assert_eq!(
        (report.restored, report.set_aside.len(), report.dirs_left.len()),
        (1, 0, 0)
    );
    assert_eq!(homes.undo(), UndoReport::default());
    assert_eq!(homes.manifest("new"), before);
    // After an undo the same keep directory serves again.
    homes.copy().unwrap();
    homes.undo();
    assert_eq!(homes.manifest("new"), before);
}

#[test]
fn copy_into_nothing_makes_the_way_and_undo_removes_it() {
    let homes = Homes::empty();
    homes.write("old/repository/tenants/1/webapps/a.war", "a");
    homes.mode("old/repository/tenants", 0o710);
    let before = fs::metadata(homes.path("new")).unwrap();
    homes
        .copy_with("repository/tenants", &NoProgress, &Cancel::new())
        .unwrap();
    assert_eq!(homes.read("new/repository/tenants/1/webapps/a.war"), "a");
    assert_eq!(
        fs::metadata(homes.path("new/repository/tenants")).unwrap().mode() & 0o777,
        0o710
    );
    homes.undo();
    assert!(!homes.path("new/repository").exists());
    assert_eq!(
        fs::metadata(homes.path("new")).unwrap().modified().unwrap(),
        before.modified().unwrap()
    );
}

#[test]
fn any_name_is_copied() {
    let homes = Homes::empty();
    let dir = homes.path("old/data");
    fs::create_dir(&dir).unwrap();
    let names: [&[u8]; 5] = [
        b"with space",
        b"with\nnewline",
        b"latin1 \xe9\xff",
        "žluť".as_bytes(),
        b"-rf \"'`$(x)",
    ];
    for name in names {
        fs::write(dir.join(OsStr::from_bytes(name)), name).unwrap();
        let mut link = name.to_vec();
        link.extend_from_slice(b".link");
        symlink(OsStr::from_bytes(name), dir.join(OsStr::from_bytes(&link))).unwrap();
    }
    homes.copy_with("data", &NoProgress, &Cancel::new()).unwrap();
    assert_eq!(homes.manifest("old"), homes.manifest("new"));
    homes.undo();
    assert!(homes.manifest("new").is_empty());
}

#[test]
fn owners_and_extended_attributes_are_kept() {
    let homes = Homes::empty();
    homes.write("old/data/file", "x");
    let file = fs::File::open(homes.path("old/data/file")).unwrap();
    let taken = rustix::fs::fsetxattr(&file, "user.cutover", b"value", rustix::fs::XattrFlags::empty());
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(homes.path("old/data/file"), Some(1234), Some(4321)).unwrap();
        std::os::unix::fs::chown(homes.path("old/data"), Some(1234), Some(4321)).unwrap();
    }
    homes.mode("old/data/file", 0o6751);
    homes.copy_with("data", &NoProgress, &Cancel::new()).unwrap();
    assert_eq!(homes.manifest("old"), homes.manifest("new"));
    if taken.is_ok() {
        let file = fs::File::open(homes.path("new/data/file")).unwrap();
        let mut value = [0; 16];
        let length = rustix::fs::fgetxattr(&file, "user.cutover", &mut value[..]).unwrap();
        assert_eq!(&value[..length], b"value");
    }
}

#[test]
fn carry_takes_the_files_that_match_and_undoes_them() {
    let homes = Homes::empty();
    homes.write("old/repository/components/lib/mysql.jar", "driver");
    homes.write("old/repository/components/lib/readme.txt", "no");
    homes.write(
        "old/repository/resources/security/wso2carbon.jks",
        "the site's key",
    );
    homes.write(
        "new/repository/resources/security/wso2carbon.jks",
        "the shipped key",
    );
    homes.write("new/repository/logs/a.jar", "log");
    let before = homes.manifest("new");
    let patterns: Vec<String> = [
        "repository/components/lib/*.jar",
        "repository/resources/security/*.jks",
        "none/*.so",
    ]
    .map(str::to_owned)
    .to_vec();
    let run = |patterns: &[String]| {
        carry(&CarryRequest {
            from: &homes.root("old"),
            to: &homes.root("new"),
            patterns,
            keep: &homes.root("keep"),
            workers: None,
            progress: &NoProgress,
            cancel: &Cancel::new(),
        })
    };
    let report = run(&patterns).unwrap();
    assert_eq!(report.unmatched, ["none/*.so"]);
    assert_eq!(
        (report.copy.files, names(&report.copy.overwritten)),
        (2, vec!["wso2carbon.jks".to_owned()])
    );
    assert_eq!(homes.read("new/repository/components/lib/mysql.jar"), "driver");
    assert_eq!(
        homes.read("new/repository/resources/security/wso2carbon.jks"),
        "the site's key"
    );
    assert!(!homes.path("new/repository/components/lib/readme.txt").exists());
    homes.undo();
    assert_eq!(homes.manifest("new"), before);

    homes.write("old/repository/conf/user-mgt.xml", "<UserManager/>");
    let error = run(&["repository/**/*.xml".to_owned()]).unwrap_err();
    assert!(matches!(error, TreeError::Configuration { .. }), "{error}");
    assert!(matches!(
        run(&["../x".to_owned()]).unwrap_err(),
        TreeError::Pattern { .. }
    ));
}
