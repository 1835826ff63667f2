//! Starting a server by its own script, and what is remembered of a start.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cutover_proto::ids::RunId;
use serde::{Deserialize, Serialize};

use super::log::LogMark;
use crate::config::Config;
use crate::durable;

/// Variables of the agent's own environment that a server may see.
const PASSED_ON: [&str; 4] = ["PATH", "LANG", "LC_ALL", "TZ"];
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What is remembered of the last start of a home, for the proof that follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartRecord {
    /// The home.
    pub home: PathBuf,
    /// The run that started it.
    pub run: RunId,
    /// Where the log stood before.
    pub log: LogMark,
}

impl StartRecord {
    fn path(state_dir: &Path, home: &Path) -> PathBuf {
        state_dir
            .join("starts")
            .join(format!("{}.json", durable::key(&home.to_string_lossy())))
    }

    /// Writes it.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self, state_dir: &Path) -> io::Result<()> {
        durable::private_folder(&state_dir.join("starts"))?;
        let json = serde_json::to_vec(self).map_err(io::Error::other)?;
        durable::write_private(&Self::path(state_dir, &self.home), &json)
    }

    /// The record of a home, if it was ever started from here.
    #[must_use]
    pub fn read(state_dir: &Path, home: &Path) -> Option<Self> {
        let bytes = fs::read(Self::path(state_dir, home)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

/// A user of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Main group.
    pub gid: u32,
    /// Home folder.
    pub folder: String,
}

/// Looks a user up, also where names come from a directory service.
#[must_use]
pub fn account(name: &str) -> Option<Account> {
    let local = fs::read_to_string("/etc/passwd").unwrap_or_default();
    local
        .lines()
        .find_map(|line| parse_account(line, name))
        .or_else(|| {
            let asked = Command::new("getent")
                .args(["passwd", name])
                .stdin(Stdio::null())
                .output()
                .ok()?;
            String::from_utf8_lossy(&asked.stdout)
                .lines()
                .find_map(|line| parse_account(line, name))
        })
}

fn parse_account(line: &str, name: &str) -> Option<Account> {
    let fields: Vec<&str> = line.split(':').collect();
    match fields.as_slice() {
        [user, _, uid, gid, _, folder, ..] if *user == name => Some(Account {
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            folder: (*folder).to_owned(),
        }),
        _ => None,
    }
}

/// The command that starts a home's server: its own script, in a process group of its own, with a clean
/// environment, and with its output in a file, because the 4.1 scripts leave the server's output on it.
///
/// # Errors
/// When the output file can't be made or the account is unknown.
pub fn command(config: &Config, home: &Path, output: &Path) -> io::Result<Command> {
    let mut command = Command::new("/bin/sh");
    command
        .arg(home.join("bin/wso2server.sh"))
        .arg("start")
        .current_dir(home)
        .process_group(0)
        .stdin(Stdio::null())
        .env_clear()
        .env("PATH", PATH);
    for name in PASSED_ON {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    if let Some(java) = &config.java_home {
        command.env("JAVA_HOME", java);
    }
    if let Some(name) = &config.run_as {
        let user = account(name).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("there is no user `{name}` on this host"),
            )
        })?;
        command
            .env("HOME", &user.folder)
            .env("USER", name)
            .env("LOGNAME", name);
        if rustix::process::geteuid().as_raw() != user.uid {
            command.uid(user.uid).gid(user.gid);
        }
    } else if let Some(folder) = std::env::var_os("HOME") {
        command.env("HOME", folder);
    }
    command.envs(&config.start_env);
    let file = output_file(output)?;
    command.stdout(file.try_clone()?).stderr(file);
    Ok(command)
}

fn output_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_when_it_is_in_passwd_then_found() {
        assert_eq!(account("root").unwrap().uid, 0);
        assert_eq!(account("no-such-user-here"), None);
        assert_eq!(
            parse_account("wso2:x:77:88::/home/wso2:/bin/sh", "wso2")
                .unwrap()
                .gid,
            88
        );
        assert_eq!(parse_account("wso2x:x:77:88::/home/wso2:/bin/sh", "wso2"), None);
    }

    #[test]
    fn record_when_written_then_read() {
        let (state, home) = (tempfile::tempdir().unwrap(), PathBuf::from("/opt/wso2"));
        assert_eq!(StartRecord::read(state.path(), &home), None);
        let record = StartRecord {
            home: home.clone(),
            run: RunId::new(uuid::Uuid::from_u128(1)),
            log: LogMark { inode: 1, size: 2 },
        };
        record.write(state.path()).unwrap();
        assert_eq!(StartRecord::read(state.path(), &home), Some(record));
    }
}
