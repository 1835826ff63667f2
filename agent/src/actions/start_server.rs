//! Starts the server of a home by its own script. The script's exit code proves nothing: started is a process
//! that names this home on its command line; ready is for [`super::prove_ready`] to say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};

use super::{hold_server, stop_server};
use crate::durable;
use crate::fault;
use crate::service::account::{self, Account};
use crate::service::carbon::{self, HomeProcesses, Process};
use crate::service::guard::{self, GuardState};
use crate::service::inside::Inside;
use crate::service::log::{self, LogMark};
use crate::service::start::{self, StartRecord};
use crate::task::Task;

/// How long the script may take to return, and then the server to appear.
const SCRIPT: Duration = Duration::from_secs(60);
const APPEAR: Duration = Duration::from_secs(60);
/// With neither server nor start script for this long, the server has come and gone.
const NOTHING: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);
/// When a step is undone, a server that has to go gets this long before it is killed: nobody uses it.
pub(super) const UNDO_GRACE: Duration = Duration::from_secs(180);

/// Whose server may be there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accept {
    /// Only one that this run has started.
    OwnStart,
    /// Whichever serves the home.
    Any,
}

pub(super) async fn perform(task: &Task, home: &str) -> StepOutcome {
    start(task, home, Accept::OwnStart).await
}

/// Starts the server of a home that served before this run; one that runs already is as good.
pub(super) async fn bring_back(task: &Task, home: &str) -> StepOutcome {
    start(task, home, Accept::Any).await
}

async fn start(task: &Task, home: &str, accept: Accept) -> StepOutcome {
    let home = task.home(home)?;
    let (agent, run_id) = (&task.agent, task.command.id.run);
    agent.holds.check_owner(&home, run_id)?;
    let found = look(task, &home).await?;
    let own = StartRecord::read(&agent.config.state_dir, &home).filter(|record| record.run == run_id);
    if let (Some(process), None, Accept::OwnStart) = (found.all().next(), &own, accept) {
        return Err(not_ours(&home, process));
    }
    if let Some(server) = found.servers.first() {
        release(task, &home).await?;
        return Ok(Receipt::new()
            .with("pid", server.pid)
            .with("already_running", true));
    }
    java(task)?;
    let account = account::of_server(&agent.config, &home)?;
    let began = Instant::now();
    // The script is at work already when the agent died right after running it. Twice would be two servers.
    let launching = !found.launchers.is_empty();
    let mark = match own.filter(|_| launching) {
        Some(record) => record.log,
        None => record_start(task, &home)?,
    };
    remember_hold(task, &home)?;
    let stale = if launching {
        None
    } else {
        remove_stale_pid_file(&home)?
    };
    release(task, &home).await?;
    let output = output_path(task)?;
    let started = if launching {
        appear(task, &home, None, &output).await
    } else {
        run(task, account.as_ref(), &home, &output).await
    };
    let server = match started {
        Ok(server) => server,
        Err(error) => {
            hold_again(task, &home).await?;
            return Err(error);
        }
    };
    let receipt = Receipt::new()
        .with("pid", server.pid)
        .with("started_ticks", server.started_ticks)
        .with("millis", began.elapsed().as_millis())
        .with("log_offset", mark.size)
        .with("output", output.display());
    Ok(match stale {
        Some((pid, true)) => receipt.with(
            "stale_pid_file",
            format!("named process {pid} of something else; removed"),
        ),
        Some((pid, false)) => receipt.with(
            "stale_pid_file",
            format!("named process {pid}, which is gone; removed"),
        ),
        None => receipt,
    })
}

fn not_ours(home: &Path, process: Process) -> StepError {
    StepError::new(
        ErrorCode::AlreadyExists,
        format!("the server of `{}` was not started", home.display()),
        format!(
            "the server is already running (pid {}), and this run did not start it",
            process.pid
        ),
        "find out who started it, stop it, then retry the step",
    )
}

/// Remembers where the log stands before the start.
fn record_start(task: &Task, home: &Path) -> Result<LogMark, StepError> {
    let state_dir = &task.agent.config.state_dir;
    let record = StartRecord {
        home: home.to_owned(),
        run: task.command.id.run,
        log: log::mark(home).map_err(|error| fault::io("look at", &log::path(home), &error))?,
    };
    record
        .write(state_dir)
        .map_err(|error| fault::io("record the start in", state_dir, &error))?;
    Ok(record.log)
}

/// Notes once whether the home was held: after a crash behind the release the hold is gone.
fn remember_hold(task: &Task, home: &Path) -> Result<(), StepError> {
    if task.noted("was_held").is_some() {
        return Ok(());
    }
    let held = task.agent.holds.get(home).is_some();
    task.note("was_held", if held { "yes" } else { "no" })
}

async fn run(
    task: &Task,
    account: Option<&Account>,
    home: &Path,
    output: &Path,
) -> Result<Process, StepError> {
    let command = start::command(&task.agent.config, account, home, output)
        .map_err(|error| fault::io("write the output of the start to", output, &error))?;
    let status = script(task, command, home).await?;
    appear(task, home, Some(status), output).await
}

/// Waits for the server that a start script brings up. The script's status is not known when an earlier try of this
/// command had run it.
async fn appear(
    task: &Task,
    home: &Path,
    status: Option<ExitStatus>,
    output: &Path,
) -> Result<Process, StepError> {
    let deadline = Instant::now() + APPEAR;
    let mut nothing_since = Instant::now();
    loop {
        let found = look(task, home).await?;
        if let Some(server) = found.servers.first() {
            return Ok(*server);
        }
        if !found.is_empty() {
            nothing_since = Instant::now();
        }
        // The script stays as the server's parent; without it nothing will come any more.
        let gone = nothing_since.elapsed() >= NOTHING;
        let failed = status.is_some_and(|status| !status.success());
        if gone || failed || Instant::now() >= deadline {
            return Err(not_started(home, status, output));
        }
        task.pause(LOOK, "the server was started").await?;
    }
}

/// Runs the script to its end. It is waited for even if the command is cancelled: it takes a moment only.
async fn script(task: &Task, mut command: Command, home: &Path) -> Result<ExitStatus, StepError> {
    let failed = |error: &std::io::Error| fault::io("run bin/wso2server.sh of", home, error);
    let mut child = task
        .blocking(move |_, _| {
            command
                .spawn()
                .map_err(|error| fault::internal("the script was not run", &error))
        })
        .await?;
    let deadline = Instant::now() + SCRIPT;
    loop {
        if let Some(status) = child.try_wait().map_err(|error| failed(&error))? {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            child.kill().map_err(|error| failed(&error))?;
            child.wait().map_err(|error| failed(&error))?;
            return Err(StepError::new(
                ErrorCode::TimedOut,
                format!("bin/wso2server.sh of `{}` did not return", home.display()),
                format!("it was given {SCRIPT:?}, and returns at once as a rule"),
                "look at the script and at its output in the agent's state folder, then retry the step",
            ));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn not_started(home: &Path, status: Option<ExitStatus>, output: &Path) -> StepError {
    let ended = status.map_or_else(|| "unseen".to_owned(), |status| format!("with {status}"));
    let said = fs::read(output).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let last: Vec<String> = said.lines().rev().take(10).map(log::mask).collect();
    let last: Vec<String> = last.into_iter().rev().collect();
    let logged = log::last_lines(home, 10).join(" | ");
    StepError::new(
        ErrorCode::NotReady,
        format!("the server of `{}` did not start", home.display()),
        format!(
            "no process of this home appeared or stayed; the script ended {ended} and said: {}. The log ends: \
             {logged}",
            last.join(" | ")
        ),
        "look at JAVA_HOME in the agent's policy, at the rights in the home and at its log, then retry the step",
    )
}

fn java(task: &Task) -> Result<(), StepError> {
    let config = &task.agent.config;
    if config.java_home.is_some() || config.start_env.contains_key("JAVA_HOME") {
        return Ok(());
    }
    Err(StepError::new(
        ErrorCode::ConfigRefused,
        "the server was not started",
        "the agent's policy names no `java_home`, and the start script needs JAVA_HOME",
        "set `java_home` in the agent's policy file and restart the agent",
    ))
}

/// Carbon's script starts nothing when the process that a left-over pid file names is there, whosoever it is. The file
/// goes in any case, as its number may be given to another process before the script looks. Which process it named, and
/// whether there is one.
fn remove_stale_pid_file(home: &Path) -> Result<Option<(u32, bool)>, StepError> {
    let path = home.join(carbon::PID_FILE);
    let pid = carbon::pid_file(home).map_err(|error| fault::io("read", &path, &error))?;
    let Some(pid) = pid else {
        return Ok(None);
    };
    let in_use = carbon::identify(pid).is_some();
    Inside::open(home)
        .and_then(|inside| inside.map_or(Ok(()), |inside| inside.remove(carbon::PID_FILE)))
        .map_err(|error| fault::io("remove", &path, &error))?;
    Ok(Some((pid, in_use)))
}

async fn look(task: &Task, home: &Path) -> Result<HomeProcesses, StepError> {
    let home = home.to_owned();
    task.blocking(move |_, _| Ok(carbon::find(&home))).await
}

async fn release(task: &Task, home: &Path) -> Result<(), StepError> {
    let (agent, run, home) = (task.agent.clone(), task.command.id.run, home.to_owned());
    task.blocking(move |_, _| {
        agent.holds.release(&home, run)?;
        match guard::state(&home) {
            Ok(GuardState::Open) => Ok(()),
            Ok(GuardState::Guarded | GuardState::OriginalMissing | GuardState::NoScript) => {
                Err(StepError::new(
                    ErrorCode::NotFound,
                    format!("`{}` can't be started", home.display()),
                    "bin/wso2server.sh is missing",
                    "unpack the distribution or restore the home, then retry the step",
                ))
            }
            Err(error) => Err(fault::io("read bin/wso2server.sh of", &home, &error)),
        }
    })
    .await
}

/// What did not start must not start later by itself.
async fn hold_again(task: &Task, home: &Path) -> Result<(), StepError> {
    if task.noted("was_held").as_deref() != Some("yes") {
        return Ok(());
    }
    hold_server::keep_down(task, &home.to_string_lossy())
        .await
        .map(drop)
}

fn output_path(task: &Task) -> Result<PathBuf, StepError> {
    let folder = task.agent.state_folder("output").map_err(|error| {
        fault::io(
            "make the folder for output in",
            &task.agent.config.state_dir,
            &error,
        )
    })?;
    Ok(folder.join(format!(
        "start-{}.log",
        durable::key(&task.command.id.to_string())
    )))
}

/// Stops what this step started, and holds it as before.
pub(super) async fn undo(task: &Task, home: &str) -> StepOutcome {
    let real = task.home(home)?;
    let stopping = task.agent.holds.stopping(&real);
    if task.noted("was_held").as_deref() != Some("no") {
        hold_server::keep_down(task, home).await?;
    }
    let receipt = stop_server::end(task, &real, UNDO_GRACE, true).await?;
    drop(stopping);
    Ok(receipt.with("held", task.agent.holds.get(&real).is_some()))
}
