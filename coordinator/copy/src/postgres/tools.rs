//! pg_dump and pg_restore: PostgreSQL describes its schema by them alone.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

use cutover_database::{Target, conninfo};
use secrecy::ExposeSecret as _;
use tokio::process::Command;

use crate::CopyError;

const DEBIAN: &str = "/usr/lib/postgresql";

/// Programs of one version, and a private folder for what they read and write.
#[derive(Debug)]
pub(crate) struct Tools {
    dump: PathBuf,
    restore: PathBuf,
    dir: tempfile::TempDir,
    calls: AtomicU32,
}

/// One run of a program.
pub(crate) struct Call<'a> {
    pub(crate) what: &'a str,
    pub(crate) target: &'a Target,
    pub(crate) args: Vec<OsString>,
}

impl Tools {
    /// Finds the programs of version `major` or the next newer one: an older pg_dump refuses a newer server.
    pub(crate) async fn find(major: u32, target: &Target) -> Result<Self, CopyError> {
        let dump = find("pg_dump", major, target).await?;
        let restore = find("pg_restore", major, target).await?;
        let dir = tempfile::Builder::new().prefix("cutover-copy-").tempdir();
        let dir = dir.map_err(|error| CopyError::local("creating a temporary folder", error))?;
        let calls = AtomicU32::new(0);
        Ok(Tools {
            dump,
            restore,
            dir,
            calls,
        })
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) async fn dump(&self, call: Call<'_>) -> Result<Vec<u8>, CopyError> {
        self.run(&self.dump, "--dbname", call).await
    }

    pub(crate) async fn restore(&self, call: Call<'_>) -> Result<Vec<u8>, CopyError> {
        self.run(&self.restore, "--dbname", call).await
    }

    /// Table of contents of a dump file.
    pub(crate) async fn contents(&self, dump: &Path, target: &Target) -> Result<String, CopyError> {
        let mut command = Command::new(&self.restore);
        command.arg("--list").arg(dump);
        let output = output(command, "pg_restore", "listing the schema", target).await?;
        Ok(String::from_utf8_lossy(&output).into_owned())
    }

    /// What pg_restore prints about a dump file without a database; `args` choose what that is.
    pub(crate) async fn script(
        &self,
        dump: &Path,
        args: Vec<OsString>,
        target: &Target,
    ) -> Result<String, CopyError> {
        let mut command = Command::new(&self.restore);
        command.arg("--file=-").args(args).arg(dump);
        let output = output(command, "pg_restore", "printing the schema", target).await?;
        String::from_utf8(output).map_err(|error| CopyError::local("reading the schema as UTF-8", error))
    }

    async fn run(&self, program: &Path, dbname: &str, call: Call<'_>) -> Result<Vec<u8>, CopyError> {
        let passwords = self.passwords(call.target)?;
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        command
            .env("PGPASSFILE", passwords)
            .env("PGCLIENTENCODING", "UTF8")
            .env("PGAPPNAME", "cutover")
            .env(
                "PGOPTIONS",
                "-c maintenance_work_mem=128MB -c statement_timeout=0 -c synchronous_commit=off",
            )
            .arg(dbname)
            .arg(conninfo(call.target))
            .arg("--no-password")
            .args(call.args);
        let name = program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        output(command, &name, call.what, call.target).await
    }

    /// The password in a file that only this account reads; arguments and environments are seen by others.
    fn passwords(&self, target: &Target) -> Result<PathBuf, CopyError> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let path = self.file(&format!("pgpass-{number}"));
        let password = target
            .password
            .expose_secret()
            .replace('\\', "\\\\")
            .replace(':', "\\:");
        let write = || {
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&path)?;
            file.write_all(format!("*:*:*:*:{password}\n").as_bytes())
        };
        write().map_err(|error| CopyError::local("writing a password file", error))?;
        Ok(path)
    }
}

async fn output(
    mut command: Command,
    program: &str,
    what: &str,
    target: &Target,
) -> Result<Vec<u8>, CopyError> {
    let done = command
        .stdin(Stdio::null())
        .env("LC_ALL", "C")
        .kill_on_drop(true)
        .output()
        .await;
    let done = done.map_err(|error| CopyError::local(format!("starting {program}"), error))?;
    if done.status.success() {
        return Ok(done.stdout);
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let lines: Vec<&str> = said.trim().lines().collect();
    let end = lines
        .iter()
        .rev()
        .take(6)
        .rev()
        .copied()
        .collect::<Vec<_>>()
        .join(" | ");
    Err(CopyError::Tool {
        program: program.to_owned(),
        what: what.to_owned(),
        database: target.to_string(),
        output: end,
    })
}

async fn find(program: &str, major: u32, target: &Target) -> Result<PathBuf, CopyError> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            Some((version, path.join("bin").join(program)))
        })
        .filter(|(version, path)| *version >= major && path.is_file())
        .collect();
    found.sort();
    if let Some((_, path)) = found.into_iter().next() {
        return Ok(path);
    }
    let search = std::env::var_os("PATH").unwrap_or_default();
    for path in std::env::split_paths(&search)
        .map(|dir| dir.join(program))
        .filter(|path| path.is_file())
    {
        let mut command = Command::new(&path);
        command.arg("--version");
        let text = output(command, program, "asking its version", target).await?;
        if version_of(&String::from_utf8_lossy(&text)) >= Some(major) {
            return Ok(path);
        }
    }
    Err(CopyError::ToolMissing {
        program: program.to_owned(),
        version: major,
        database: target.to_string(),
    })
}

/// 15 of "pg_dump (PostgreSQL) 15.18 (Debian …)".
fn version_of(text: &str) -> Option<u32> {
    let word = text
        .split(' ')
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    word.split(['.', '\n']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_when_distribution_adds_words_then_read() {
        assert_eq!(
            version_of("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(version_of("pg_dump (PostgreSQL) 18beta1\n"), None);
    }
}
