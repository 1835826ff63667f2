//! Stops held servers that came back by themselves, and says so.

use std::sync::Arc;
use std::time::Duration;

use cutover_proto::crash;
use tracing::{error, info, warn};

use crate::agent::Agent;
use crate::outbox::BrokenHold;
use crate::service::carbon::{self, Process};
use crate::service::hold::{Hold, Holds};
use crate::service::pidfd::ProcessHandle;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A server that just came up has little to lose: it gets this long before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// Puts missing guards back, and logs it.
pub fn restore(holds: &Holds) {
    for (home, restored) in holds.restore_guards() {
        match restored {
            Ok(state) => info!(home = %home.display(), state = ?state, "guard of a held server put back"),
            Err(cause) => {
                error!(home = %home.display(), error = %cause, "guard of a held server can't be put back")
            }
        }
    }
}

/// Looks at every held home each second, until the agent ends.
pub async fn run(agent: Arc<Agent>) {
    loop {
        tokio::select! {
            () = agent.shutdown.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        for hold in agent.holds.watched() {
            look(&agent, &hold).await;
        }
        restore(&agent.holds);
    }
}

async fn look(agent: &Agent, hold: &Hold) {
    let home = hold.home.clone();
    let Ok(found) = tokio::task::spawn_blocking(move || carbon::find(&home)).await else {
        return;
    };
    let back: Vec<Process> = found
        .servers
        .into_iter()
        .filter(|&process| !hold.tolerates(process))
        .collect();
    for process in back {
        // The search took a while: the hold may have been released, and the server started on command.
        if !agent.holds.is_watched(hold) || !carbon::is_server_of(process, &hold.home) {
            continue;
        }
        let command = describe(process);
        warn!(home = %hold.home.display(), pid = process.pid, command, "held server came back; stopping it again");
        crash::point("before-stop", "watcher");
        match stop(process).await {
            Ok(()) => agent.outbox.hold_broken(BrokenHold {
                home: hold.home.clone(),
                pid: process.pid,
                command,
            }),
            Err(cause) => error!(pid = process.pid, error = %cause, "held server can't be stopped"),
        }
    }
}

async fn stop(process: Process) -> std::io::Result<()> {
    let Some(handle) = ProcessHandle::open(process)? else {
        return Ok(());
    };
    handle.terminate()?;
    if tokio::time::timeout(GRACE, handle.ended()).await.is_err() {
        handle.kill()?;
        handle.ended().await?;
    }
    Ok(())
}

/// The program and its parent: arguments may hold passwords and are not told.
fn describe(process: Process) -> String {
    let program = carbon::command_line(process.pid).and_then(|args| args.into_iter().next());
    let program = program.map_or_else(
        || "?".to_owned(),
        |name| String::from_utf8_lossy(&name).into_owned(),
    );
    match carbon::parent(process.pid) {
        Some((pid, name)) => format!("{program}, started by {name} (pid {pid})"),
        None => program,
    }
}
