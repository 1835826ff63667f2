//! Carries single files, such as drivers and keystores, from one home to another.

use cutover_files::carry::{CarryRequest, carry};
use cutover_proto::report::StepOutcome;

use super::{copy_tree, files};
use crate::task::Task;

pub(super) async fn perform(task: &Task, from: &str, to: &str, patterns: &[String]) -> StepOutcome {
    let (from, to, patterns) = (task.home(from)?, task.home(to)?, patterns.to_vec());
    if from == to {
        return Err(copy_tree::same_home(&from));
    }
    let keep = files::keep_path(task, &to)?;
    task.blocking(move |cancel, progress| {
        let (from, to, keep) = (files::root(&from)?, files::root(&to)?, files::keep(&keep)?);
        let report = carry(&CarryRequest {
            from: &from,
            to: &to,
            patterns: &patterns,
            keep: &keep,
            workers: None,
            progress,
            cancel,
        })
        .map_err(|error| files::copy_failed("the files were not carried over", &error))?;
        Ok(files::copied(&report.copy)
            .with("unmatched_patterns", report.unmatched.join(", "))
            .with("keep", keep.path().display()))
    })
    .await
}
