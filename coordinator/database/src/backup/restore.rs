//! Feeding a backup to the engine's own restore program.

use std::path::Path;
use std::process::Stdio;

use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{BackupReceipt, Progress, dump};
use crate::error::{DatabaseError, Kind};
use crate::target::{Engine, Target};
use crate::tools::{Invocation, Tools, failed};

const ACTION: &str = "restore the backup";
const CHUNK: usize = 256 * 1024;

/// Whether the file is the one that was written.
pub(super) async fn check_file(target: &Target, receipt: &BackupReceipt) -> Result<(), DatabaseError> {
    if target.engine != receipt.engine {
        return Err(DatabaseError::new(
            Kind::Refused,
            ACTION,
            target,
            format!("the backup is of a {} database", receipt.engine),
            "name a database of the same engine",
        ));
    }
    let told = |error| DatabaseError::file(ACTION, target, &receipt.file, error);
    let mut file = tokio::fs::File::open(&receipt.file).await.map_err(told)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        let length = file.read(&mut buffer).await.map_err(told)?;
        let Some(chunk) = buffer.get(..length).filter(|chunk| !chunk.is_empty()) else {
            break;
        };
        hasher.update(chunk);
    }
    if hex::encode(hasher.finalize()) == receipt.sha256 {
        return Ok(());
    }
    Err(DatabaseError::new(
        Kind::Integrity,
        ACTION,
        target,
        format!(
            "`{}` is not the file that was written: its SHA-256 differs",
            receipt.file.display()
        ),
        "find out who changed it, and use another backup",
    ))
}

pub(super) fn require_tool<'t>(
    target: &Target,
    receipt: &BackupReceipt,
    tools: &'t Tools,
) -> Result<&'t Path, DatabaseError> {
    tools.restore(receipt.engine).ok_or_else(|| dump::missing(target))
}

fn arguments(target: &Target) -> Vec<String> {
    match target.engine {
        Engine::MySql => [
            "--batch",
            "--binary-mode",
            "--default-character-set=utf8mb4",
            "--max-allowed-packet=1G",
            &format!("--database={}", target.database),
        ]
        .map(str::to_owned)
        .to_vec(),
        Engine::Postgres => vec!["--exit-on-error".to_owned()],
    }
}

/// Restores into an empty database.
pub(super) async fn run(
    target: &Target,
    receipt: &BackupReceipt,
    tools: &Tools,
    progress: Progress<'_>,
) -> Result<(), DatabaseError> {
    let program = require_tool(target, receipt, tools)?;
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
    let told = |error| DatabaseError::file(ACTION, target, &receipt.file, error);
    let mut file = tokio::fs::File::open(&receipt.file).await.map_err(told)?;
    let mut invocation = Invocation::new(ACTION, program, target)?;
    invocation
        .command
        .args(arguments(target))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = invocation.command.spawn().map_err(start)?;
    let (stdin, mut stderr) = (child.stdin.take(), child.stderr.take());
    let mut said = Vec::new();
    let feeding = async {
        let Some(mut stdin) = stdin else { return Ok(()) };
        let mut buffer = vec![0; CHUNK];
        let mut done = 0;
        loop {
            let length = file.read(&mut buffer).await?;
            let Some(chunk) = buffer.get(..length).filter(|chunk| !chunk.is_empty()) else {
                break;
            };
            // A program that gave up says why in its own words, which matter more than the broken pipe.
            if stdin.write_all(chunk).await.is_err() {
                break;
            }
            done += length as u64;
            progress(done, Some(receipt.size));
        }
        stdin.shutdown().await.ok();
        Ok::<_, std::io::Error>(())
    };
    let listening = async {
        if let Some(stderr) = &mut stderr {
            stderr.read_to_end(&mut said).await.ok();
        }
    };
    let (fed, ()) = tokio::join!(feeding, listening);
    fed.map_err(told)?;
    let status = child.wait().await.map_err(start)?;
    if !status.success() {
        return Err(failed(ACTION, target, program, &status.to_string(), &said));
    }
    Ok(())
}
