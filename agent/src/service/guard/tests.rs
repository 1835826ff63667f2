use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;

use super::*;

const ORIGINAL: &str = "#!/bin/sh\necho started\n";

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("bin")).unwrap();
    fs::write(script(home.path()), ORIGINAL).unwrap();
    fs::set_permissions(script(home.path()), fs::Permissions::from_mode(0o755)).unwrap();
    home
}

fn is_original(home: &Path) -> bool {
    fs::read_to_string(script(home)).is_ok_and(|text| text == ORIGINAL)
        && fs::metadata(script(home)).unwrap().mode() & 0o777 == 0o755
}

fn next_script(home: &Path) -> PathBuf {
    home.join("bin").join(NEXT)
}

fn leftovers(home: &Path) -> usize {
    fs::read_dir(home.join("bin")).unwrap().count() - 1
}

#[test]
fn guard_when_installed_then_the_script_refuses_and_says_why() {
    let home = home();
    let message = "held by run 7: it's an upgrade; $(touch /tmp/x) `id` \"\n'; exit 0; '";
    assert_eq!(install(home.path(), message).unwrap(), GuardState::Guarded);
    let run = Command::new("/bin/sh")
        .arg(script(home.path()))
        .arg("start")
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(1));
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(
        said.contains("held by run 7") && said.contains("$(touch"),
        "{said}"
    );
    assert_eq!(install(home.path(), "again").unwrap(), GuardState::Guarded);
    remove(home.path()).unwrap();
    assert!(is_original(home.path()));
    assert_eq!(leftovers(home.path()), 0);
    remove(home.path()).unwrap();
    assert!(is_original(home.path()));
}

#[test]
fn guard_when_the_agent_died_after_each_step_then_install_and_remove_still_work() {
    // The states that the steps of `install` leave behind, made by hand.
    let linked = |home: &Path| fs::hard_link(script(home), held_script(home)).unwrap();
    let half_written = |home: &Path| {
        linked(home);
        fs::write(next_script(home), "#!/bin/sh\n# cut").unwrap();
    };
    let half_copied =
        |home: &Path| fs::write(held_script(home).with_extension("cutover-copy"), "#!").unwrap();
    for (name, before) in [
        ("linked", &linked as &dyn Fn(&Path)),
        ("half written", &half_written),
        ("half copied", &half_copied),
    ] {
        let first = home();
        before(first.path());
        assert!(
            is_original(first.path()),
            "{name}: the original is in place until the guard is"
        );
        assert_eq!(install(first.path(), "m").unwrap(), GuardState::Guarded, "{name}");
        remove(first.path()).unwrap();
        assert!(is_original(first.path()), "{name}");
        let second = home();
        before(second.path());
        remove(second.path()).unwrap();
        assert!(is_original(second.path()), "{name}");
        assert!(!next_script(second.path()).exists(), "{name}");
    }
}

#[test]
fn guard_when_someone_put_a_script_over_it_then_the_newer_one_comes_back() {
    let home = home();
    install(home.path(), "m").unwrap();
    fs::remove_file(script(home.path())).unwrap();
    fs::write(script(home.path()), "#!/bin/sh\necho newer\n").unwrap();
    assert_eq!(state(home.path()).unwrap(), GuardState::Open);
    assert_eq!(install(home.path(), "m").unwrap(), GuardState::Guarded);
    remove(home.path()).unwrap();
    assert!(fs::read_to_string(script(home.path())).unwrap().contains("newer"));
}

#[test]
fn guard_when_a_hand_removed_a_file_then_nothing_is_lost() {
    let home = home();
    install(home.path(), "m").unwrap();
    fs::remove_file(script(home.path())).unwrap();
    assert_eq!(install(home.path(), "m").unwrap(), GuardState::Guarded);
    fs::remove_file(script(home.path())).unwrap();
    remove(home.path()).unwrap();
    assert!(is_original(home.path()));
    install(home.path(), "m").unwrap();
    fs::remove_file(held_script(home.path())).unwrap();
    assert_eq!(state(home.path()).unwrap(), GuardState::OriginalMissing);
    assert!(remove(home.path()).is_err());
}

#[test]
fn guard_when_there_is_no_script_then_said_so() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(install(home.path(), "m").unwrap(), GuardState::NoScript);
    remove(home.path()).unwrap();
}

#[test]
fn guard_when_bin_leads_out_of_the_home_then_refused_and_nothing_changed() {
    let (home, elsewhere) = (tempfile::tempdir().unwrap(), home());
    symlink(elsewhere.path().join("bin"), home.path().join("bin")).unwrap();
    for error in [
        install(home.path(), "m").unwrap_err(),
        state(home.path()).unwrap_err(),
        remove(home.path()).unwrap_err(),
    ] {
        assert!(error.to_string().contains("symbolic link"), "{error}");
    }
    assert!(is_original(elsewhere.path()));
    assert_eq!(leftovers(elsewhere.path()), 0);
}

#[test]
fn guard_when_the_script_leads_out_of_the_home_then_refused_and_nothing_changed() {
    let (home, elsewhere) = (home(), home());
    fs::remove_file(script(home.path())).unwrap();
    symlink(script(elsewhere.path()), script(home.path())).unwrap();
    assert!(install(home.path(), "m").is_err());
    assert!(state(home.path()).is_err());
    assert!(script(home.path()).is_symlink());
    assert_eq!((leftovers(home.path()), leftovers(elsewhere.path())), (0, 0));
    // The same with the original put aside: its mode and owner are not those of a file elsewhere.
    fs::remove_file(script(home.path())).unwrap();
    symlink(script(elsewhere.path()), held_script(home.path())).unwrap();
    assert!(install(home.path(), "m").is_err());
    assert!(is_original(elsewhere.path()));
}

#[test]
fn guard_when_the_script_is_a_link_inside_the_home_then_the_link_comes_back() {
    let home = home();
    fs::create_dir(home.path().join("scripts")).unwrap();
    let real = home.path().join("scripts/server.sh");
    fs::rename(script(home.path()), &real).unwrap();
    symlink("../scripts/server.sh", script(home.path())).unwrap();
    assert_eq!(install(home.path(), "m").unwrap(), GuardState::Guarded);
    assert!(!script(home.path()).is_symlink());
    assert_eq!(fs::read_to_string(&real).unwrap(), ORIGINAL);
    remove(home.path()).unwrap();
    assert!(script(home.path()).is_symlink() && is_original(home.path()));
}
