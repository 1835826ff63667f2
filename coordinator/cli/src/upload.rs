//! Brings files to the coordinator, which keeps them by their hash.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use cutover_proto::pb;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::console::Console;
use crate::error::CliError;
use crate::remote::Client;

/// Bytes in a message.
const CHUNK: usize = 256 * 1024;

/// Makes sure that the coordinator has the content of `path`, which the upgrade file calls `name`.
pub(crate) async fn provide(
    console: &Console,
    client: &mut Client,
    name: &str,
    path: &Path,
) -> Result<pb::Blob, CliError> {
    let blob = hash(console, name, path).await?;
    let request = pb::StatBlobRequest {
        sha256: blob.sha256.clone(),
    };
    let known = client.stat_blob(request).await?.into_inner();
    if known.present && known.size == blob.size {
        return Ok(blob);
    }
    let stored = send(console, client, &blob, path).await?;
    if stored.sha256 != blob.sha256 {
        return Err(
            CliError::failed(format!("{} did not arrive whole", path.display()))
                .why(format!(
                    "its SHA-256 is {}, the coordinator stored {}",
                    blob.sha256, stored.sha256
                ))
                .next("see that nobody writes to the file, then give the command again"),
        );
    }
    Ok(blob)
}

/// Hashes a file on a thread of its own, for distributions are large.
async fn hash(console: &Console, name: &str, path: &Path) -> Result<pb::Blob, CliError> {
    let owned = path.to_owned();
    let bar = bar(
        console,
        "read",
        name,
        std::fs::metadata(path).map_or(0, |meta| meta.len()),
    );
    let worker = bar.clone();
    let hashed = tokio::task::spawn_blocking(move || hash_file(&owned, &worker)).await;
    bar.finish_and_clear();
    let (sha256, size) = match hashed {
        Ok(Ok(hashed)) => hashed,
        Ok(Err(error)) => return Err(unreadable(name, path, &error)),
        Err(error) => return Err(CliError::failed(format!("reading {name} was broken off")).why(error)),
    };
    Ok(pb::Blob {
        name: name.to_owned(),
        sha256,
        size,
    })
}

fn hash_file(path: &PathBuf, bar: &ProgressBar) -> io::Result<(String, u64)> {
    let mut file = std::fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut size = 0;
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = file.read(&mut buffer)?;
        let Some(chunk) = buffer.get(..count).filter(|chunk| !chunk.is_empty()) else {
            return Ok((hex::encode(hasher.finalize()), size));
        };
        hasher.update(chunk);
        size += chunk.len() as u64;
        bar.set_position(size);
    }
}

async fn send(
    console: &Console,
    client: &mut Client,
    blob: &pb::Blob,
    path: &Path,
) -> Result<pb::Blob, CliError> {
    let bar = bar(console, "send", &blob.name, blob.size);
    let (sender, receiver) = mpsc::channel(8);
    let reader = tokio::spawn(read_chunks(path.to_owned(), blob.clone(), bar.clone(), sender));
    let answer = client.upload_blob(ReceiverStream::new(receiver)).await;
    bar.finish_and_clear();
    // A file that can't be read ends the stream early; the coordinator's complaint about that is only its echo.
    match reader.await {
        Ok(Err(error)) => Err(unreadable(&blob.name, path, &error)),
        Ok(Ok(())) | Err(_) => Ok(answer?.into_inner()),
    }
}

async fn read_chunks(
    path: PathBuf,
    blob: pb::Blob,
    bar: ProgressBar,
    sender: mpsc::Sender<pb::UploadBlobRequest>,
) -> io::Result<()> {
    let mut file = File::open(path).await?;
    let mut first = Some(blob);
    loop {
        let mut data = Vec::with_capacity(CHUNK);
        while data.len() < CHUNK
            && (&mut file)
                .take((CHUNK - data.len()) as u64)
                .read_buf(&mut data)
                .await?
                > 0
        {}
        if data.is_empty() && first.is_none() {
            return Ok(());
        }
        bar.inc(data.len() as u64);
        let (name, sha256) = first
            .take()
            .map(|blob| (blob.name, blob.sha256))
            .unwrap_or_default();
        let message = pb::UploadBlobRequest { name, sha256, data };
        // The receiver is gone when the coordinator has refused; its answer says why.
        if sender.send(message).await.is_err() {
            return Ok(());
        }
    }
}

fn unreadable(name: &str, path: &Path, error: &io::Error) -> CliError {
    CliError::input(format!("cannot read `{name}`, which the upgrade file names"))
        .why(format!("{}: {error}", path.display()))
        .next("put the file there, or correct its name in the upgrade file; names are relative to the upgrade file's folder")
}

/// A bar that counts bytes; nothing is drawn where nobody sees it.
pub(crate) fn bar(console: &Console, verb: &str, name: &str, total: u64) -> ProgressBar {
    let target = if console.live {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(total), target);
    let template = "{prefix} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.with_prefix(format!("{verb} {name}"))
}
