//! The agent's local policy file, `/etc/cutover/agent.toml`. Every problem in it is reported at once.

mod owner;
mod read;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use cutover_proto::ids::NodeName;

use read::Reader;

/// What the policy file says, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The node's name; the certificate says the same.
    pub node: NodeName,
    /// Where the coordinator listens, `host:port`.
    pub coordinator: String,
    /// Ledger, holds, identity, partial downloads.
    pub state_dir: PathBuf,
    /// Where backups of homes are kept.
    pub backup_dir: PathBuf,
    /// Globs of the homes that actions may touch.
    pub homes: Vec<String>,
    /// The Java that servers are started with.
    pub java_home: Option<PathBuf>,
    /// The account that servers run as. Without it a server runs as the agent does, or, when the agent is root, as
    /// the owner of its home.
    pub run_as: Option<String>,
    /// The umask that servers are started with.
    pub umask: u32,
    /// Further environment of started servers.
    pub start_env: BTreeMap<String, String>,
    /// Kinds of actions that are allowed; `None` allows all.
    pub actions: Option<Vec<String>>,
    /// Data folders of database servers whose files may be copied from one database to another.
    pub database_dirs: Vec<PathBuf>,
    /// Where systemd units are looked for.
    pub unit_dirs: Vec<PathBuf>,
    /// Where cron tables are looked for.
    pub cron_dirs: Vec<PathBuf>,
}

/// Every kind of action that a policy can allow.
pub const ACTION_KINDS: [&str; 15] = [
    "inspect",
    "unpack",
    "backup-home",
    "copy-tree",
    "carry-files",
    "edit-xml",
    "compare-config",
    "copy-tablespaces",
    "hold-server",
    "stop-server",
    "prove-stopped",
    "start-server",
    "prove-ready",
    "release-hold",
    "smoke",
];

impl Config {
    /// Reads and checks the file. When the agent runs as root, the file must be root's alone to write: who can
    /// write it decides what root does.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem found.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let failed = |problem: String| ConfigError {
            path: path.to_owned(),
            problems: vec![problem],
        };
        let text =
            std::fs::read_to_string(path).map_err(|error| failed(format!("cannot read it: {error}")))?;
        let mut problems = owner::problems(path);
        let config = Self::parse(&text);
        match config {
            Ok(config) if problems.is_empty() => Ok(config),
            Ok(_) => Err(ConfigError {
                path: path.to_owned(),
                problems,
            }),
            Err(mut more) => {
                problems.append(&mut more);
                Err(ConfigError {
                    path: path.to_owned(),
                    problems,
                })
            }
        }
    }

    /// Checks the text of a policy file.
    ///
    /// # Errors
    /// Every problem found.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| vec![error.to_string()])?;
        let mut reader = Reader::new(table);
        let config = Self {
            node: reader.node(),
            coordinator: reader.address("coordinator"),
            state_dir: reader.directory("state_dir"),
            backup_dir: reader.directory("backup_dir"),
            homes: reader.homes(),
            java_home: reader.optional_directory("java_home"),
            run_as: reader.optional_text("run_as"),
            umask: reader.umask("umask", 0o022),
            start_env: reader.start_env(),
            actions: reader.actions(),
            database_dirs: reader.directories("database_dirs", &[]),
            unit_dirs: reader.directories("unit_dirs", &["/etc/systemd/system", "/lib/systemd/system"]),
            cron_dirs: reader.directories("cron_dirs", &["/etc/cron.d", "/var/spool/cron/crontabs"]),
        };
        let problems = reader.finish();
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(problems)
        }
    }
}

/// A policy file that the agent does not work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it, and what to do.
    pub problems: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` can't be used:", self.path.display())?;
        for problem in &self.problems {
            write!(f, "\n  - {problem}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
