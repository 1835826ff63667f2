//! Copies that leave what the target has.

use std::fs;
use std::os::unix::fs::symlink;

use cutover_files::NoProgress;
use cutover_files::tree::TreeError;

use crate::homes::{Homes, names};

const SERVER: &str = "repository/deployment/server";

#[test]
fn file_when_shipped_with_other_content_then_it_stays_and_is_reported() {
    let homes = Homes::filled();
    let before = homes.manifest("new");
    let version = format!("new/{SERVER}/axis2services/Version.aar");
    for time in ["first", "again"] {
        let report = homes.copy_beside(&[], &NoProgress).unwrap();
        assert_eq!(names(&report.kept), ["Version.aar"], "{time}");
        assert_eq!((report.files, report.overwritten.len()), (5, 0), "{time}");
        assert_eq!(names(&report.kept_own), ["Own.aar"]);
        assert_eq!(homes.read(&version), "version 3.2.0");
        assert_eq!(
            homes.read(&format!("new/{SERVER}/axis2services/Order.aar")),
            "order"
        );
    }
    homes.undo();
    assert_eq!(homes.manifest("new"), before);
}

#[test]
fn file_when_a_pattern_matches_then_it_is_replaced_and_comes_back() {
    let homes = Homes::filled();
    homes.write(&format!("new/{SERVER}/empty"), "not empty");
    let before = homes.manifest("new");
    let report = homes
        .copy_beside(&["repository/deployment/server/*services/*.aar"], &NoProgress)
        .unwrap();
    assert_eq!(
        (names(&report.kept), names(&report.overwritten)),
        (vec!["empty".to_owned()], vec!["Version.aar".to_owned()])
    );
    assert_eq!(
        homes.read(&format!("new/{SERVER}/axis2services/Version.aar")),
        "version 3.0.1"
    );
    let again = homes
        .copy_beside(&["repository/deployment/server/*services/*.aar"], &NoProgress)
        .unwrap();
    assert_eq!((again.kept, again.overwritten), (report.kept, report.overwritten));
    homes.undo();
    assert_eq!(homes.manifest("new"), before);
}

#[test]
fn what_this_copy_made_is_followed_and_not_taken_for_shipped() {
    let homes = Homes::filled();
    homes.copy_beside(&[], &NoProgress).unwrap();
    homes.write(
        &format!("old/{SERVER}/axis2services/Order.aar"),
        "order, second edition",
    );
    let report = homes.copy_beside(&[], &NoProgress).unwrap();
    assert_eq!(names(&report.kept), ["Version.aar"]);
    assert_eq!(
        homes.read(&format!("new/{SERVER}/axis2services/Order.aar")),
        "order, second edition"
    );
}

#[test]
fn links_and_kinds_that_differ_stay_and_are_reported() {
    let homes = Homes::filled();
    fs::create_dir_all(homes.path(&format!("new/{SERVER}/webapps"))).unwrap();
    symlink("elsewhere", homes.path(&format!("new/{SERVER}/webapps/link"))).unwrap();
    symlink(
        "/etc/passwd",
        homes.path(&format!("new/{SERVER}/webapps/outward")),
    )
    .unwrap();
    symlink("empty-of-ours", homes.path(&format!("new/{SERVER}/empty"))).unwrap();
    let before = homes.manifest("new");
    let report = homes.copy_beside(&[], &NoProgress).unwrap();
    assert_eq!(names(&report.kept), ["Version.aar", "empty", "link"]);
    assert_eq!(report.links, 1);
    homes.undo();
    assert_eq!(homes.manifest("new"), before);
}

#[test]
fn pattern_when_malformed_then_refused() {
    let homes = Homes::filled();
    let error = homes.copy_beside(&["../x"], &NoProgress).unwrap_err();
    assert!(matches!(error, TreeError::Pattern { .. }), "{error}");
}
