//! What waits to be sent to the coordinator beside the results in the ledger.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use cutover_proto::ids::CommandId;
use cutover_proto::report::StepOutcome;
use tokio::sync::watch;

/// A held server came back by itself and was stopped again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenHold {
    /// The home.
    pub home: PathBuf,
    /// The process that was stopped.
    pub pid: u32,
    /// What it was and who had started it.
    pub command: String,
}

/// At most this many of each kind wait; the oldest are dropped. All of them can be asked for again.
const MAX: usize = 1024;

/// The outbox. Whatever is put in wakes the session.
#[derive(Debug)]
pub struct Outbox {
    queues: Mutex<Queues>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Queues {
    answers: VecDeque<(CommandId, StepOutcome)>,
    broken: VecDeque<BrokenHold>,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            queues: Mutex::default(),
            changed: watch::Sender::new(0),
        }
    }
}

impl Outbox {
    /// An answer that is not a result in the ledger waiting for its acknowledgement: a refusal, or a result asked
    /// for once more.
    pub fn answer(&self, id: CommandId, outcome: StepOutcome) {
        self.put(|queues| push(&mut queues.answers, (id, outcome)));
    }

    /// Tells of a broken hold.
    pub fn hold_broken(&self, broken: BrokenHold) {
        self.put(|queues| push(&mut queues.broken, broken));
    }

    /// Says that the ledger has a new result.
    pub fn result_stored(&self) {
        self.put(|_| {});
    }

    fn put(&self, put: impl FnOnce(&mut Queues)) {
        put(&mut self.queues.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.send_modify(|count| *count += 1);
    }

    /// Takes the answers out.
    #[must_use]
    pub fn take_answers(&self) -> Vec<(CommandId, StepOutcome)> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.answers.drain(..).collect()
    }

    /// Takes the broken holds out.
    #[must_use]
    pub fn take_broken(&self) -> Vec<BrokenHold> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.broken.drain(..).collect()
    }

    /// Told each time something changed.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

fn push<T>(queue: &mut VecDeque<T>, item: T) {
    if queue.len() == MAX {
        queue.pop_front();
    }
    queue.push_back(item);
}
