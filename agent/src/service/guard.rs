//! The guard: a script of ours in the place of `bin/wso2server.sh`, so that nothing that starts the server by its
//! script (systemd, cron, monit, a person) brings a held one back.
//!
//! The server's own script stays beside it as `wso2server.sh.cutover-held`. At every instant
//! `wso2server.sh` is one of the two, whole: the original gets its second name first, then the guard is renamed
//! over it; a release renames the original back over the guard. Every function can be run again after a crash.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use cutover_proto::crash;

use crate::durable;

/// What every guard begins with, after the line that names the shell.
const MARK: &str = "# cutover-hold v1";

/// What stands where the start script belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardState {
    /// The server's own script: it can be started.
    Open,
    /// Our guard, and the original beside it.
    Guarded,
    /// Our guard, and no original: someone removed it.
    OriginalMissing,
    /// No script at all.
    NoScript,
}

/// The start script of a home.
#[must_use]
pub fn script(home: &Path) -> PathBuf {
    home.join("bin/wso2server.sh")
}

/// Where the original stands while the guard is in its place.
#[must_use]
pub fn held_script(home: &Path) -> PathBuf {
    home.join("bin/wso2server.sh.cutover-held")
}

fn next_script(home: &Path) -> PathBuf {
    home.join("bin/.wso2server.sh.cutover-next")
}

/// What stands there now.
///
/// # Errors
/// When it can't be read.
pub fn state(home: &Path) -> io::Result<GuardState> {
    let held = exists(&held_script(home))?;
    Ok(match is_guard(&script(home))? {
        Some(true) if held => GuardState::Guarded,
        Some(true) => GuardState::OriginalMissing,
        Some(false) => GuardState::Open,
        // Only a hand can have made this state; the original is what is left.
        None if held => GuardState::Open,
        None => GuardState::NoScript,
    })
}

/// Puts the guard in place. Returns what stands there afterwards: a home without a script can't be guarded.
///
/// # Errors
/// When a file can't be written; the original is then still there under one of its names.
pub fn install(home: &Path, message: &str) -> io::Result<GuardState> {
    let (script, held) = (script(home), held_script(home));
    match is_guard(&script)? {
        Some(true) => return state(home),
        None if !exists(&held)? => return Ok(GuardState::NoScript),
        // The script in place is the newer one: it is what must come back.
        Some(false) => second_name(&script, &held)?,
        None => {}
    }
    crash::point("guard-linked", "hold");
    let next = next_script(home);
    durable::remove(&next)?;
    write_like(&next, text(message).as_bytes(), &held)?;
    fs::rename(&next, &script)?;
    durable::sync_folder_of(&script)?;
    crash::point("guard-placed", "hold");
    state(home)
}

/// Takes the guard away. Without one nothing is changed.
///
/// # Errors
/// When the original is missing or can't be put back.
pub fn remove(home: &Path) -> io::Result<()> {
    let (script, held) = (script(home), held_script(home));
    durable::remove(&next_script(home))?;
    match state(home)? {
        GuardState::Guarded => {
            fs::rename(&held, &script)?;
            durable::sync_folder_of(&script)
        }
        GuardState::OriginalMissing => Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the server's own start script, kept as `wso2server.sh.cutover-held`, is gone; put it back from a backup",
        )),
        GuardState::Open if is_guard(&script)?.is_none() => {
            fs::rename(&held, &script)?;
            durable::sync_folder_of(&script)
        }
        // A crash between the two steps of `install` leaves a second name of the script in place.
        GuardState::Open if same_file(&script, &held) => durable::remove(&held),
        GuardState::Open | GuardState::NoScript => Ok(()),
    }
}

/// Whether the script is a guard; `None` when there is none.
fn is_guard(script: &Path) -> io::Result<Option<bool>> {
    let mut file = match fs::File::open(script) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut head = [0; 64];
    let mut length = 0;
    while length < head.len() {
        match file.read(&mut head[length..])? {
            0 => break,
            read => length += read,
        }
    }
    let second = head[..length].split(|&byte| byte == b'\n').nth(1);
    Ok(Some(second == Some(MARK.as_bytes())))
}

fn exists(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    match (one.symlink_metadata(), other.symlink_metadata()) {
        (Ok(one), Ok(other)) => one.dev() == other.dev() && one.ino() == other.ino(),
        (Err(_), _) | (_, Err(_)) => false,
    }
}

fn second_name(script: &Path, held: &Path) -> io::Result<()> {
    if same_file(script, held) {
        return Ok(());
    }
    durable::remove(held)?;
    match fs::hard_link(script, held) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        // Some file systems have no hard links: then a copy, with the same rights, under a name of its own first.
        Err(_) => {
            let next = held.with_extension("cutover-copy");
            durable::remove(&next)?;
            write_like(&next, &fs::read(script)?, script)?;
            fs::rename(&next, held)?;
        }
    }
    durable::sync_folder_of(held)
}

/// A new file with the mode and owner of another.
fn write_like(path: &Path, content: &[u8], like: &Path) -> io::Result<()> {
    let meta = fs::metadata(like)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)?;
    let owner = file.metadata()?;
    if (owner.uid(), owner.gid()) != (meta.uid(), meta.gid()) {
        std::os::unix::fs::fchown(&file, Some(meta.uid()), Some(meta.gid()))?;
    }
    file.set_permissions(fs::Permissions::from_mode(meta.mode() & 0o7777))?;
    file.sync_all()
}

/// The guard's text. Nothing in the message can leave its quotes.
fn text(message: &str) -> String {
    let message: String = message
        .chars()
        .map(|c| if c.is_control() || c == '\'' { ' ' } else { c })
        .collect();
    format!(
        "#!/bin/sh\n{MARK}\n# The server's own script is beside this one: wso2server.sh.cutover-held.\n\
         # Do not move it by hand; release the hold with `cutover`.\nprintf '%s\\n' '{message}' >&2\nexit 1\n"
    )
}

#[cfg(test)]
mod tests {
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

    fn leftovers(home: &Path) -> usize {
        fs::read_dir(home.join("bin")).unwrap().count() - 1
    }

    #[test]
    fn guard_when_installed_then_the_script_refuses_and_says_why() {
        let home = home();
        let message = "held by run 7: it's an upgrade; $(touch /tmp/x) `id` \"\n'; exit 0; '";
        assert_eq!(install(home.path(), message).unwrap(), GuardState::Guarded);
        let run = Command::new(script(home.path())).arg("start").output().unwrap();
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
            assert!(!exists(&next_script(second.path())).unwrap(), "{name}");
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
}
