//! Proves that no process of a home is left, that its ports are closed and that it is held.

use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};

use crate::facts;
use crate::service::guard::{self, GuardState};
use crate::service::{carbon, ports};
use crate::task::Task;

pub(super) async fn perform(task: &Task, home: &str) -> StepOutcome {
    let home = task.home(home)?;
    let (agent, run) = (task.agent.clone(), task.command.id.run);
    task.blocking(move |_, _| {
        let found = carbon::find(&home);
        if let Some(process) = found.all().next() {
            return Err(StepError::new(
                ErrorCode::StillRunning,
                format!("the server of `{}` is not stopped", home.display()),
                format!("process {} names this home on its command line", process.pid),
                format!("end process {} by hand, then `cutover retry {run}`", process.pid),
            ));
        }
        let used = facts::ports(&home);
        let wanted = [used.https, used.http];
        let mut receipt = Receipt::new()
            .with("processes", 0)
            .with("ports", format!("{wanted:?}"));
        for listener in ports::listeners(&wanted) {
            // Another program has the port: that is not this server, but the new one would not get it either.
            let holder = listener.pid.map_or_else(
                || "an unknown process".to_owned(),
                |pid| format!("process {pid} ({})", program(pid)),
            );
            receipt = receipt.with(
                &format!("port_{}", listener.port),
                format!("held by {holder}, not by this home"),
            );
            if listener.pid.is_none() {
                return Err(StepError::new(
                    ErrorCode::StillRunning,
                    format!("port {} of `{}` is still open", listener.port, home.display()),
                    "the process that listens there can't be found out",
                    "find it with `ss -ltnp` and end it, or run the agent as root; then retry the step",
                ));
            }
        }
        let hold = agent.holds.get(&home);
        let guarded = matches!(
            guard::state(&home),
            Ok(GuardState::Guarded | GuardState::NoScript)
        );
        match hold {
            Some(hold) if guarded => Ok(receipt.with("held_by", hold.run)),
            Some(_) | None => Err(StepError::new(
                ErrorCode::NotFound,
                format!("the server of `{}` is down, but not held", home.display()),
                "without a hold it can come back at any time",
                "run the stop or hold step for this home, then retry this one",
            )),
        }
    })
    .await
}

fn program(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm"))
        .map_or_else(|_| "?".to_owned(), |name| name.trim().to_owned())
}
