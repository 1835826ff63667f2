//! From a command to its report: epoch, policy, ledger, action, result.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cutover_proto::convert::Command;
use cutover_proto::crash;
use cutover_proto::ids::{CommandId, Direction};
use cutover_proto::report::{ErrorCode, StepError, StepOutcome};
use cutover_proto::step::NodeAction;
use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::actions;
use crate::agent::Agent;
use crate::fault;
use crate::ledger::Known;
use crate::task::{Progress, Task};

/// The commands at work.
#[derive(Debug, Default)]
pub struct Running(Mutex<BTreeMap<CommandId, Job>>);

#[derive(Debug, Clone)]
struct Job {
    cancel: CancellationToken,
    progress: Arc<Progress>,
}

impl Running {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<CommandId, Job>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks a command to stop at the next safe place. One that is not at work is left alone.
    pub fn cancel(&self, id: &CommandId) {
        if let Some(job) = self.lock().get(id) {
            job.cancel.cancel();
        }
    }

    /// How far every command is.
    #[must_use]
    pub fn progress(&self) -> Vec<(CommandId, [u64; 4])> {
        let jobs = self.lock();
        jobs.iter()
            .map(|(id, job)| (id.clone(), job.progress.read()))
            .collect()
    }
}

/// Takes a command. One that is at work already is not started twice; a refusal or a stored result goes to the
/// outbox; anything else is carried out in the background, whatever becomes of the connection.
pub fn accept(agent: &Arc<Agent>, command: Command) {
    match claim(agent, &command) {
        Err(refused) => {
            warn!(command = %command.id, code = %refused.code, "command refused");
            agent.outbox.answer(command.id, Err(refused));
        }
        Ok(Claim::AtWork) => {}
        Ok(Claim::Done(outcome)) => agent.outbox.answer(command.id, outcome),
        Ok(Claim::Ours(job)) => start(agent, command, job),
    }
}

/// Whose turn a command is.
#[derive(Debug)]
enum Claim {
    /// It is at work, and will report.
    AtWork,
    /// It has a result.
    Done(StepOutcome),
    /// It is to be carried out, by the caller alone.
    Ours(Job),
}

/// Asks the ledger and takes the command in one step. A command leaves the running ones only after its result is in
/// the ledger: with both questions under one lock it is always in one of the two.
fn claim(agent: &Agent, command: &Command) -> Result<Claim, StepError> {
    let mut running = agent.running.lock();
    match agent.ledger.check(command)? {
        Known::Done(outcome) => Ok(Claim::Done(outcome)),
        Known::New | Known::Begun if running.contains_key(&command.id) => Ok(Claim::AtWork),
        Known::New | Known::Begun => {
            let job = Job {
                cancel: agent.shutdown.child_token(),
                progress: Arc::default(),
            };
            running.insert(command.id.clone(), job.clone());
            Ok(Claim::Ours(job))
        }
    }
}

fn start(agent: &Arc<Agent>, command: Command, job: Job) {
    info!(command = %command.id, action = command.action.kind(), reason = %command.reason, "command accepted");
    let task = Task {
        agent: Arc::clone(agent),
        command: Arc::new(command),
        cancel: job.cancel,
        progress: job.progress,
    };
    agent.tasks.spawn(run(task));
}

async fn run(task: Task) {
    let (agent, id) = (Arc::clone(&task.agent), task.command.id.clone());
    let outcome = carry_out(&task).await;
    report(&task, outcome);
    agent.running.lock().remove(&id);
    agent.outbox.result_stored();
}

fn report(task: &Task, outcome: Result<StepOutcome, StepError>) {
    let id = &task.command.id;
    match outcome {
        Ok(outcome) => {
            let interrupted = matches!(&outcome, Err(error) if error.code == ErrorCode::Cancelled);
            if interrupted && task.agent.shutdown.is_cancelled() {
                info!(command = %id, "command left for the next start of the agent");
                return;
            }
            match &outcome {
                Ok(_) => info!(command = %id, "command succeeded"),
                Err(failed) => {
                    warn!(command = %id, code = %failed.code, what = %failed.what, why = %failed.why, "command failed")
                }
            }
            if let Err(unwritten) = task.agent.ledger.finish(id, &outcome) {
                error!(command = %id, why = %unwritten.why, "result not in the ledger; it is reported all the same");
            }
            crash_point(task, "after-result");
        }
        // Nothing was begun, so nothing is in the ledger: the command can simply come again.
        Err(refused) => task.agent.outbox.answer(id.clone(), Err(refused)),
    }
}

/// The outer error is a command that could not be begun.
async fn carry_out(task: &Task) -> Result<StepOutcome, StepError> {
    let command = &task.command;
    crash_point(task, "before-intent");
    task.agent.ledger.begin(command)?;
    crash_point(task, "after-intent");
    let outcome = match task.agent.policy.check(&command.action) {
        Ok(()) => perform_alone(task).await,
        Err(refused) => Err(refused),
    };
    crash_point(task, "after-effect");
    Ok(masked(command, outcome))
}

/// One command per home, or folder of a database, at a time; looking at homes needs no turn.
async fn perform_alone(task: &Task) -> StepOutcome {
    let looking = matches!(task.command.action, NodeAction::Inspect { .. });
    let homes: Vec<PathBuf> = if looking {
        Vec::new()
    } else if let NodeAction::CopyTablespaces { data_dir, to, .. } = &task.command.action {
        vec![task.agent.policy.database_dir(data_dir)?.join(to)]
    } else {
        let homes = task.command.action.homes();
        homes
            .into_iter()
            .map(|home| task.home(home))
            .collect::<Result<_, _>>()?
    };
    let _turn = tokio::select! {
        turn = task.agent.lock_homes(homes) => turn,
        () = task.cancel.cancelled() => return Err(fault::cancelled("the command waited for its turn")),
    };
    perform_in_time(task).await
}

async fn perform_in_time(task: &Task) -> StepOutcome {
    let work = AssertUnwindSafe(Box::pin(actions::perform(task))).catch_unwind();
    tokio::pin!(work);
    let limit = task.command.deadline_secs;
    if limit == 0 {
        return settled(work.await);
    }
    tokio::select! {
        done = &mut work => settled(done),
        () = tokio::time::sleep(Duration::from_secs(limit)) => {
            task.cancel.cancel();
            settled(work.await).map_err(|error| late(error, limit))
        }
    }
}

fn settled(done: Result<StepOutcome, Box<dyn std::any::Any + Send>>) -> StepOutcome {
    done.unwrap_or_else(|_| Err(fault::internal("the action ended unexpectedly", &"it panicked")))
}

fn late(error: StepError, limit: u64) -> StepError {
    if error.code != ErrorCode::Cancelled {
        return error;
    }
    StepError::new(
        ErrorCode::TimedOut,
        error.what,
        format!("it took longer than the {limit} s that the plan allows"),
        "find out what is slow, then retry the step; what was done so far is kept",
    )
}

/// No text of a result may hold a secret, whoever made it.
fn masked(command: &Command, outcome: StepOutcome) -> StepOutcome {
    let hide = |text: &mut String| {
        for secret in command.secrets.values().filter(|secret| secret.len() >= 3) {
            if text.contains(secret.as_str()) {
                *text = text.replace(secret.as_str(), "***");
            }
        }
    };
    match outcome {
        Ok(mut receipt) => {
            receipt.evidence.values_mut().for_each(hide);
            Ok(receipt)
        }
        Err(mut error) => {
            [&mut error.what, &mut error.why, &mut error.next]
                .into_iter()
                .for_each(hide);
            Err(error)
        }
    }
}

fn crash_point(task: &Task, place: &str) {
    let kind = task.command.action.kind();
    match task.command.id.direction {
        Direction::Do => crash::point(place, kind),
        Direction::Undo => crash::point(&format!("undo-{place}"), kind),
    }
}

#[cfg(test)]
mod tests {
    use cutover_proto::ids::Sha256Hex;
    use cutover_proto::report::Receipt;

    use super::*;

    #[test]
    fn outcome_when_it_holds_a_secret_then_masked() {
        let command = Command {
            secrets: [("file:pw".to_owned(), "hunter2".to_owned())].into(),
            ..command(NodeAction::Inspect { homes: Vec::new() })
        };
        let error = StepError::new(ErrorCode::Io, "hunter2", "x hunter2 y", "hunter2");
        let text = format!("{:?}", masked(&command, Err(error)));
        assert!(!text.contains("hunter2") && text.contains("***"), "{text}");
        let receipt = masked(&command, Ok(Receipt::new().with("line", "pw=hunter2"))).unwrap();
        assert_eq!(receipt.evidence["line"], "pw=***");
    }

    fn command(action: NodeAction) -> Command {
        Command {
            id: CommandId {
                run: "00000000-0000-0000-0000-000000000001".parse().unwrap(),
                step: "s".parse().unwrap(),
                attempt: 1,
                direction: Direction::Do,
            },
            plan_hash: Sha256Hex::of(b"p"),
            epoch: 1,
            deadline_secs: 0,
            action,
            secrets: BTreeMap::new(),
            reason: String::new(),
        }
    }

    /// Waits until a thread sleeps.
    fn until_asleep(thread: &std::path::Path) {
        let path = std::path::Path::new("/proc").join(thread).join("stat");
        for _ in 0..1000 {
            let stat = std::fs::read_to_string(&path).unwrap();
            if stat.rsplit(") ").next().unwrap().starts_with('S') {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it never came to the lock");
    }

    #[tokio::test]
    async fn command_when_it_ends_while_it_comes_again_then_answered_and_not_done_twice() {
        let root = tempfile::tempdir().unwrap();
        let text = format!(
            "node = \"n\"\ncoordinator = \"127.0.0.1:1\"\nstate_dir = \"{0}/state\"\nbackup_dir = \"{0}/backup\"\n\
             homes = [\"{0}/wso2*\"]\n",
            root.path().display()
        );
        let agent = Agent::open(crate::config::Config::parse(&text).unwrap()).unwrap();
        let command = command(NodeAction::Inspect { homes: Vec::new() });
        agent.ledger.see_epoch(1).unwrap();
        agent.ledger.begin(&command).unwrap();
        // The first one is at its end: the lock is held, as when it leaves the running ones.
        let running = agent.running.lock();
        let (sender, receiver) = std::sync::mpsc::channel();
        let (second, repeated) = (Arc::clone(&agent), command.clone());
        let handle = tokio::runtime::Handle::current();
        let thread = std::thread::spawn(move || {
            let _runtime = handle.enter();
            sender
                .send(std::fs::read_link("/proc/thread-self").unwrap())
                .unwrap();
            accept(&second, repeated);
        });
        until_asleep(&receiver.recv().unwrap());
        agent.ledger.finish(&command.id, &Ok(Receipt::new())).unwrap();
        drop(running);
        thread.join().unwrap();
        assert_eq!(agent.outbox.take_answers(), [(command.id, Ok(Receipt::new()))]);
        assert!(agent.tasks.is_empty() && agent.running.progress().is_empty());
    }

    #[test]
    fn error_when_cancelled_by_the_deadline_then_timed_out() {
        assert_eq!(late(fault::cancelled("x"), 5).code, ErrorCode::TimedOut);
        let other = StepError::new(ErrorCode::Io, "a", "b", "c");
        assert_eq!(late(other.clone(), 5), other);
    }
}
