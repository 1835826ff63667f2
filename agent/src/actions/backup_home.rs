//! Backs up a home into the node's backup folder, and reads the archive back before it counts.

use std::path::Path;

use cutover_files::archive::{
    ArchiveError, BackupReceipt, BackupRequest, DEFAULT_EXCLUDES, backup, manifest_path, verify,
};
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};

use super::files;
use crate::fault;
use crate::service::carbon;
use crate::task::Task;

pub(super) async fn perform(task: &Task, home: &str, name: &str) -> StepOutcome {
    let home = task.home(home)?;
    // A run id begins with the time of its start: backups of one upgrade tried twice stand side by side.
    let run = task.command.id.run.to_string();
    let stamp = run.get(..13).unwrap_or(&run);
    let archive = task
        .agent
        .config
        .backup_dir
        .join(format!("{name}-{stamp}.tar.zst"));
    // A backup of another run is never replaced; one that an earlier try of this step left is.
    if archive.exists() && task.noted("archive").is_none() {
        return Err(StepError::new(
            ErrorCode::AlreadyExists,
            format!("the backup `{}` was not taken", archive.display()),
            "a backup of another run has this name",
            "move it away if it is not needed, then retry the step",
        ));
    }
    task.note("archive", &archive.to_string_lossy())?;
    let held = task.agent.holds.get(&home).is_some();
    task.blocking(move |cancel, progress| {
        let running = !carbon::find(&home).servers.is_empty();
        let request = BackupRequest {
            source: &home,
            dest: &archive,
            exclude: &DEFAULT_EXCLUDES.map(str::to_owned),
            progress,
            cancel,
        };
        let taken = backup(&request).map_err(|error| failed(&home, &error))?;
        verify(&archive, &taken, &cutover_files::NoProgress, cancel)
            .map_err(|error| failed(&home, &error))?;
        Ok(receipt(&taken).with("server_running", running).with("held", held))
    })
    .await
}

fn receipt(taken: &BackupReceipt) -> Receipt {
    Receipt::new()
        .with("file", taken.file.display())
        .with("bytes", taken.size)
        .with("sha256", taken.sha256)
        .with("entries", taken.entries)
        .with("content_bytes", taken.content_bytes)
        .with("manifest", manifest_path(&taken.file).display())
        .with("manifest_sha256", taken.manifest_sha256)
        .with("tree_blake3", taken.tree_hash)
        .with("verified", true)
        .with("excluded", files::paths(&taken.excluded))
        .with("skipped", files::paths(&taken.skipped))
        .with("changed_while_read", files::paths(&taken.changed_while_read))
        .with("vanished", files::paths(&taken.vanished))
}

fn failed(home: &Path, error: &ArchiveError) -> StepError {
    let what = format!("the backup of `{}` failed", home.display());
    let code = match error {
        ArchiveError::Cancelled(_) => return fault::cancelled(&what),
        ArchiveError::Beneath(error) => return files::beneath(&what, error),
        ArchiveError::Tree(error) => return files::copy_failed(&what, error),
        ArchiveError::File(error) => files::file_code(error),
        ArchiveError::Damaged { .. } | ArchiveError::Unreadable { .. } | ArchiveError::BadPath { .. } => {
            ErrorCode::HashMismatch
        }
        ArchiveError::Inside { .. } | ArchiveError::Pattern { .. } => ErrorCode::ConfigRefused,
        ArchiveError::Occupied { .. } => ErrorCode::AlreadyExists,
        ArchiveError::Truncated { .. } => ErrorCode::Io,
    };
    fault::other(
        code,
        what,
        error,
        "do what the reason says, then retry the step; nothing may be changed before it succeeds",
    )
}
