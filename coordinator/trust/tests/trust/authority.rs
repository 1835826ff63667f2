//! The authority's files.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use cutover_trust::{CA_LIFE, Ca, CaError};
use tempfile::TempDir;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn created() -> (TempDir, Ca) {
    let dir = TempDir::new().unwrap();
    let ca = Ca::create(dir.path(), SystemTime::now()).unwrap();
    (dir, ca)
}

#[test]
fn ca_when_created_then_loads_the_same() {
    let (dir, ca) = created();
    let loaded = Ca::load(dir.path()).unwrap();
    assert_eq!(loaded.cert_pem(), ca.cert_pem());
    assert_eq!(loaded.not_after(), ca.not_after());
    let life = ca.not_after().duration_since(SystemTime::now()).unwrap();
    assert!(life > CA_LIFE - Duration::from_secs(60) && life <= CA_LIFE);
}

#[test]
fn ca_files_have_tight_modes_and_nothing_else_is_left() {
    let parent = TempDir::new().unwrap();
    let dir = parent.path().join("trust/ca");
    Ca::create(&dir, SystemTime::now()).unwrap();
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join("ca.key")), 0o600);
    assert_eq!(mode(&dir.join("ca.pem")), 0o644);
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
}

#[test]
fn ca_when_there_then_never_overwritten() {
    let (dir, ca) = created();
    let key = fs::read(dir.path().join("ca.key")).unwrap();
    assert!(matches!(
        Ca::create(dir.path(), SystemTime::now()),
        Err(CaError::Exists { .. })
    ));
    assert_eq!(fs::read(dir.path().join("ca.key")).unwrap(), key);
    assert_eq!(
        Ca::load_or_create(dir.path(), SystemTime::now())
            .unwrap()
            .cert_pem(),
        ca.cert_pem()
    );
}

#[test]
fn creation_cut_short_after_the_key_is_finished_with_that_key() {
    let (dir, _) = created();
    let key = fs::read(dir.path().join("ca.key")).unwrap();
    fs::remove_file(dir.path().join("ca.pem")).unwrap();
    // And one that was killed while it wrote the certificate.
    fs::write(dir.path().join("ca.new"), "half").unwrap();
    assert!(matches!(Ca::load(dir.path()), Err(CaError::Missing { .. })));
    let ca = Ca::load_or_create(dir.path(), SystemTime::now()).unwrap();
    assert_eq!(fs::read(dir.path().join("ca.key")).unwrap(), key);
    assert_eq!(Ca::load(dir.path()).unwrap().cert_pem(), ca.cert_pem());
}

#[test]
fn certificate_without_its_key_is_an_error_not_a_new_ca() {
    let (dir, _) = created();
    fs::remove_file(dir.path().join("ca.key")).unwrap();
    let refused = Ca::load_or_create(dir.path(), SystemTime::now());
    assert!(matches!(refused, Err(CaError::Missing { path }) if path.ends_with("ca.key")));
}

#[test]
fn dangling_link_in_place_of_the_key_is_not_written_through() {
    let dir = TempDir::new().unwrap();
    let elsewhere = dir.path().join("elsewhere");
    symlink(&elsewhere, dir.path().join("ca.key")).unwrap();
    assert!(matches!(
        Ca::create(dir.path(), SystemTime::now()),
        Err(CaError::Exists { .. })
    ));
    assert!(!elsewhere.exists());
}

#[test]
fn key_open_to_others_is_refused() {
    let (dir, _) = created();
    let path = dir.path().join("ca.key");
    for open in [0o640, 0o604, 0o660] {
        fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
        let refused = Ca::load(dir.path());
        assert!(matches!(refused, Err(CaError::KeyExposed { mode, .. }) if mode == open));
    }
}

#[test]
fn files_of_two_cas_do_not_load_together() {
    let ((one, _), (two, _)) = (created(), created());
    fs::copy(two.path().join("ca.pem"), one.path().join("ca.pem")).unwrap();
    assert!(matches!(Ca::load(one.path()), Err(CaError::Mismatch { .. })));
}

#[test]
fn certificate_that_is_no_ca_is_refused() {
    let (dir, ca) = created();
    let leaf = ca
        .issue_operator("alice", SystemTime::now(), Duration::from_secs(60))
        .unwrap();
    fs::write(dir.path().join("ca.pem"), leaf.cert.cert_pem).unwrap();
    assert!(matches!(Ca::load(dir.path()), Err(CaError::Certificate { .. })));
}

#[test]
fn damaged_key_is_refused_without_quoting_it() {
    let (dir, _) = created();
    fs::write(
        dir.path().join("ca.key"),
        "-----BEGIN PRIVATE KEY-----\nhunter2\n",
    )
    .unwrap();
    let error = Ca::load(dir.path()).unwrap_err();
    assert!(matches!(error, CaError::Key { .. }));
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn debug_of_the_ca_shows_no_key() {
    let (_dir, ca) = created();
    let shown = format!("{ca:?}");
    assert!(shown.starts_with("Ca {") && !shown.contains("PRIVATE") && shown.len() < 200);
}
