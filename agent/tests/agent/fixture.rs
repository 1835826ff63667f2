//! A node in a temporary folder: policy, state, homes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cutover_agent::agent::Agent;
use cutover_agent::config::Config;
use cutover_agent::{session, watcher};
use cutover_proto::convert::Command;
use cutover_proto::ids::{CommandId, Direction, RunId, Sha256Hex};
use cutover_proto::step::NodeAction;
use uuid::Uuid;

use crate::coordinator::Coordinator;

pub(crate) struct Node {
    pub(crate) root: PathBuf,
    pub(crate) coordinator: Coordinator,
    pub(crate) agent: Arc<Agent>,
    _folder: tempfile::TempDir,
}

impl Node {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let coordinator = Coordinator::start().await;
        let agent = open(&root, &coordinator);
        Self {
            root,
            coordinator,
            agent,
            _folder: folder,
        }
    }

    /// Ends the agent as SIGTERM does, and starts it again on the same state.
    pub(crate) async fn restart(&mut self) {
        self.agent.shutdown.cancel();
        self.agent.tasks.close();
        self.agent.tasks.wait().await;
        self.agent = open(&self.root, &self.coordinator);
    }

    pub(crate) fn home(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.agent.shutdown.cancel();
    }
}

fn open(root: &Path, coordinator: &Coordinator) -> Arc<Agent> {
    let text = format!(
        "node = \"node-1\"\ncoordinator = \"127.0.0.1:1\"\nstate_dir = \"{0}/state\"\nbackup_dir = \"{0}/backup\"\n\
         homes = [\"{0}/wso2*\"]\njava_home = \"{0}\"\ndatabase_dirs = [\"{0}/data\"]\nunit_dirs = []\ncron_dirs = []\n{3}\
         [start.env]\nCARBON_STANDIN = \"{1}\"\nCARBON_STANDIN_OWNER = \"{2}\"\nCARBON_STANDIN_WRITE_INTERVAL_MS = \"0\"\n",
        root.display(),
        server_program().display(),
        std::process::id(),
        // Whoever runs the tests owns the homes; root has to be named.
        if rustix::process::geteuid().is_root() {
            "run_as = \"root\"\n"
        } else {
            ""
        },
    );
    let agent = Agent::open(Config::parse(&text).unwrap()).unwrap();
    agent
        .tasks
        .spawn(session::run(Arc::clone(&agent), coordinator.dial()));
    agent.tasks.spawn(watcher::run(Arc::clone(&agent)));
    agent
}

/// The program that stands in for a JVM; cargo builds examples before it runs tests.
pub(crate) fn server_program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/agent-test-server");
    assert!(
        program.exists(),
        "{} is missing; `cargo test` builds it",
        program.display()
    );
    program
}

pub(crate) fn id(step: &str, attempt: u32, direction: Direction) -> CommandId {
    CommandId {
        run: RunId::new(Uuid::from_u128(7)),
        step: step.parse().unwrap(),
        attempt,
        direction,
    }
}

pub(crate) fn command(step: &str, action: NodeAction) -> Command {
    Command {
        id: id(step, 1, Direction::Do),
        plan_hash: Sha256Hex::of(b"plan"),
        epoch: 5,
        deadline_secs: 120,
        action,
        secrets: [("file:pw".to_owned(), "admin".to_owned())].into(),
        reason: "test".to_owned(),
    }
}

/// The same step, taken back.
pub(crate) fn undo(command: &Command) -> Command {
    Command {
        id: CommandId {
            direction: Direction::Undo,
            ..command.id.clone()
        },
        ..command.clone()
    }
}

/// The same step, tried again.
pub(crate) fn again(command: &Command, attempt: u32) -> Command {
    Command {
        id: CommandId {
            attempt,
            ..command.id.clone()
        },
        ..command.clone()
    }
}

pub(crate) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The same command, of another run.
pub(crate) fn of_other_run(command: &Command) -> Command {
    Command {
        id: CommandId {
            run: other_run(),
            ..command.id.clone()
        },
        ..command.clone()
    }
}

pub(crate) fn other_run() -> RunId {
    RunId::new(Uuid::from_u128(8))
}
