//! Fetches a blob of the coordinator by its hash. What is there already is never fetched twice: a broken stream,
//! a restart of either side or a lost connection goes on at the last byte on the disk.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use cutover_files::hash;
use cutover_proto::pb;
use cutover_proto::report::{ErrorCode, StepError};
use cutover_proto::step::BlobRef;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tracing::warn;

use crate::durable;
use crate::fault;
use crate::task::Task;

/// Pause after a stream that broke.
const PAUSE: Duration = Duration::from_millis(500);
const CHUNK_MAX: usize = 16 << 20;

/// The blob as a file of the state folder, with the hash that it must have.
pub(super) async fn blob(task: &Task, blob: &BlobRef) -> Result<PathBuf, StepError> {
    let folder = task.agent.state_folder("blobs").map_err(|error| {
        fault::io(
            "make the folder for downloads in",
            &task.agent.config.state_dir,
            &error,
        )
    })?;
    let (whole, part) = (
        folder.join(blob.sha256.as_str()),
        folder.join(format!("{}.part", blob.sha256)),
    );
    if whole.exists() && matches(task, &whole, blob).await? {
        return Ok(whole);
    }
    task.progress.total_bytes.store(blob.size, Ordering::Relaxed);
    // A part that went bad on the disk is thrown away once; the second time the source is bad.
    for last in [false, true] {
        fetch(task, blob, &part).await?;
        if matches(task, &part, blob).await? {
            std::fs::rename(&part, &whole)
                .and_then(|()| durable::sync_folder_of(&whole))
                .map_err(|error| fault::io("keep", &whole, &error))?;
            return Ok(whole);
        }
        durable::remove(&part).map_err(|error| fault::io("remove", &part, &error))?;
        if last {
            break;
        }
    }
    Err(StepError::new(
        ErrorCode::HashMismatch,
        format!("`{}` was fetched and refused", blob.name),
        format!("its SHA-256 is not {}", blob.sha256),
        "check the file on the coordinator and its hash in the upgrade file, then plan again",
    ))
}

async fn matches(task: &Task, path: &Path, blob: &BlobRef) -> Result<bool, StepError> {
    let (path, wanted) = (path.to_owned(), blob.sha256.clone());
    task.blocking(move |_, _| match hash::sha256_file(&path) {
        Ok(found) => Ok(found.to_string() == wanted.as_str()),
        Err(error) => Err(fault::other(
            ErrorCode::Io,
            "a download can't be read back",
            &error,
            "check the disk, then retry the step",
        )),
    })
    .await
}

async fn fetch(task: &Task, blob: &BlobRef, part: &Path) -> Result<(), StepError> {
    loop {
        let channel = connected(task).await?;
        match attempt(task, blob, part, channel).await {
            Ok(()) => return Ok(()),
            Err(Broken::Final(error)) => return Err(error),
            Err(Broken::Stream(status)) => {
                warn!(blob = %blob.sha256, error = %status.message(), "download broke; going on");
                task.pause(PAUSE, "a download was under way").await?;
            }
        }
    }
}

/// The channel, as soon as there is one.
async fn connected(task: &Task) -> Result<Channel, StepError> {
    let mut channel = task.agent.channel.subscribe();
    tokio::select! {
        ready = channel.wait_for(Option::is_some) => match ready {
            Ok(channel) => channel.clone().ok_or_else(|| fault::internal("no channel", &"it vanished")),
            Err(error) => Err(fault::internal("no channel", &error)),
        },
        () = task.cancel.cancelled() => Err(fault::cancelled("a download waited for the coordinator")),
    }
}

enum Broken {
    /// Worth another try.
    Stream(Status),
    Final(StepError),
}

async fn attempt(task: &Task, blob: &BlobRef, part: &Path, channel: Channel) -> Result<(), Broken> {
    let disk = |error: std::io::Error| Broken::Final(fault::io("write", part, &error));
    let (mut file, offset) = open(part).await.map_err(disk)?;
    let mut done = offset;
    task.progress.done_bytes.store(done, Ordering::Relaxed);
    if done >= blob.size && blob.size > 0 {
        return Ok(());
    }
    let mut client =
        pb::agent_gateway_client::AgentGatewayClient::new(channel).max_decoding_message_size(CHUNK_MAX);
    let request = pb::FetchBlobRequest {
        sha256: blob.sha256.to_string(),
        offset,
    };
    let mut stream = client
        .fetch_blob(request)
        .await
        .map_err(|status| judge(blob, status))?
        .into_inner();
    loop {
        let chunk = tokio::select! {
            chunk = stream.message() => chunk.map_err(|status| judge(blob, status))?,
            () = task.cancel.cancelled() => {
                file.sync_all().await.map_err(disk)?;
                return Err(Broken::Final(fault::cancelled("a download was under way")));
            }
        };
        let Some(chunk) = chunk else { break };
        file.write_all(&chunk.data).await.map_err(disk)?;
        done += u64::try_from(chunk.data.len()).unwrap_or(0);
        task.progress.done_bytes.store(done, Ordering::Relaxed);
    }
    file.sync_all().await.map_err(disk)?;
    if blob.size > 0 && done < blob.size {
        return Err(Broken::Stream(Status::unavailable("the stream ended early")));
    }
    Ok(())
}

async fn open(part: &Path) -> std::io::Result<(File, u64)> {
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(part)
        .await?;
    let offset = file.seek(std::io::SeekFrom::End(0)).await?;
    Ok((file, offset))
}

fn judge(blob: &BlobRef, status: Status) -> Broken {
    let code = status.code();
    let hopeless = [
        Code::NotFound,
        Code::PermissionDenied,
        Code::Unauthenticated,
        Code::InvalidArgument,
        Code::Unimplemented,
    ];
    if !hopeless.contains(&code) {
        return Broken::Stream(status);
    }
    let kind = if code == Code::NotFound {
        ErrorCode::NotFound
    } else {
        ErrorCode::PolicyRefused
    };
    Broken::Final(StepError::new(
        kind,
        format!("`{}` can't be fetched", blob.name),
        status.message(),
        "see that the coordinator still has the file that was planned with, then retry the step",
    ))
}
