//! Gives the promise up that a server stays down.

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
