//! Running the dump program and keeping what it writes.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Progress;
use crate::error::{DatabaseError, Kind};
use crate::journal;
use crate::target::{Engine, Target};
use crate::tools::{Invocation, Tools, failed, version};

const ACTION: &str = "back up";
const CHUNK: usize = 256 * 1024;

/// A complete dump under a temporary name.
pub(super) struct Written {
    temporary: PathBuf,
    path: PathBuf,
    pub(super) size: u64,
    pub(super) sha256: String,
    pub(super) tool: String,
}

impl Written {
    /// Gives it its name.
    pub(super) fn publish(self, target: &Target) -> Result<PathBuf, DatabaseError> {
        let told = |error| DatabaseError::file(ACTION, target, &self.path, error);
        std::fs::rename(&self.temporary, &self.path).map_err(told)?;
        if let Some(parent) = self.path.parent() {
            std::fs::File::open(parent)
                .and_then(|folder| folder.sync_all())
                .map_err(told)?;
        }
        Ok(self.path.clone())
    }

    pub(super) fn discard(&self, target: &Target) -> Result<(), DatabaseError> {
        std::fs::remove_file(&self.temporary)
            .map_err(|error| DatabaseError::file(ACTION, target, &self.temporary, error))
    }
}

pub(super) async fn write(
    target: &Target,
    directory: &Path,
    name: &str,
    tools: &Tools,
    expected: u64,
    progress: Progress<'_>,
) -> Result<Written, DatabaseError> {
    let program = tools.dump(target.engine).ok_or_else(|| missing(target))?;
    let tool = version(program).await;
    let suffix = match target.engine {
        Engine::MySql => "sql",
        Engine::Postgres => "dump",
    };
    let path = directory.join(format!("{name}.{suffix}"));
    let temporary = directory.join(format!(".{name}.{suffix}.part"));
    let result = stream(target, program, &temporary, expected, progress).await;
    match result {
        Ok((size, sha256)) => Ok(Written {
            temporary,
            path,
            size,
            sha256,
            tool,
        }),
        Err(error) => {
            // A part of a backup is of no use to anybody.
            std::fs::remove_file(&temporary).ok();
            Err(error)
        }
    }
}

pub(super) fn missing(target: &Target) -> DatabaseError {
    let package = match target.engine {
        Engine::MySql => "the MariaDB or MySQL client (mariadb-dump and mariadb, or mysqldump and mysql)",
        Engine::Postgres => "the PostgreSQL client (pg_dump and pg_restore) of at least the server's version",
    };
    DatabaseError::new(
        Kind::Tool,
        "find the database's own tools",
        target,
        "they are not installed on this host",
        &format!("install {package}"),
    )
}

fn arguments(target: &Target) -> Vec<String> {
    let journal = journal::TABLE;
    match target.engine {
        Engine::MySql => {
            let mut list: Vec<String> = [
                "--single-transaction",
                "--quick",
                "--routines",
                "--triggers",
                "--events",
                "--hex-blob",
                "--no-tablespaces",
                "--default-character-set=utf8mb4",
                "--max-allowed-packet=1G",
            ]
            .map(str::to_owned)
            .to_vec();
            list.push(format!("--ignore-table={}.{journal}", target.database));
            list.push(target.database.clone());
            list
        }
        Engine::Postgres => {
            vec![
                "--format=custom".to_owned(),
                format!("--exclude-table=*.{journal}"),
            ]
        }
    }
}

async fn stream(
    target: &Target,
    program: &Path,
    temporary: &Path,
    expected: u64,
    progress: Progress<'_>,
) -> Result<(u64, String), DatabaseError> {
    let told = |error| DatabaseError::file(ACTION, target, temporary, error);
    let start = |error| {
        DatabaseError::new(
            Kind::Tool,
            ACTION,
            target,
            format!("`{}` cannot be started", program.display()),
            "check its installation",
        )
        .caused_by(error)
    };
    let mut invocation = Invocation::new(ACTION, program, target)?;
    invocation
        .command
        .args(arguments(target))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = invocation.command.spawn().map_err(start)?;
    let mut file = tokio::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(temporary)
        .await
        .map_err(told)?;
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let mut said = Vec::new();
    let copying = async {
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; CHUNK];
        let mut size = 0;
        if let Some(stdout) = &mut stdout {
            loop {
                let length = stdout.read(&mut buffer).await?;
                let Some(chunk) = buffer.get(..length).filter(|chunk| !chunk.is_empty()) else {
                    break;
                };
                hasher.update(chunk);
                file.write_all(chunk).await?;
                size += length as u64;
                progress(size, Some(expected.max(size)));
            }
        }
        file.flush().await?;
        file.sync_all().await?;
        Ok::<_, std::io::Error>((size, hex::encode(hasher.finalize())))
    };
    let listening = async {
        if let Some(stderr) = &mut stderr {
            stderr.read_to_end(&mut said).await.ok();
        }
    };
    let (copied, ()) = tokio::join!(copying, listening);
    let copied = copied.map_err(told)?;
    let status = child.wait().await.map_err(start)?;
    if !status.success() {
        return Err(failed(ACTION, target, program, &status.to_string(), &said));
    }
    Ok(copied)
}
