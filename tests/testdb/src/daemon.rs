//! One database server process, ended by its own id.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::{programs, spawner};

const POLL: Duration = Duration::from_millis(20);

/// How the process is started: by whom, and which signal makes it stop quickly and cleanly.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) program: &'a Path,
    pub(crate) args: Vec<String>,
    pub(crate) user: Option<(u32, u32)>,
    pub(crate) stop_signal: Signal,
    pub(crate) log: &'a Path,
}

/// A running (or ended) server process.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Mutex<Option<Child>>,
    stop_signal: Signal,
    log: PathBuf,
}

impl Daemon {
    /// Starts the process; it is told to stop when this process disappears, however that happens.
    pub(crate) fn launch(launch: &Launch<'_>) -> Result<Self> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(launch.log)
            .with_context(|| format!("open the server log {}", launch.log.display()))?;
        let mut command = bound_to_parent(launch)?;
        command
            .args(&launch.args)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        // A Ctrl-C at the terminal is for the test runner; the server must outlive it long enough to be ended
        // in order.
        command.process_group(0);
        let child =
            spawner::spawn_lasting(command).with_context(|| format!("start {}", launch.program.display()))?;
        Ok(Self {
            child: Mutex::new(Some(child)),
            stop_signal: launch.stop_signal,
            log: launch.log.to_owned(),
        })
    }

    /// Polls `ready` until it says yes, the process ends, or the time is over.
    pub(crate) fn wait_ready(&self, limit: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended()? {
                bail!(
                    "the server ended with {status} while starting; its log ends:\n{}",
                    self.log_tail()
                );
            }
            if ready() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!(
                    "the server was not ready after {limit:?}; its log ends:\n{}",
                    self.log_tail()
                );
            }
            std::thread::sleep(POLL);
        }
    }

    /// The process id while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.lock().as_ref().map(Child::id)
    }

    /// Asks the process to stop and kills it when it does not within `patience`.
    pub(crate) fn stop(&self, patience: Duration) -> Result<()> {
        let Some(mut child) = self.lock().take() else {
            return Ok(());
        };
        kill_process(Pid::from_child(&child), self.stop_signal).ok();
        let deadline = Instant::now() + patience;
        while child.try_wait()?.is_none() {
            if Instant::now() >= deadline {
                child.kill()?;
                child.wait()?;
                return Ok(());
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Ends the children of the process without warning. It is stopped first, so that it makes no new ones and does not
    /// react.
    pub(crate) fn kill_children(&self) {
        let Some(pid) = self.pid() else { return };
        let signal = |pid: u32, signal| {
            if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
                kill_process(pid, signal).ok();
            }
        };
        signal(pid, Signal::STOP);
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        for child in children.unwrap_or_default().split_whitespace() {
            if let Ok(child) = child.parse() {
                signal(child, Signal::KILL);
            }
        }
    }

    /// Ends the process without warning.
    pub(crate) fn kill9(&self) -> Result<()> {
        let Some(mut child) = self.lock().take() else {
            return Ok(());
        };
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Whether the last start failed because another process took the port first.
    pub(crate) fn lost_port(&self) -> bool {
        self.log_tail().contains("Address already in use")
    }

    fn ended(&self) -> Result<Option<ExitStatus>> {
        match self.lock().as_mut() {
            Some(child) => Ok(child.try_wait()?),
            None => bail!("the server was stopped while it was starting"),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log_tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop(Duration::from_secs(30)).ok();
    }
}

fn bound_to_parent(launch: &Launch<'_>) -> Result<Command> {
    let setpriv = programs::find_program("setpriv")
        .context("not found: setpriv; install it with `apt-get install util-linux`")?;
    let signal = if launch.stop_signal == Signal::INT {
        "INT"
    } else {
        "TERM"
    };
    let mut command = Command::new(setpriv);
    if let Some((uid, gid)) = launch.user {
        command
            .args([format!("--reuid={uid}"), format!("--regid={gid}")])
            .arg("--clear-groups");
    }
    command.args(["--pdeathsig", signal, "--"]).arg(launch.program);
    Ok(command)
}
