//! Gives the promise up that a server stays down.

use cutover_proto::report::{Receipt, StepOutcome};

use crate::task::Task;

pub(super) async fn perform(task: &Task, home: &str) -> StepOutcome {
    let home = task.home(home)?;
    let (agent, run) = (task.agent.clone(), task.command.id.run);
    task.blocking(move |_, _| {
        let was_held = agent.holds.release(&home, run)?;
        Ok(Receipt::new()
            .with("released", home.display())
            .with("was_held", was_held))
    })
    .await
}
