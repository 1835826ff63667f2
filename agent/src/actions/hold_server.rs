//! Promises that the server of a home stays down. It does not stop one: the step refuses a home whose server runs,
//! and where a hold accompanies another action a server that runs now is tolerated.

use std::path::Path;

use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};

use crate::service::carbon::{self, Process};
use crate::service::guard::{self, GuardState};
use crate::service::hold::Hold;
use crate::task::Task;

/// The step: the server is down, and stays down.
pub(super) async fn perform(task: &Task, home: &str) -> StepOutcome {
    let real = task.home(home)?;
    task.agent.holds.check_owner(&real, task.command.id.run)?;
    task.blocking(move |_, _| match carbon::find(&real).all().next() {
        Some(process) => Err(runs(&real, process)),
        None => Ok(()),
    })
    .await?;
    keep_down(task, home).await
}

fn runs(home: &Path, process: Process) -> StepError {
    StepError::new(
        ErrorCode::StillRunning,
        format!("the server of `{}` was not held down", home.display()),
        format!(
            "its process {} runs, and a new version must not be connected to anything before the upgrade",
            process.pid
        ),
        "stop it by its own script, see to it that nothing starts it again, then retry the step",
    )
}

/// Holds a home for an action that stops the server itself, or that takes a start back.
pub(super) async fn keep_down(task: &Task, home: &str) -> StepOutcome {
    let home = task.home(home)?;
    let (agent, run, reason) = (task.agent.clone(), task.command.id.run, reason(task));
    task.blocking(move |_, _| {
        let running = carbon::find(&home).servers;
        let state = agent.holds.hold(Hold {
            home: home.clone(),
            run,
            reason,
            tolerated: running
                .iter()
                .map(|process| (process.pid, process.started_ticks))
                .collect(),
        })?;
        let receipt = Receipt::new()
            .with("held", home.display())
            .with("guard", guard_word(state)?);
        Ok(receipt.with("running", running.len()))
    })
    .await
}

/// Why the hold is there, as a person will read it.
pub(super) fn reason(task: &Task) -> String {
    if task.command.reason.is_empty() {
        format!("step {}", task.command.id.step)
    } else {
        task.command.reason.clone()
    }
}

/// How the guard stands, for a receipt.
pub(super) fn guard_word(state: GuardState) -> Result<&'static str, StepError> {
    match state {
        GuardState::Guarded => Ok("bin/wso2server.sh is replaced by the guard"),
        GuardState::NoScript => Ok("no bin/wso2server.sh to guard"),
        GuardState::Open | GuardState::OriginalMissing => Err(StepError::new(
            cutover_proto::report::ErrorCode::Io,
            "the start script can't be guarded",
            format!(
                "`{}` is missing beside the guard",
                guard::held_script(std::path::Path::new("")).display()
            ),
            "put the server's own start script back from a backup, then retry the step",
        )),
    }
}
