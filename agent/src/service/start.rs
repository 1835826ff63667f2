//! Starting a server by its own script, and what is remembered of a start.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cutover_proto::ids::RunId;
use serde::{Deserialize, Serialize};

use super::account::Account;
use super::log::LogMark;
use crate::config::Config;
use crate::durable;

/// Variables of the agent's own environment that a server may see.
const PASSED_ON: [&str; 4] = ["PATH", "LANG", "LC_ALL", "TZ"];
const SHELL: &str = "/bin/sh";
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

/// Sets the mask, then becomes the start script's shell, so that the process looks as if a person had started it.
const WITH_UMASK: &str = "umask \"$1\" && shift && exec /bin/sh \"$@\"";

/// The command that starts a home's server: its own script, in a process group of its own, with a clean
/// environment, and with its output in a file, because the 4.1 scripts leave the server's output on it. The agent's
/// own umask keeps its files private; a server's files are for the site's other programs, too.
///
/// # Errors
/// When the output file can't be made.
pub fn command(
    config: &Config,
    account: Option<&Account>,
    home: &Path,
    output: &Path,
) -> io::Result<Command> {
    let mut command = shell(account);
    command
        .args(["-c", WITH_UMASK, "cutover-start"])
        .arg(format!("{:03o}", config.umask))
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
    if let Some(account) = account {
        command
            .env("HOME", &account.folder)
            .env("USER", &account.name)
            .env("LOGNAME", &account.name);
    } else if let Some(folder) = std::env::var_os("HOME") {
        command.env("HOME", folder);
    }
    command.envs(&config.start_env);
    let file = output_file(output)?;
    command.stdout(file.try_clone()?).stderr(file);
    Ok(command)
}

/// A shell as the account, with all of the account's groups where `setpriv` can give it them.
fn shell(account: Option<&Account>) -> Command {
    let me = rustix::process::geteuid().as_raw();
    let Some(account) = account.filter(|account| account.uid != me) else {
        return Command::new(SHELL);
    };
    if let Some(setpriv) = account.is_known.then(setpriv).flatten() {
        let mut command = Command::new(setpriv);
        command
            .arg(format!("--reuid={}", account.uid))
            .arg(format!("--regid={}", account.gid))
            .args(["--init-groups", "--", SHELL]);
        return command;
    }
    let mut command = Command::new(SHELL);
    command.uid(account.uid).gid(account.gid);
    command
}

/// The `setpriv` of util-linux; that of BusyBox knows no groups.
fn setpriv() -> Option<&'static str> {
    let places = ["/usr/bin/setpriv", "/bin/setpriv"];
    places.into_iter().find(|place| {
        let asked = Command::new(place)
            .arg("--version")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        asked.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains("util-linux"))
    })
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
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::service::account;

    fn config(umask: &str) -> Config {
        let text = format!(
            "node = \"n\"\ncoordinator = \"c:1\"\nstate_dir = \"/s\"\nbackup_dir = \"/b\"\n\
             homes = [\"/opt/w*\"]\n{umask}"
        );
        Config::parse(&text).unwrap()
    }

    /// Runs a start script that tells what it finds, and returns what it told, word by word.
    fn told(config: &Config, account: Option<&Account>) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let home = folder.path().join("home");
        fs::create_dir_all(home.join("bin")).unwrap();
        let script = "umask; id -u; id -g; id -G | tr ' ' ,; tr '\\0' ' ' < /proc/$$/cmdline\n";
        fs::write(home.join("bin/wso2server.sh"), script).unwrap();
        let output = folder.path().join("output");
        let status = command(config, account, &home, &output)
            .unwrap()
            .status()
            .unwrap();
        let said = fs::read_to_string(&output).unwrap();
        assert!(status.success(), "{said}");
        let home = home.to_string_lossy().into_owned();
        said.split_whitespace()
            .map(|word| word.replace(&home, "HOME"))
            .collect()
    }

    #[test]
    fn server_when_started_then_its_files_are_not_private_and_its_command_line_is_the_script() {
        let (usual, other) = (told(&config(""), None), told(&config("umask = \"027\"\n"), None));
        assert_eq!((usual[0].as_str(), other[0].as_str()), ("0022", "0027"));
        assert_eq!(usual[4..], ["/bin/sh", "HOME/bin/wso2server.sh", "start"]);
    }

    #[test]
    fn server_when_started_by_root_then_it_runs_as_the_account_with_its_groups() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let stranger = Account {
            name: "4321".to_owned(),
            uid: 4321,
            gid: 4322,
            folder: "/".to_owned(),
            is_known: false,
        };
        assert_eq!(told(&config(""), Some(&stranger))[1..4], ["4321", "4322", "4322"]);
        let known = account::account("nobody").unwrap();
        let said = told(&config(""), Some(&known));
        assert_eq!(said[1..3], [known.uid.to_string(), known.gid.to_string()]);
        assert_eq!(said[4..], ["/bin/sh", "HOME/bin/wso2server.sh", "start"]);
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
