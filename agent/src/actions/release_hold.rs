//! Gives the promise up that a server stays down.

use std::path::Path;

use cutover_proto::report::{Receipt, StepOutcome};

use crate::task::Task;

pub(super) async fn perform(task: &Task, home: &str) -> StepOutcome {
    let home = task.home(home)?;
    let agent = task.agent.clone();
    task.blocking(move |_, _| {
        let given_up = agent.holds.give_up(&home)?;
        let receipt = Receipt::new()
            .with("released", home.display())
            .with("was_held", given_up.is_some());
        Ok(match given_up {
            Some(hold) => receipt.with("held_by_run", hold.run),
            None => receipt,
        })
    })
    .await
}

/// Takes this run's own hold back. One that another run made meanwhile is that run's promise.
pub(super) async fn undo_hold(task: &Task, home: &str) -> StepOutcome {
    let home = task.home(home)?;
    if let Some(left_alone) = held_by_other(task, &home) {
        return Ok(left_alone);
    }
    let (agent, run) = (task.agent.clone(), task.command.id.run);
    task.blocking(move |_, _| {
        let was_held = agent.holds.release(&home, run)?;
        Ok(Receipt::new()
            .with("released", home.display())
            .with("was_held", was_held))
    })
    .await
}

/// What an undo reports of a home that another run holds; `None` when none does.
pub(super) fn held_by_other(task: &Task, home: &Path) -> Option<Receipt> {
    let hold = task.agent.holds.get(home)?;
    (hold.run != task.command.id.run).then(|| {
        Receipt::new().with("held_by_run", hold.run).with(
            "released",
            "no: the hold is not ours but another run's; left alone",
        )
    })
}
