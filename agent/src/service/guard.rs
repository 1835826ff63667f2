//! The guard: a script of ours in the place of `bin/wso2server.sh`, so that nothing that starts the server by its
//! script (systemd, cron, monit, a person) brings a held one back.
//!
//! The server's own script stays beside it as `wso2server.sh.cutover-held`. At every instant
//! `wso2server.sh` is one of the two, whole: the original gets its second name first, then the guard is renamed
//! over it; a release renames the original back over the guard. Every function can be run again after a crash.

mod bin;

use std::io;
use std::path::{Path, PathBuf};

use cutover_proto::crash;

use bin::{Bin, HELD, NEXT, SCRIPT};

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
    home.join("bin").join(SCRIPT)
}

/// Where the original stands while the guard is in its place.
#[must_use]
pub fn held_script(home: &Path) -> PathBuf {
    home.join("bin").join(HELD)
}

/// What stands there now.
///
/// # Errors
/// When it can't be read, or a link leads out of the home.
pub fn state(home: &Path) -> io::Result<GuardState> {
    Bin::open(home)?.map_or(Ok(GuardState::NoScript), |bin| state_in(&bin))
}

fn state_in(bin: &Bin) -> io::Result<GuardState> {
    let held = bin.exists(HELD)?;
    Ok(match is_guard(bin)? {
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
/// When a file can't be written, or a link leads out of the home; the original is then still there under one of its
/// names.
pub fn install(home: &Path, message: &str) -> io::Result<GuardState> {
    let Some(bin) = Bin::open(home)? else {
        return Ok(GuardState::NoScript);
    };
    match is_guard(&bin)? {
        Some(true) => return state_in(&bin),
        None if !bin.exists(HELD)? => return Ok(GuardState::NoScript),
        // The script in place is the newer one: it is what must come back.
        Some(false) => bin.second_name()?,
        None => {}
    }
    crash::point("guard-linked", "hold");
    bin.remove(NEXT)?;
    bin.write_like(NEXT, text(message).as_bytes(), HELD)?;
    bin.rename(NEXT, SCRIPT)?;
    crash::point("guard-placed", "hold");
    state_in(&bin)
}

/// Takes the guard away. Without one nothing is changed.
///
/// # Errors
/// When the original is missing or can't be put back.
pub fn remove(home: &Path) -> io::Result<()> {
    let Some(bin) = Bin::open(home)? else {
        return Ok(());
    };
    bin.remove(NEXT)?;
    match state_in(&bin)? {
        GuardState::Guarded => bin.rename(HELD, SCRIPT),
        GuardState::OriginalMissing => Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the server's own start script, kept as `wso2server.sh.cutover-held`, is gone; put it back from a backup",
        )),
        GuardState::Open if is_guard(&bin)?.is_none() => bin.rename(HELD, SCRIPT),
        // A crash between the two steps of `install` leaves a second name of the script in place.
        GuardState::Open if bin.is_linked() => bin.remove(HELD),
        GuardState::Open | GuardState::NoScript => Ok(()),
    }
}

/// Whether the script is a guard; `None` when there is none.
fn is_guard(bin: &Bin) -> io::Result<Option<bool>> {
    let head = bin.head()?;
    Ok(head.map(|head| head.split(|&byte| byte == b'\n').nth(1) == Some(MARK.as_bytes())))
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
mod tests;
