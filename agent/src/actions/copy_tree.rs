//! Copies a directory tree from one home to another.

use std::path::Path;

use cutover_files::tree::{CopyRequest, Existing, copy_tree};
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};

use super::files;
use crate::task::Task;

/// What becomes of the new home's own files.
#[derive(Debug)]
pub(super) struct Own {
    /// Whether they stay.
    pub(super) protect: bool,
    /// Patterns of those that do not.
    pub(super) overwrite: Vec<String>,
}

pub(super) async fn perform(task: &Task, from: &str, to: &str, path: &str, own: Own) -> StepOutcome {
    let (from, to, path) = (task.home(from)?, task.home(to)?, path.to_owned());
    if from == to {
        return Err(same_home(&from));
    }
    let keep = files::keep_path(task, &to)?;
    task.blocking(move |cancel, progress| {
        let (from, to, keep) = (files::root(&from)?, files::root(&to)?, files::keep(&keep)?);
        // A home that never had tenants has no such folder, and the copy of nothing is nothing.
        let there = from
            .exists(&path)
            .map_err(|error| files::beneath("the directory can't be copied", &error))?;
        if !there {
            return Ok(Receipt::new()
                .with("files", 0)
                .with("absent", format!("`{path}` is not in the old home")));
        }
        let report = copy_tree(&CopyRequest {
            from: &from,
            from_path: Path::new(&path),
            to: &to,
            to_path: Path::new(&path),
            keep: &keep,
            existing: if own.protect {
                Existing::Keep {
                    except: &own.overwrite,
                }
            } else {
                Existing::Replace
            },
            workers: None,
            progress,
            cancel,
        })
        .map_err(|error| files::copy_failed(&format!("`{path}` was not copied"), &error))?;
        Ok(files::copied(&report)
            .with("path", &path)
            .with("keep", keep.path().display()))
    })
    .await
}

/// A plan that copies a home onto itself is wrong.
pub(super) fn same_home(home: &Path) -> StepError {
    StepError::new(
        ErrorCode::ConfigRefused,
        "nothing was copied",
        format!("the old and the new home are both `{}`", home.display()),
        "correct `home.old` and `home.new` in the upgrade file and plan again",
    )
}
