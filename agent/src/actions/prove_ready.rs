//! Waits until a server is up, and proves it: the "started" line past the offset noted before the start, the
//! process, the https port, and `ServerAdmin` if there is an account to ask it with (carbon-facts.md section 4).

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};
use cutover_proto::step::AdminAccess;

use crate::facts;
use crate::service::carbon::{self, Process};
use crate::service::http::{self, HttpError, Request};
use crate::service::log::{self, LogTail};
use crate::service::ports;
use crate::service::soap::{self, Account, Admin, Call, CallError};
use crate::service::start::StartRecord;
use crate::task::Task;

const LOOK: Duration = Duration::from_millis(250);
const ASK: Duration = Duration::from_secs(20);
/// A server that restarts itself (exit 121) has no process for a moment; longer is gone.
const GONE: Duration = Duration::from_secs(4);
const STARTED: &str = "WSO2 Carbon started in";
/// Lines after which a start can't succeed any more.
const FAILURES: [&str; 4] = [
    "Cannot initialize the realm",
    "Cannot start transports",
    "Address already in use",
    "FATAL {",
];

pub(super) async fn perform(
    task: &Task,
    home: &str,
    timeout_secs: u32,
    admin: Option<&AdminAccess>,
) -> StepOutcome {
    let account = match admin {
        Some(admin) => Some(Account {
            user: admin.user.clone(),
            password: task.secret(&admin.password)?,
        }),
        None => None,
    };
    prove(task, home, timeout_secs, account, BTreeSet::new()).await
}

/// Proves a server that was started again: those that had been asked to stop are not it, whatever they logged.
pub(super) async fn again(
    task: &Task,
    home: &str,
    timeout_secs: u32,
    dying: BTreeSet<Process>,
) -> StepOutcome {
    prove(task, home, timeout_secs, None, dying).await
}

async fn prove(
    task: &Task,
    home: &str,
    timeout_secs: u32,
    account: Option<Account>,
    dying: BTreeSet<Process>,
) -> StepOutcome {
    let mut wait = Waiting::new(task, task.home(home)?, dying)?;
    let limit = Duration::from_secs(u64::from(timeout_secs));
    let began = Instant::now();
    loop {
        if let Some(receipt) = wait.look(task, account.as_ref()).await? {
            return Ok(receipt.with("millis", began.elapsed().as_millis()));
        }
        if began.elapsed() >= limit {
            return Err(wait.not_ready(&format!(
                "it was not up within {timeout_secs} s: {}",
                wait.missing
            )));
        }
        task.pause(LOOK, "the server was waited for").await?;
    }
}

struct Waiting {
    home: PathBuf,
    /// Processes that are not the server waited for.
    dying: BTreeSet<Process>,
    tail: LogTail,
    started_line: Option<String>,
    without_process: Option<Instant>,
    /// What is still missing, for the error.
    missing: String,
}

impl Waiting {
    fn new(task: &Task, home: PathBuf, dying: BTreeSet<Process>) -> Result<Self, StepError> {
        let mark = match StartRecord::read(&task.agent.config.state_dir, &home) {
            Some(record) => record.log,
            None => {
                log::last_start(&home).map_err(|error| crate::fault::io("read", &log::path(&home), &error))?
            }
        };
        Ok(Self {
            tail: LogTail::new(&home, mark),
            home,
            dying,
            started_line: None,
            without_process: None,
            missing: String::new(),
        })
    }

    /// One look. The receipt when everything is proven.
    async fn look(&mut self, task: &Task, account: Option<&Account>) -> Result<Option<Receipt>, StepError> {
        self.read_log()?;
        let Some(server) = self.server(task).await? else {
            return Ok(None);
        };
        let Some(line) = self.started_line.clone() else {
            self.missing = format!("its log does not say `{STARTED}`");
            return Ok(None);
        };
        let home = self.home.clone();
        let used = task.blocking(move |_, _| Ok(facts::ports(&home))).await?;
        let Some(answer) = self.port(server, used.https).await else {
            return Ok(None);
        };
        let receipt = Receipt::new()
            .with("pid", server.pid)
            .with("log", line)
            .with("https", format!("port {} {answer}", used.https));
        let Some(account) = account else {
            return Ok(Some(receipt));
        };
        let status = self.status(used.https, account).await?;
        Ok(status.map(|status| receipt.with("server_status", status)))
    }

    fn read_log(&mut self) -> Result<(), StepError> {
        let lines = self
            .tail
            .lines()
            .map_err(|error| crate::fault::io("read", &log::path(&self.home), &error))?;
        for line in lines {
            if line.contains(STARTED) {
                self.started_line = Some(log::mask(line.trim()));
            } else if self.started_line.is_none() && FAILURES.iter().any(|mark| line.contains(mark)) {
                return Err(self.not_ready(&format!("its log says: {}", log::mask(line.trim()))));
            }
        }
        Ok(())
    }

    async fn server(&mut self, task: &Task) -> Result<Option<Process>, StepError> {
        let home = self.home.clone();
        let found = task.blocking(move |_, _| Ok(carbon::find(&home).servers)).await?;
        let found = found.into_iter().find(|server| !self.dying.contains(server));
        if found.is_some() {
            self.without_process = None;
            return Ok(found);
        }
        "it has no process".clone_into(&mut self.missing);
        let since = *self.without_process.get_or_insert_with(Instant::now);
        if since.elapsed() >= GONE {
            return Err(self.not_ready("its process is gone"));
        }
        Ok(None)
    }

    /// Whether the https port answers, and that it is this server which listens there.
    async fn port(&mut self, server: Process, port: u16) -> Option<String> {
        let holders = ports::listeners(&[port]);
        if let Some(other) = holders
            .iter()
            .find_map(|listener| listener.pid.filter(|pid| *pid != server.pid))
        {
            self.missing = format!("port {port} belongs to process {other}, not to this server");
            return None;
        }
        let request = Request {
            port,
            method: "GET",
            path: "/carbon/",
            headers: &[],
            body: "",
            limit: ASK,
        };
        match http::send(request).await {
            Ok(answer) => Some(format!("answers HTTP {}", answer.status)),
            Err(error) if error.is_tls_answer() => {
                Some(format!("answers TLS ({})", crate::fault::chain(&error)))
            }
            Err(error) => {
                self.missing = format!("port {port}: {}", crate::fault::chain(&error));
                None
            }
        }
    }

    async fn status(&mut self, port: u16, account: &Account) -> Result<Option<String>, StepError> {
        let admin = Admin {
            port,
            account: account.clone(),
        };
        let call = Call {
            service: "ServerAdmin",
            operation: "getServerStatus",
            namespace: "http://org.apache.axis2/xsd",
            content: String::new(),
        };
        match admin.call(&call, ASK).await {
            Ok(body) => {
                let status = soap::element(&body, "return").unwrap_or_default();
                if status == "RUNNING" {
                    return Ok(Some(status));
                }
                self.missing = format!("ServerAdmin says `{status}`, not RUNNING");
                Ok(None)
            }
            Err(CallError::Http { source, .. }) if source.is_tls_answer() => Ok(Some(unasked(&source))),
            Err(error @ CallError::Account { .. }) => Err(StepError::new(
                ErrorCode::NotReady,
                format!(
                    "the server of `{}` can't be asked whether it runs",
                    self.home.display()
                ),
                error.to_string(),
                "correct the admin account in the upgrade file, then retry the step",
            )),
            Err(error) => {
                self.missing = crate::fault::chain(&error);
                Ok(None)
            }
        }
    }

    fn not_ready(&self, why: &str) -> StepError {
        let last = log::last_lines(&self.home, 15).join(" | ");
        StepError::new(
            ErrorCode::NotReady,
            format!("the server of `{}` is not up", self.home.display()),
            format!("{why}. The log ends: {last}"),
            "correct what the log names, then retry from the start step; or abort the run",
        )
    }
}

fn unasked(error: &HttpError) -> String {
    format!(
        "not asked, the server's TLS is too old for this agent ({})",
        crate::fault::chain(error)
    )
}
