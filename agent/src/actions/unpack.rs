//! Unpacks a distribution into a home that does not exist yet. It is unpacked beside the home and then renamed
//! into place; the folder's inode, journaled before, tells for certain which home this step made.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cutover_files::unpack::{UnpackError, UnpackReport, UnpackRequest, partial, unpack_zip};
use cutover_files::{Cancel, NoProgress, Progress, remove, space, tree};
use cutover_proto::crash;
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};
use cutover_proto::step::BlobRef;
use serde::{Deserialize, Serialize};

use super::{fetch, files};
use crate::durable;
use crate::facts::version;
use crate::fault;
use crate::service::inside::Inside;
use crate::service::{account, carbon};
use crate::task::Task;

/// What an unpack left, kept beyond its run: an aborted run must not make the next one unpack again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Marker {
    home: PathBuf,
    sha256: String,
    inode: String,
    tree: String,
}

pub(super) async fn perform(task: &Task, home: &str, distribution: &BlobRef) -> StepOutcome {
    let home = task.home(home)?;
    let marker_path = marker_path(task, &home)?;
    if let Some(receipt) = existing(task, &home, distribution, &marker_path).await? {
        return Ok(receipt);
    }
    let owner = owner(task, &home)?;
    let zip = fetch::blob(task, distribution).await?;
    let (task, sha256) = (task.clone(), distribution.sha256.to_string());
    let waiting = task.clone();
    waiting
        .blocking(move |cancel, progress| {
            let staging = staging(&task, &home);
            clear(&staging)?;
            let report = unpack(&zip, &staging, owner, progress, cancel)?;
            task.note("made", &inode(&staging)?)?;
            crash::point("staged", "unpack");
            fs::rename(&staging, &home)
                .and_then(|()| durable::sync_folder_of(&home))
                .map_err(|error| fault::io("move the unpacked distribution to", &home, &error))?;
            crash::point("renamed", "unpack");
            let marker = Marker {
                inode: inode(&home)?,
                tree: report.tree_hash.to_string(),
                home,
                sha256,
            };
            write_marker(&marker_path, &marker)?;
            // The archive is in the home now; a later run fetches it again if it needs it.
            durable::remove(&zip).map_err(|error| fault::io("remove", &zip, &error))?;
            Ok(receipt(&marker)
                .with("top", report.top)
                .with("files", report.files)
                .with("bytes", report.bytes))
        })
        .await
}

fn receipt(marker: &Marker) -> Receipt {
    let inside = Inside::open(&marker.home).ok().flatten();
    let named = |file: &str| {
        let (product, version) = version::in_file(inside.as_ref()?, file).ok()??;
        Some(format!("{product} {version}"))
    };
    let told = |file: &str| named(file).unwrap_or_else(|| format!("not told by {file}"));
    Receipt::new()
        .with("home", marker.home.display())
        .with("sha256", &marker.sha256)
        .with("tree_blake3", &marker.tree)
        .with("product", told("bin/version.txt"))
        .with("kernel", told("bin/wso2carbon-version.txt"))
}

/// A home that stands there already: what this step, or an earlier run, unpacked from the same archive; or
/// something else, which is never touched.
async fn existing(
    task: &Task,
    home: &Path,
    distribution: &BlobRef,
    marker_path: &Path,
) -> Result<Option<Receipt>, StepError> {
    if is_free(home).map_err(|error| fault::io("look at", home, &error))? {
        return Ok(None);
    }
    let now = inode(home)?;
    let made = task.noted("made").is_some_and(|made| made == now);
    let marker = read_marker(marker_path)
        .filter(|marker| marker.inode == now && marker.sha256 == distribution.sha256.as_str());
    let (task, home, sha256) = (task.clone(), home.to_owned(), distribution.sha256.to_string());
    let marker_path = marker_path.to_owned();
    let waiting = task.clone();
    waiting
        .blocking(move |cancel, _| {
            let root = files::root(&home)?;
            let found = tree::tree_hash(&root, "", None, &NoProgress, cancel)
                .map_err(|error| files::copy_failed("the home can't be read", &error))?;
            let found = found.to_string();
            match marker {
                Some(marker) if marker.tree == found => Ok(Some(receipt(&marker).with("reused", true))),
                _ if made => {
                    let marker = Marker {
                        inode: now,
                        tree: found,
                        home,
                        sha256,
                    };
                    write_marker(&marker_path, &marker)?;
                    Ok(Some(receipt(&marker).with("reused", false)))
                }
                Some(_) | None => Err(taken(&home)),
            }
        })
        .await
}

fn taken(home: &Path) -> StepError {
    StepError::new(
        ErrorCode::AlreadyExists,
        format!("nothing was unpacked into `{}`", home.display()),
        "something stands there that is not the untouched result of unpacking this distribution",
        "move it away, or leave `distribution` out of the upgrade file if this home is the new one",
    )
}

/// Whether nothing stands there, or an empty directory.
fn is_free(home: &Path) -> std::io::Result<bool> {
    match fs::read_dir(home) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

fn staging(task: &Task, home: &Path) -> PathBuf {
    home.parent()
        .unwrap_or(home)
        .join(format!(".cutover-unpack-{}", files::step_key(task)))
}

/// Removes what an earlier try left beside the home.
fn clear(path: &Path) -> Result<u64, StepError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(0);
    };
    remove::remove_tree(&files::root(parent)?, name)
        .map_err(|error| files::beneath("a left-over can't be removed", &error))
}

fn inode(path: &Path) -> Result<String, StepError> {
    let meta = fs::symlink_metadata(path).map_err(|error| fault::io("look at", path, &error))?;
    Ok(format!("{}:{}", meta.dev(), meta.ino()))
}

fn owner(task: &Task, home: &Path) -> Result<Option<(u32, u32)>, StepError> {
    let account = account::of_new_home(&task.agent.config, home)?;
    let is_root = rustix::process::geteuid().is_root();
    Ok(account
        .filter(|_| is_root)
        .map(|account| (account.uid, account.gid)))
}

fn unpack(
    zip: &Path,
    dest: &Path,
    owner: Option<(u32, u32)>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<UnpackReport, StepError> {
    let room = dest
        .parent()
        .and_then(|parent| space::free_bytes(parent).ok())
        .unwrap_or(0);
    let request = UnpackRequest {
        zip,
        dest,
        expect_top: None,
        max_bytes: room,
        owner,
        workers: None,
        progress,
        cancel,
    };
    unpack_zip(&request).map_err(|error| failed(&error))
}

fn failed(error: &UnpackError) -> StepError {
    let what = "the distribution was not unpacked";
    let code = match error {
        UnpackError::Cancelled(_) => return fault::cancelled(what),
        UnpackError::File(error) => files::file_code(error),
        UnpackError::Tree(error) => return files::copy_failed(what, error),
        UnpackError::TooLarge { .. } => ErrorCode::DiskFull,
        UnpackError::Occupied { .. } => ErrorCode::AlreadyExists,
        UnpackError::Zip { .. }
        | UnpackError::Entry { .. }
        | UnpackError::Escape { .. }
        | UnpackError::LinkEscape { .. }
        | UnpackError::Unexpected { .. }
        | UnpackError::Top { .. } => ErrorCode::ConfigRefused,
    };
    fault::other(
        code,
        what,
        error,
        "give the distribution as WSO2 ships it, or do what the reason says; then retry the step",
    )
}

fn marker_path(task: &Task, home: &Path) -> Result<PathBuf, StepError> {
    let folder = task
        .agent
        .state_folder("unpacked")
        .map_err(|error| fault::io("make a folder in", &task.agent.config.state_dir, &error))?;
    Ok(folder.join(format!("{}.json", durable::key(&home.to_string_lossy()))))
}

fn read_marker(path: &Path) -> Option<Marker> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn write_marker(path: &Path, marker: &Marker) -> Result<(), StepError> {
    let json =
        serde_json::to_vec(marker).map_err(|error| fault::internal("a marker can't be written", &error))?;
    durable::write_private(path, &json).map_err(|error| fault::io("write", path, &error))
}

/// Removes the home, only if this run made it.
pub(super) async fn undo(task: &Task, home: &str) -> StepOutcome {
    let home = task.home(home)?;
    let marker = marker_path(task, &home)?;
    let task = task.clone();
    let waiting = task.clone();
    waiting
        .blocking(move |_, _| {
            let staging = staging(&task, &home);
            let mut removed = clear(&staging)? + clear(&partial(&staging))?;
            let made = task.noted("made");
            if home.exists() && made.is_some_and(|made| inode(&home).is_ok_and(|now| now == made)) {
                if let Some(process) = carbon::find(&home).all().next() {
                    return Err(StepError::new(
                        ErrorCode::StillRunning,
                        format!("`{}` was not removed", home.display()),
                        format!("process {} works in it", process.pid),
                        "stop it, then retry the undo",
                    ));
                }
                removed += clear(&home)?;
                durable::remove(&marker).map_err(|error| fault::io("remove", &marker, &error))?;
                return Ok(Receipt::new()
                    .with("removed_entries", removed)
                    .with("home_removed", true));
            }
            Ok(Receipt::new()
                .with("removed_entries", removed)
                .with("home_removed", "no: this run did not make it"))
        })
        .await
}
