//! What is refused before anything is done.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use cutover_files::beneath::BeneathError;
use cutover_files::tree::TreeError;
use cutover_files::{Cancel, NoProgress};

use crate::homes::Homes;

#[test]
fn a_directory_against_a_file_is_refused_before_anything_is_done() {
    for (old, new) in [("data/x/file", "data/x"), ("data/x", "data/x/file")] {
        let homes = Homes::empty();
        homes.write(&format!("old/{old}"), "old");
        homes.write("old/data/other", "other");
        homes.write(&format!("new/{new}"), "new");
        let error = homes.copy_with("data", &NoProgress, &Cancel::new()).unwrap_err();
        assert!(matches!(error, TreeError::Conflict { .. }), "{error}");
        assert!(!homes.path("new/data/other").exists());
        homes.undo();
        assert_eq!(homes.read(&format!("new/{new}")), "new");
    }
}

#[test]
fn links_are_never_followed_out_of_a_root() {
    let homes = Homes::empty();
    homes.write("outside/secret", "secret");
    homes.write("old/data/sub/file", "x");
    symlink("../outside", homes.path("old/out")).unwrap();
    let error = homes.copy_with("out", &NoProgress, &Cancel::new()).unwrap_err();
    assert!(
        matches!(error, TreeError::Beneath(BeneathError::Escape { .. })),
        "{error}"
    );
    // A directory of the target that is really a link out of it.
    fs::create_dir(homes.path("new/data")).unwrap();
    symlink("../../outside", homes.path("new/data/sub")).unwrap();
    let error = homes.copy_with("data", &NoProgress, &Cancel::new()).unwrap_err();
    assert!(matches!(error, TreeError::Conflict { .. }), "{error}");
    assert!(!homes.path("outside/file").exists());
    // A link in the place of a file is preserved and replaced, not written through.
    fs::remove_file(homes.path("new/data/sub")).unwrap();
    fs::create_dir(homes.path("new/data/sub")).unwrap();
    symlink("../../../outside/secret", homes.path("new/data/sub/file")).unwrap();
    homes.copy_with("data", &NoProgress, &Cancel::new()).unwrap();
    assert_eq!(homes.read("new/data/sub/file"), "x");
    assert_eq!(homes.read("outside/secret"), "secret");
    homes.undo();
    assert_eq!(
        fs::read_link(homes.path("new/data/sub/file")).unwrap(),
        Path::new("../../../outside/secret")
    );
}

#[test]
fn configuration_and_special_files_are_refused() {
    let homes = Homes::empty();
    homes.write("old/repository/conf/carbon.xml", "<Server/>");
    homes.write("old/repository/deployment/a", "a");
    for path in ["repository/conf", "repository", ""] {
        let error = homes.copy_with(path, &NoProgress, &Cancel::new()).unwrap_err();
        assert!(
            matches!(error, TreeError::Configuration { .. }),
            "{path}: {error}"
        );
    }
    let fifo = rustix::fs::mknodat(
        rustix::fs::CWD,
        homes.path("old/repository/deployment/pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    );
    fifo.unwrap();
    let error = homes
        .copy_with("repository/deployment", &NoProgress, &Cancel::new())
        .unwrap_err();
    assert!(matches!(error, TreeError::Special { .. }), "{error}");
    assert!(!homes.path("new/repository").exists());
}

#[test]
fn a_keep_directory_serves_one_copy_only() {
    let homes = Homes::empty();
    homes.write("old/a/file", "x");
    homes.write("old/b/file", "x");
    homes.copy_with("a", &NoProgress, &Cancel::new()).unwrap();
    let error = homes.copy_with("b", &NoProgress, &Cancel::new()).unwrap_err();
    assert!(matches!(error, TreeError::OtherCopy { .. }), "{error}");
}
