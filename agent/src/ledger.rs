//! The agent's durable journal: what it was asked, what it found out on the way, and what came of it.
//!
//! One append-only file under the state folder; each line carries a checksum and is on the disk before the
//! caller goes on. A line torn by a crash is cut off when the file is opened again. A command that has an
//! intent but no result runs again with its notes; one that has a result is answered from here. Secrets are
//! never written: commands are journaled by the hash of their content.

mod entry;
mod file;
mod state;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cutover_proto::convert::Command;
use cutover_proto::ids::CommandId;
use cutover_proto::report::{ErrorCode, StepError, StepOutcome};

use entry::Entry;
use file::Journal;
use state::State;

/// Runs of each kind (with and without notes) that stay in the journal after everything in them was
/// acknowledged: an undo may come long after, and needs the notes.
const KEEP_RUNS: usize = 128;
/// Lines that may be superfluous before the file is written anew.
const SLACK: usize = 4096;

/// The journal.
#[derive(Debug)]
pub struct Ledger {
    inner: Mutex<Inner>,
    keep_runs: usize,
    slack: usize,
}

#[derive(Debug)]
struct Inner {
    journal: Journal,
    state: State,
}

/// What the journal knows about a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Never heard of.
    New,
    /// It was begun and has no result: the agent died, or it is at work.
    Begun,
    /// It has a result.
    Done(StepOutcome),
}

impl Ledger {
    /// Opens the journal in `state_dir`, or begins it.
    ///
    /// # Errors
    /// [`LedgerError`] when the file can't be read or written, or is damaged elsewhere than at its end.
    pub fn open(state_dir: &Path) -> Result<Self, LedgerError> {
        Self::open_with(state_dir, KEEP_RUNS, SLACK)
    }

    fn open_with(state_dir: &Path, keep_runs: usize, slack: usize) -> Result<Self, LedgerError> {
        let (journal, entries) = Journal::open(&state_dir.join("ledger.jsonl"))?;
        let mut state = State::default();
        for entry in entries {
            state.apply(entry);
        }
        Ok(Self {
            inner: Mutex::new(Inner { journal, state }),
            keep_runs,
            slack,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // The state changes only after a line is on the disk, in one step: it is whole even after a panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The highest epoch ever seen.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.lock().state.epoch
    }

    /// Remembers an epoch.
    ///
    /// # Errors
    /// [`ErrorCode::StaleEpoch`] when a higher one was seen; [`ErrorCode::Io`] when it can't be written.
    pub fn see_epoch(&self, epoch: u64) -> Result<(), StepError> {
        let mut inner = self.lock();
        let highest = inner.state.epoch;
        if epoch < highest {
            return Err(StepError::new(
                ErrorCode::StaleEpoch,
                format!("a coordinator of epoch {epoch} was refused"),
                format!("a coordinator of epoch {highest} has taken its place"),
                "shut the old coordinator down; the agent obeys the new one",
            ));
        }
        if epoch > highest {
            inner.append(Entry::Epoch { epoch })?;
        }
        Ok(())
    }

    /// What is known about a command, after its epoch and content were checked.
    ///
    /// # Errors
    /// [`ErrorCode::StaleEpoch`], [`ErrorCode::ContentMismatch`], or a write that failed.
    pub fn check(&self, command: &Command) -> Result<Known, StepError> {
        self.see_epoch(command.epoch)?;
        let inner = self.lock();
        let Some(known) = inner.state.commands.get(&command.id) else {
            return Ok(Known::New);
        };
        if known.content != command.action.content_hash() {
            return Err(StepError::new(
                ErrorCode::ContentMismatch,
                format!("command {} was refused", command.id),
                "the same command came before with another content",
                "the plan or the coordinator's store was changed by hand; keep both and find out why",
            ));
        }
        Ok(match &known.outcome {
            Some(outcome) => Known::Done(outcome.clone()),
            None => Known::Begun,
        })
    }

    /// Journals that the command will be carried out.
    ///
    /// # Errors
    /// When it can't be written; then nothing may be done.
    pub fn begin(&self, command: &Command) -> Result<(), StepError> {
        self.lock().append(Entry::Intent {
            id: command.id.clone(),
            content: command.action.content_hash(),
            plan: command.plan_hash.clone(),
            epoch: command.epoch,
        })
    }

    /// Journals a fact that a later attempt of the step, or its undo, needs.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn note(&self, id: &CommandId, key: &str, value: &str) -> Result<(), StepError> {
        let mut inner = self.lock();
        let noted = inner.state.note(id, key);
        if noted == Some(value) {
            return Ok(());
        }
        inner.append(Entry::Note {
            id: id.clone(),
            key: key.to_owned(),
            value: value.to_owned(),
        })
    }

    /// A fact noted by any attempt of the same step of the same run, in either direction.
    #[must_use]
    pub fn noted(&self, id: &CommandId, key: &str) -> Option<String> {
        self.lock().state.note(id, key).map(str::to_owned)
    }

    /// All facts noted for the step.
    #[must_use]
    pub fn notes(&self, id: &CommandId) -> BTreeMap<String, String> {
        self.lock().state.notes_of(id)
    }

    /// Journals the result. It is kept in memory even if the disk refuses it, so that it can still be reported.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn finish(&self, id: &CommandId, outcome: &StepOutcome) -> Result<(), StepError> {
        let mut inner = self.lock();
        let entry = Entry::Result {
            id: id.clone(),
            outcome: outcome.clone(),
        };
        let written = inner.journal.append(&entry);
        inner.state.apply(entry);
        written.map_err(|error| unwritten(&error))
    }

    /// Journals that the coordinator has the result.
    ///
    /// # Errors
    /// When it can't be written; the result is then sent again after the next start.
    pub fn acknowledge(&self, id: &CommandId) -> Result<(), StepError> {
        let mut inner = self.lock();
        match inner.state.commands.get(id) {
            Some(known) if known.outcome.is_some() && !known.acked => {}
            Some(_) | None => return Ok(()),
        }
        inner.append(Entry::Acked { id: id.clone() })?;
        inner
            .compact(self.keep_runs, self.slack)
            .map_err(|error| unwritten(&error))
    }

    /// Results that the coordinator has not acknowledged, in the order of their commands.
    #[must_use]
    pub fn unacknowledged(&self) -> Vec<(CommandId, StepOutcome)> {
        self.lock().state.unacknowledged()
    }
}

impl Inner {
    fn append(&mut self, entry: Entry) -> Result<(), StepError> {
        self.journal.append(&entry).map_err(|error| unwritten(&error))?;
        self.state.apply(entry);
        Ok(())
    }

    fn compact(&mut self, keep_runs: usize, slack: usize) -> Result<(), LedgerError> {
        if self.journal.lines() < self.state.lines() + slack && self.state.runs() <= 2 * keep_runs + slack {
            return Ok(());
        }
        self.state.forget_old_runs(keep_runs);
        self.journal.rewrite(&self.state.entries())
    }
}

fn unwritten(error: &LedgerError) -> StepError {
    let code = match error {
        LedgerError::Io { source, .. } => crate::fault::code_of(source.kind()),
        LedgerError::Corrupt { .. } | LedgerError::Encode(_) => ErrorCode::Io,
    };
    crate::fault::other(
        code,
        "the agent's ledger can't be written, so nothing was done",
        error,
        "make room in the agent's state folder or repair its disk, then retry the step",
    )
}

/// Why the journal can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file can't be read or written.
    #[error("cannot {doing} the ledger `{}`", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line before the last one is damaged: no crash does that.
    #[error(
        "line {line} of the ledger `{}` is damaged, and lines follow it; move the file aside only when no run is \
         open on this node",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// An entry can't be written as JSON.
    #[error("cannot encode a ledger entry")]
    Encode(#[source] serde_json::Error),
}

#[cfg(test)]
mod tests;
