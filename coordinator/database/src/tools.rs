//! The engines' own programs on this host: found, asked for their version, run without showing a password.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio::process::Command;

use crate::dial::{conninfo, trusted_roots};
use crate::error::{DatabaseError, Kind};
use crate::facts::Flavour;
use crate::target::{Engine, Host, Target, Tls};

/// Paths of the programs; `None` where a program is not installed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tools {
    /// `mariadb-dump` or `mysqldump`.
    pub mysql_dump: Option<PathBuf>,
    /// `mariadb` or `mysql`.
    pub mysql_client: Option<PathBuf>,
    /// `pg_dump`.
    pub pg_dump: Option<PathBuf>,
    /// `pg_restore`.
    pub pg_restore: Option<PathBuf>,
}

/// What is known about one program.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ToolFacts {
    /// Name of the job: `dump` or `restore`.
    pub job: String,
    /// Where it is; `None` when not installed.
    pub path: Option<PathBuf>,
    /// Its version, as it tells it.
    pub version: String,
    /// Whether it can work with the server: same flavour, and not older.
    pub adequate: bool,
    /// Why not, and what to install.
    pub remedy: String,
}

impl Tools {
    /// Looks through `PATH`.
    #[must_use]
    pub fn find() -> Self {
        Tools {
            mysql_dump: first(&["mariadb-dump", "mysqldump"]),
            mysql_client: first(&["mariadb", "mysql"]),
            pg_dump: first(&["pg_dump"]),
            pg_restore: first(&["pg_restore"]),
        }
    }

    /// The same, preferring MySQL's own programs: MariaDB's cannot back up MySQL 8 completely.
    #[must_use]
    pub fn find_for(flavour: Flavour) -> Self {
        let mut tools = Tools::find();
        if flavour == Flavour::MySql {
            tools.mysql_dump = first(&["mysqldump", "mariadb-dump"]);
            tools.mysql_client = first(&["mysql", "mariadb"]);
        }
        tools
    }

    pub(crate) fn dump(&self, engine: Engine) -> Option<&Path> {
        match engine {
            Engine::MySql => self.mysql_dump.as_deref(),
            Engine::Postgres => self.pg_dump.as_deref(),
        }
    }

    pub(crate) fn restore(&self, engine: Engine) -> Option<&Path> {
        match engine {
            Engine::MySql => self.mysql_client.as_deref(),
            Engine::Postgres => self.pg_restore.as_deref(),
        }
    }

    /// Asks the programs for `engine` for their versions and judges them against the server's.
    pub async fn facts(&self, engine: Engine, flavour: Flavour, server_version: &str) -> Vec<ToolFacts> {
        let mut found = Vec::new();
        for (job, path) in [("dump", self.dump(engine)), ("restore", self.restore(engine))] {
            let version = match path {
                Some(path) => version(path).await,
                None => String::new(),
            };
            let remedy = judge(flavour, server_version, path.is_some(), &version);
            found.push(ToolFacts {
                job: job.to_owned(),
                path: path.map(Path::to_owned),
                version,
                adequate: remedy.is_none(),
                remedy: remedy.unwrap_or_default(),
            });
        }
        found
    }
}

fn first(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    names.iter().find_map(|name| {
        std::env::split_paths(&path)
            .map(|folder| folder.join(name))
            .find(|candidate| candidate.is_file())
    })
}

pub(crate) async fn version(program: &Path) -> String {
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    output
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}

/// The remedy when a program of this version does not suit the server.
fn judge(flavour: Flavour, server: &str, installed: bool, version: &str) -> Option<String> {
    let (package, suits) = match flavour {
        Flavour::MariaDb => ("the MariaDB client", version.contains("MariaDB")),
        Flavour::MySql => (
            "MySQL's own client",
            !version.contains("MariaDB") && major(version) >= major(server),
        ),
        Flavour::Postgres => ("the PostgreSQL client", major(version) >= major(server)),
    };
    if !installed {
        return Some(format!(
            "not found; install {package} for server version {server} on this host"
        ));
    }
    (!suits).then(|| {
        format!(
            "`{version}` does not suit server version {server}; install {package} of at least that version"
        )
    })
}

/// The product's version inside a `--version` line or a server's version text.
fn major(text: &str) -> u32 {
    let words = text.split(|c: char| !(c.is_ascii_digit() || c == '.'));
    let number = words.filter(|word| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit()));
    // `mysqldump  Ver 8.0.36 for Linux`: the first dotted number; `Ver 10.13 Distrib 5.7.42`: the last one.
    let mut numbers = number.map(str::to_owned).collect::<Vec<_>>();
    let chosen = if text.contains("Distrib") {
        numbers.pop()
    } else {
        numbers.into_iter().next()
    };
    let chosen = chosen.unwrap_or_else(|| text.to_owned());
    let digits: String = chosen.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_default()
}

/// A program about to run: its arguments name no secret, the password is in a private file that goes with it.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) command: Command,
    _secrets: TempDir,
}

impl Invocation {
    /// Prepares `program` to log in to `target`.
    pub(crate) fn new(action: &str, program: &Path, target: &Target) -> Result<Self, DatabaseError> {
        let secrets = tempfile::Builder::new()
            .prefix("cutover-")
            .tempdir()
            .map_err(|error| DatabaseError::file(action, target, &std::env::temp_dir(), error))?;
        let file = secrets.path().join("login");
        let content = match target.engine {
            Engine::MySql => option_file(target),
            Engine::Postgres => format!("*:*:*:*:{}\n", pgpass(target.password.expose_secret())),
        };
        write_private(&file, &content).map_err(|error| DatabaseError::file(action, target, &file, error))?;
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").kill_on_drop(true);
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        match target.engine {
            Engine::MySql => {
                let mut option = OsString::from("--defaults-file=");
                option.push(&file);
                command.arg(option);
            }
            Engine::Postgres => {
                command
                    .env("PGPASSFILE", &file)
                    .arg("--no-password")
                    .arg("-d")
                    .arg(conninfo(target));
            }
        }
        Ok(Invocation {
            command,
            _secrets: secrets,
        })
    }
}

fn write_private(path: &Path, content: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content.as_bytes())
}

/// MySQL's option file. `loose-` options are for programs of one flavour that the other does not know.
fn option_file(target: &Target) -> String {
    let mut lines = vec!["[client]".to_owned()];
    let mut add = |key: &str, value: &str| lines.push(format!("{key}=\"{}\"", option_value(value)));
    match &target.host {
        Host::Tcp(host, port) => {
            add("host", host);
            add("port", &port.to_string());
            add("protocol", "tcp");
        }
        Host::Socket(path, _) => {
            add("socket", &path.to_string_lossy());
            add("protocol", "socket");
        }
    }
    add("user", &target.user);
    add("password", target.password.expose_secret());
    let (mode, mariadb): (&str, &[(&str, &str)]) = match target.tls {
        Tls::Disabled => ("DISABLED", &[("loose-ssl", "0")]),
        Tls::Preferred => ("PREFERRED", &[("loose-ssl-verify-server-cert", "0")]),
        Tls::Required => (
            "REQUIRED",
            &[("loose-ssl", "1"), ("loose-ssl-verify-server-cert", "0")],
        ),
        Tls::VerifyFull => (
            "VERIFY_IDENTITY",
            &[("loose-ssl", "1"), ("loose-ssl-verify-server-cert", "1")],
        ),
    };
    add("loose-ssl-mode", mode);
    if target.tls == Tls::VerifyFull
        && let Some(roots) = trusted_roots()
    {
        add("ssl-ca", &roots.to_string_lossy());
    }
    for (key, value) in mariadb {
        add(key, value);
    }
    lines.push(String::new());
    lines.join("\n")
}

fn option_value(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
        .replace('\t', "\\t")
}

fn pgpass(password: &str) -> String {
    password.replace('\\', "\\\\").replace(':', "\\:")
}

/// The error of a program that ended badly, with the end of what it said.
pub(crate) fn failed(
    action: &str,
    target: &Target,
    program: &Path,
    status: &str,
    stderr: &[u8],
) -> DatabaseError {
    let said = String::from_utf8_lossy(stderr);
    let mut last: Vec<&str> = said
        .lines()
        .rev()
        .filter(|line| !line.trim().is_empty())
        .take(5)
        .collect();
    last.reverse();
    let mut said = last.join(" / ");
    // No program is known to print the password; this keeps the promise should one ever do.
    let password = target.password.expose_secret();
    if !password.is_empty() {
        said = said.replace(password, "***");
    }
    DatabaseError::new(
        Kind::Tool,
        action,
        target,
        format!(
            "`{}` ended with {status}: {}",
            program.display(),
            said.chars().take(1500).collect::<String>()
        ),
        "correct what it names, then repeat the step",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn major_when_lines_of_real_programs_then_the_products_number() {
        assert_eq!(
            major("mariadb-dump  Ver 10.19 Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)"),
            10
        );
        assert_eq!(
            major("mysqldump  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)"),
            8
        );
        assert_eq!(
            major("mysqldump  Ver 10.13 Distrib 5.7.42, for Linux (x86_64)"),
            5
        );
        assert_eq!(major("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), 15);
        assert_eq!(major("16.2"), 16);
    }

    #[test]
    fn judge_when_dump_is_older_than_the_server_then_refused() {
        assert!(judge(Flavour::Postgres, "16.2", true, "pg_dump (PostgreSQL) 15.18").is_some());
        assert!(judge(Flavour::Postgres, "15.3", true, "pg_dump (PostgreSQL) 15.18").is_none());
        assert!(
            judge(
                Flavour::MySql,
                "8.0.36",
                true,
                "mysqldump Ver 10.19 Distrib 10.11.19-MariaDB"
            )
            .is_some()
        );
        assert!(judge(Flavour::MariaDb, "10.11.2-MariaDB", false, "").is_some());
    }

    #[test]
    fn option_value_when_the_password_holds_quotes_then_escaped() {
        assert_eq!(option_value("a\"b\\c#"), "a\\\"b\\\\c#");
        assert_eq!(pgpass("a:b\\c"), "a\\:b\\\\c");
    }
}
