//! What the file actions share: the keep folder of a copy, its undo, and the receipts.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cutover_files::beneath::BeneathError;
use cutover_files::tree::{self, CopyReport, TreeError};
use cutover_files::{FileError, RelPath, Root};
use cutover_proto::ids::Sha256Hex;
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};

use crate::durable;
use crate::fault;
use crate::task::Task;

/// Paths named in a receipt; the number of all stands beside them.
const NAMED: usize = 50;

/// The folder for the journal and the preserved originals of a copy. Originals are put aside by renaming, so it
/// lies on the target's file system: in the state folder if that is on the same one, else beside the home.
pub(super) fn keep_path(task: &Task, to: &Path) -> Result<PathBuf, StepError> {
    if let Some(path) = task.noted("keep") {
        return Ok(PathBuf::from(path));
    }
    let state = &task.agent.config.state_dir;
    let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev());
    let same = matches!((device(state), device(to)), (Ok(state), Ok(to)) if state == to);
    let base = if same {
        state.join("keep")
    } else {
        to.parent().unwrap_or(to).join(".cutover-keep")
    };
    let path = base.join(step_key(task));
    task.note("keep", &path.to_string_lossy())?;
    Ok(path)
}

/// A name for everything that belongs to a step of a run, whatever the attempt and direction.
pub(super) fn step_key(task: &Task) -> String {
    durable::key(&format!("{}/{}", task.command.id.run, task.command.id.step))
}

/// Opens the keep folder, making it if needed.
pub(super) fn keep(path: &Path) -> Result<Root, StepError> {
    durable::private_folder(path).map_err(|error| fault::io("make", path, &error))?;
    root(path)
}

/// Opens a folder as a root.
pub(super) fn root(path: &Path) -> Result<Root, StepError> {
    Root::open(path).map_err(|error| beneath("a folder can't be opened", &error))
}

/// Takes a copy or carry back.
pub(super) async fn undo_copy(task: &Task, to: &str) -> StepOutcome {
    let to = task.home(to)?;
    let Some(path) = task.noted("keep").map(PathBuf::from) else {
        return Ok(Receipt::new().with("undone", "nothing: the step had copied nothing"));
    };
    task.blocking(move |_, _| {
        if !path.exists() || !to.exists() {
            return Ok(Receipt::new().with("undone", "nothing: the step had copied nothing"));
        }
        let report = tree::undo_copy(&root(&to)?, &keep(&path)?)
            .map_err(|error| copy_failed("the copy can't be taken back", &error))?;
        Ok(Receipt::new()
            .with("removed", report.removed)
            .with("restored", report.restored)
            .with("directories_removed", report.dirs_removed)
            .with("set_aside", paths(&report.set_aside))
            .with("directories_left", paths(&report.dirs_left)))
    })
    .await
}

/// What a copy did, for its receipt.
pub(super) fn copied(report: &CopyReport) -> Receipt {
    Receipt::new()
        .with("files", report.files)
        .with("bytes", report.bytes)
        .with("links", report.links)
        .with("reused", report.reused)
        .with("bytes_copied", report.bytes_copied)
        .with("tree_blake3", report.tree_hash)
        .with("overwritten", paths(&report.overwritten))
        .with("kept_of_the_target", paths(&report.kept_own))
        .with("kept", paths(&report.kept))
        .with("kept_sha256", list_hash(&report.kept))
        .with("withdrawn", paths(&report.withdrawn))
        .with("set_aside", paths(&report.set_aside))
        .with("attributes_lost", report.attributes_lost)
}

/// How many, and the first of them.
pub(super) fn paths(paths: &[RelPath]) -> String {
    let named: Vec<String> = paths.iter().take(NAMED).map(ToString::to_string).collect();
    match paths.len() {
        0 => "0".to_owned(),
        all if all > NAMED => format!("{all}: {}, …", named.join(", ")),
        all => format!("{all}: {}", named.join(", ")),
    }
}

/// A hash of the whole list, one path to a line: what a shortened list leaves out is evident all the same.
fn list_hash(paths: &[RelPath]) -> Sha256Hex {
    let mut lines = Vec::new();
    for path in paths {
        lines.extend_from_slice(path.as_bytes());
        lines.push(b'\n');
    }
    Sha256Hex::of(&lines)
}

/// A path beneath a root that was not reached.
pub(super) fn beneath(what: &str, error: &BeneathError) -> StepError {
    let (code, next) = match error {
        BeneathError::Path(_) | BeneathError::Escape { .. } => (
            ErrorCode::PolicyRefused,
            "only what lies under the home is touched; correct the path or the link",
        ),
        BeneathError::File(error) => (
            file_code(error),
            "look at the file system there, then retry the step",
        ),
    };
    fault::other(code, what, error, next)
}

/// The code of a file error.
pub(super) fn file_code(error: &FileError) -> ErrorCode {
    match error {
        FileError::NoSpace { .. } => ErrorCode::DiskFull,
        FileError::Io { source, .. } => fault::code_of(source.kind()),
    }
}

/// A copy, carry or undo that failed.
pub(super) fn copy_failed(what: &str, error: &TreeError) -> StepError {
    let code = match error {
        TreeError::Cancelled(_) => return fault::cancelled(what),
        TreeError::Beneath(error) => return beneath(what, error),
        TreeError::File(error) => file_code(error),
        TreeError::Corrupted { .. } => ErrorCode::HashMismatch,
        TreeError::Conflict { .. } | TreeError::Appeared { .. } => ErrorCode::AlreadyExists,
        TreeError::Configuration { .. } | TreeError::Pattern { .. } => ErrorCode::ConfigRefused,
        TreeError::SourceChanged { .. }
        | TreeError::Special { .. }
        | TreeError::OtherFileSystem { .. }
        | TreeError::OtherCopy { .. }
        | TreeError::Busy { .. }
        | TreeError::Journal { .. }
        | TreeError::OriginalMissing { .. } => ErrorCode::Io,
    };
    let next = "do what the reason says, then retry the step: it goes on where it stopped";
    fault::other(code, what, error, next)
}
