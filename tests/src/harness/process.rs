//! Processes that end with this one.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

/// How a service is started, again and again.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables beside this process' own.
    pub env: BTreeMap<String, String>,
    /// Where both of its outputs go.
    pub log: PathBuf,
}

/// A service that runs, or ran.
#[derive(Debug)]
pub struct Service {
    recipe: Recipe,
    child: Option<Child>,
}

impl Service {
    /// Starts it.
    ///
    /// # Errors
    /// When the program can't be started.
    pub fn start(recipe: Recipe) -> Result<Self> {
        let mut service = Self { recipe, child: None };
        service.start_again()?;
        Ok(service)
    }

    /// A service that is not started yet.
    #[must_use]
    pub fn stopped(recipe: Recipe) -> Self {
        Self { recipe, child: None }
    }

    /// Starts it if it does not run; says whether it had to.
    ///
    /// # Errors
    /// When the program can't be started.
    pub fn start_again(&mut self) -> Result<bool> {
        if self.is_running() {
            return Ok(false);
        }
        let log = File::options().create(true).append(true).open(&self.recipe.log)?;
        // The kernel ends the process with us, also when we are killed and nothing is dropped.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&self.recipe.program)
            .args(&self.recipe.args)
            .env("NO_COLOR", "1")
            .envs(&self.recipe.env)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        let child = cutover_testdb::spawn_lasting(command)
            .with_context(|| format!("start {}", self.recipe.program.display()))?;
        self.child = Some(child);
        Ok(true)
    }

    /// Changes its environment from the next start on.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.recipe.env.insert(name.to_owned(), value.to_owned());
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Its process id while it runs.
    pub fn pid(&mut self) -> Option<u32> {
        self.is_running()
            .then(|| self.child.as_ref().map(Child::id))
            .flatten()
    }

    /// What it wrote so far.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.recipe.log).unwrap_or_default()).into_owned()
    }

    /// Kills it without warning.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }

    /// Asks it to end, and kills it when it does not.
    pub fn stop(&mut self, patience: Duration) {
        if let Some(child) = &self.child {
            kill_process(Pid::from_child(child), Signal::TERM).ok();
        }
        let deadline = Instant::now() + patience;
        while self.is_running() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill();
    }

    /// Freezes it, as a host that hangs: connections stay open and nothing answers.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a frozen one go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            kill_process(Pid::from_child(child), signal).ok();
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Every process whose command line contains `text`.
#[must_use]
pub fn process_ids(text: &str) -> Vec<u32> {
    let own = std::process::id();
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != own && command_line(*pid).contains(text))
        .collect()
}

/// The processes of Carbon homes at or below a folder.
#[must_use]
pub fn home_processes(folder: &Path) -> Vec<u32> {
    process_ids(&format!("-Dcarbon.home={}", folder.display()))
}

/// The start scripts that wait for a server of a home below a folder, and the servers: killed.
pub(super) fn kill_homes(folder: &Path) {
    // The script starts a server again that ends with 121, so it goes first.
    let ours = format!("{}/", folder.display());
    let scripts = process_ids(&ours)
        .into_iter()
        .filter(|pid| command_line(*pid).contains("wso2server.sh"));
    for pid in scripts.chain(home_processes(folder)) {
        if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
            kill_process(pid, Signal::KILL).ok();
        }
    }
}

fn command_line(pid: u32) -> String {
    String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).into_owned()
}
