//! Stops the server of a home and holds it: hold first, then SIGTERM by process handle, wait, and only then
//! SIGKILL if the plan says so. Pid files and exit codes are not believed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cutover_proto::ids::RunId;
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};

use super::{hold_server, prove_ready, release_hold, start_server};
use crate::fault;
use crate::service::account;
use crate::service::carbon::{self, HomeProcesses, Process};
use crate::service::hold::Hold;
use crate::service::log;
use crate::service::pidfd::ProcessHandle;
use crate::task::Task;

/// How long a killed process may take to vanish; longer means it hangs in the kernel.
const VANISH: Duration = Duration::from_secs(15);
/// How often processes of the home are looked for while waiting.
const LOOK: Duration = Duration::from_millis(200);
/// A start script that outlives its server this long is waiting for something else.
const SCRIPT_GRACE: Duration = Duration::from_secs(3);
/// Time for the old server to come back when a stop is undone.
const RESTART_SECS: u32 = 600;

pub(super) async fn perform(task: &Task, home: &str, grace_secs: u32, kill: bool) -> StepOutcome {
    let home = task.home(home)?;
    // Before anything is noted: the undo of a stop that another run's hold refused must start nothing.
    task.agent.holds.check_owner(&home, task.command.id.run)?;
    // A server that may not be started again must not be stopped either: the undo could not bring it back.
    account::of_server(&task.agent.config, &home)?;
    let before = look(task, &home).await?;
    remember(task, &before)?;
    let stopping = task.agent.holds.stopping(&home);
    let guard = hold(task, &home, &before).await?;
    let receipt = end(task, &home, Duration::from_secs(u64::from(grace_secs)), kill).await?;
    drop(stopping);
    let was_running = task.noted("was_running").as_deref() == Some("yes");
    Ok(with_pid_file(receipt, &home, &before)
        .with("was_running", was_running)
        .with("guard", guard))
}

/// Notes once, before anything is done, whether a server ran: the undo starts it only then.
fn remember(task: &Task, before: &HomeProcesses) -> Result<(), StepError> {
    if task.noted("was_running").is_some() {
        return Ok(());
    }
    if let Some(server) = before.servers.first() {
        task.note("pid", &server.pid.to_string())?;
        task.note("started_ticks", &server.started_ticks.to_string())?;
    }
    let running = !before.servers.is_empty();
    task.note("was_running", if running { "yes" } else { "no" })
}

/// Notes which processes were asked to stop, before they are: until each is gone it is a server that is dying, and
/// must not be taken for one that runs.
fn remember_signalled(task: &Task, found: &HomeProcesses) -> Result<(), StepError> {
    let mut all = signalled(task);
    all.extend(found.all());
    let words: Vec<String> = all
        .iter()
        .map(|process| format!("{}:{}", process.pid, process.started_ticks))
        .collect();
    task.note("signalled", &words.join(" "))
}

fn signalled(task: &Task) -> BTreeSet<Process> {
    let noted = task.noted("signalled").unwrap_or_default();
    let words = noted.split_ascii_whitespace();
    words
        .filter_map(|word| {
            let (pid, ticks) = word.split_once(':')?;
            Some(Process {
                pid: pid.parse().ok()?,
                started_ticks: ticks.parse().ok()?,
            })
        })
        .collect()
}

async fn look(task: &Task, home: &Path) -> Result<HomeProcesses, StepError> {
    let home = home.to_owned();
    task.blocking(move |_, _| Ok(carbon::find(&home))).await
}

/// The servers that run now are tolerated by the hold: whether they are killed is for this step to say.
async fn hold(task: &Task, home: &Path, before: &HomeProcesses) -> Result<&'static str, StepError> {
    let (agent, hold) = (
        task.agent.clone(),
        Hold {
            home: home.to_owned(),
            run: task.command.id.run,
            reason: hold_server::reason(task),
            tolerated: before.servers.iter().map(|p| (p.pid, p.started_ticks)).collect(),
        },
    );
    let state = task.blocking(move |_, _| agent.holds.hold(hold)).await?;
    hold_server::guard_word(state)
}

/// A stale pid file can name a process of someone else, which is never signalled.
fn with_pid_file(receipt: Receipt, home: &Path, before: &HomeProcesses) -> Receipt {
    match carbon::pid_file(home) {
        Ok(Some(pid))
            if before.all().all(|process| process.pid != pid) && carbon::identify(pid).is_some() =>
        {
            receipt.with(
                "pid_file",
                format!("stale: {pid} is a process of something else and was left alone"),
            )
        }
        Ok(Some(pid)) => receipt.with("pid_file", pid),
        Ok(None) => receipt,
        Err(error) => receipt.with("pid_file", format!("not read: {error}")),
    }
}

/// Ends every process of the home.
pub(super) async fn end(task: &Task, home: &Path, grace: Duration, kill: bool) -> Result<Receipt, StepError> {
    let began = Instant::now();
    let mut ending = Ending {
        home: home.to_owned(),
        run: task.command.id.run,
        deadline: began + grace,
        kill,
        stopped: Vec::new(),
        killed: Vec::new(),
    };
    let mut servers_gone = None;
    loop {
        let found = look(task, home).await?;
        if found.is_empty() {
            break;
        }
        remember_signalled(task, &found)?;
        for server in &found.servers {
            ending.server(task, *server).await?;
        }
        if found.servers.is_empty() {
            // The script ends after its server, unless that exited with 121; then it would start another one.
            let since = *servers_gone.get_or_insert_with(Instant::now);
            if since.elapsed() >= SCRIPT_GRACE || Instant::now() >= ending.deadline {
                for script in &found.launchers {
                    signal(*script, home, ProcessHandle::terminate)?;
                }
            }
            if since.elapsed() >= SCRIPT_GRACE + VANISH {
                return Err(ending.still_running(found.launchers.first().copied()));
            }
            task.pause(LOOK, "the server was asked to stop").await?;
        }
    }
    Ok(ending.receipt(began.elapsed()))
}

struct Ending {
    home: PathBuf,
    run: RunId,
    deadline: Instant,
    kill: bool,
    stopped: Vec<Process>,
    killed: Vec<Process>,
}

impl Ending {
    /// Asks one server to stop and waits for it, to the deadline.
    async fn server(&mut self, task: &Task, server: Process) -> Result<(), StepError> {
        let Some(handle) = open(server, &self.home)? else {
            return Ok(());
        };
        handle
            .terminate()
            .map_err(|error| signal_failed(server, &self.home, &error))?;
        let left = self.deadline.saturating_duration_since(Instant::now());
        let ended = tokio::select! {
            ended = tokio::time::timeout(left, handle.ended()) => ended,
            () = task.cancel.cancelled() => return Err(fault::cancelled("the server was asked to stop")),
        };
        match ended {
            Ok(ended) => ended.map_err(|error| fault::internal("can't wait for the server's end", &error))?,
            Err(_) if self.kill => {
                handle
                    .kill()
                    .map_err(|error| signal_failed(server, &self.home, &error))?;
                if tokio::time::timeout(VANISH, handle.ended()).await.is_err() {
                    return Err(self.still_running(Some(server)));
                }
                self.killed.push(server);
            }
            Err(_) => return Err(self.still_running(Some(server))),
        }
        self.stopped.push(server);
        Ok(())
    }

    fn still_running(&self, process: Option<Process>) -> StepError {
        let pid = process.map_or_else(|| "?".to_owned(), |process| process.pid.to_string());
        let (why, next) = if self.kill {
            (
                format!("process {pid} is still there although it was killed: it hangs in the kernel"),
                "look at its disks and network mounts; only a reboot may end it. It is held all the same"
                    .to_owned(),
            )
        } else {
            (
                format!("process {pid} did not end in the time that the plan gives it"),
                format!(
                    "look at the server's log: requests or deployments may not end. End process {pid} by hand, then \
                     `cutover retry {run}`; or `cutover abort {run}`, change `[stop]` in the upgrade file and plan \
                     again. The server is held, so it will not come back",
                    run = self.run
                ),
            )
        };
        let what = format!("the server of `{}` did not stop", self.home.display());
        StepError::new(ErrorCode::StillRunning, what, why, next)
    }

    fn receipt(&self, took: Duration) -> Receipt {
        let pids = |list: &[Process]| {
            list.iter()
                .map(|p| p.pid.to_string())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let mut receipt = Receipt::new()
            .with("millis", took.as_millis())
            .with("killed", !self.killed.is_empty());
        if !self.stopped.is_empty() {
            receipt = receipt
                .with("pid", pids(&self.stopped))
                .with("log", shutdown_mark(&self.home));
        }
        receipt
    }
}

/// How far the server said it came. Nothing is decided by it: gone is gone.
fn shutdown_mark(home: &Path) -> String {
    const MARKS: [&str; 4] = [
        "Halting JVM",
        "Shutdown complete",
        "Shutting down",
        "Shutdown hook triggered",
    ];
    let lines = log::last_lines(home, 200);
    let found = lines
        .iter()
        .rev()
        .find(|line| MARKS.iter().any(|mark| line.contains(mark)));
    found
        .cloned()
        .unwrap_or_else(|| "the log does not tell of a shutdown".to_owned())
}

fn open(process: Process, home: &Path) -> Result<Option<ProcessHandle>, StepError> {
    let handle = ProcessHandle::open(process).map_err(|error| signal_failed(process, home, &error))?;
    // The search and the handle are two looks; the command line is asked again now that the process can't change.
    let ours = handle
        .as_ref()
        .is_some_and(|_| carbon::is_server_of(process, home));
    Ok(handle.filter(|_| ours))
}

fn signal(
    process: Process,
    home: &Path,
    send: impl Fn(&ProcessHandle) -> std::io::Result<()>,
) -> Result<(), StepError> {
    match ProcessHandle::open(process) {
        Ok(Some(handle)) => send(&handle).map_err(|error| signal_failed(process, home, &error)),
        Ok(None) => Ok(()),
        Err(error) => Err(signal_failed(process, home, &error)),
    }
}

fn signal_failed(process: Process, home: &Path, error: &std::io::Error) -> StepError {
    StepError::new(
        ErrorCode::StillRunning,
        format!("process {} of `{}` can't be stopped", process.pid, home.display()),
        error.to_string(),
        "run the agent as root or as the server's own user, then retry the step",
    )
}

/// Releases the hold, and starts the server again if this step had stopped it.
pub(super) async fn undo(task: &Task, home: &str) -> StepOutcome {
    let real = task.home(home)?;
    if let Some(left_alone) = release_hold::held_by_other(task, &real) {
        return Ok(left_alone);
    }
    if task.noted("was_running").as_deref() != Some("yes") {
        let (agent, run) = (task.agent.clone(), task.command.id.run);
        let was_held = task.blocking(move |_, _| agent.holds.release(&real, run)).await?;
        return Ok(Receipt::new()
            .with("was_held", was_held)
            .with("started", "no: no server ran before the step"));
    }
    let signalled = signalled(task);
    end_signalled(task, &real, &signalled).await?;
    let started = start_server::bring_back(task, home).await?;
    let ready = prove_ready::again(task, home, RESTART_SECS, signalled).await?;
    let mut receipt = started;
    receipt.evidence.extend(ready.evidence);
    Ok(receipt)
}

/// Waits for a server that was asked to stop and is not gone yet: it will not serve again.
async fn end_signalled(task: &Task, home: &Path, signalled: &BTreeSet<Process>) -> Result<(), StepError> {
    if look(task, home)
        .await?
        .all()
        .any(|process| signalled.contains(&process))
    {
        let stopping = task.agent.holds.stopping(home);
        end(task, home, start_server::UNDO_GRACE, true).await?;
        drop(stopping);
    }
    Ok(())
}
