//! One command at work: what its action may use.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cutover_files::Cancel;
use cutover_proto::convert::Command;
use cutover_proto::ids::Direction;
use cutover_proto::report::{ErrorCode, StepError};
use cutover_proto::step::SecretRef;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::agent::Agent;
use crate::fault;

/// A command at work.
#[derive(Debug, Clone)]
pub struct Task {
    /// The agent it runs in.
    pub agent: Arc<Agent>,
    /// The command.
    pub command: Arc<Command>,
    /// Asks the action to stop at the next safe place.
    pub cancel: CancellationToken,
    /// How far it is.
    pub progress: Arc<Progress>,
}

impl Task {
    /// Whether the step is being taken back.
    #[must_use]
    pub fn is_undo(&self) -> bool {
        self.command.id.direction == Direction::Undo
    }

    /// The real path of a home that the action names.
    ///
    /// # Errors
    /// When the policy does not allow it.
    pub fn home(&self, home: &str) -> Result<PathBuf, StepError> {
        self.agent.policy.home(home)
    }

    /// Journals a fact for later attempts and the undo.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn note(&self, key: &str, value: &str) -> Result<(), StepError> {
        self.agent.ledger.note(&self.command.id, key, value)
    }

    /// A fact journaled by any attempt of this step.
    #[must_use]
    pub fn noted(&self, key: &str) -> Option<String> {
        self.agent.ledger.noted(&self.command.id, key)
    }

    /// The value of a secret that came with the command.
    ///
    /// # Errors
    /// [`ErrorCode::SecretUnavailable`] when it did not come.
    pub fn secret(&self, reference: &SecretRef) -> Result<SecretString, StepError> {
        match self.command.secrets.get(&reference.0) {
            Some(value) => Ok(SecretString::from(value.clone())),
            None => Err(StepError::new(
                ErrorCode::SecretUnavailable,
                format!("the secret `{}` is missing", reference.0),
                "its value did not come with the command",
                "make it readable for the coordinator, then retry the step",
            )),
        }
    }

    /// An error once the command was cancelled.
    ///
    /// # Errors
    /// [`ErrorCode::Cancelled`].
    pub fn check_cancelled(&self, what: &str) -> Result<(), StepError> {
        if self.cancel.is_cancelled() {
            return Err(fault::cancelled(what));
        }
        Ok(())
    }

    /// Waits, unless the command is cancelled meanwhile.
    ///
    /// # Errors
    /// [`ErrorCode::Cancelled`].
    pub async fn pause(&self, time: Duration, what: &str) -> Result<(), StepError> {
        tokio::select! {
            () = self.cancel.cancelled() => Err(fault::cancelled(what)),
            () = tokio::time::sleep(time) => Ok(()),
        }
    }

    /// Runs work that blocks on a thread of its own, with a switch that follows the command's cancellation. The
    /// work is always waited for: it stops at a place where nothing is half done.
    ///
    /// # Errors
    /// The work's own, or [`ErrorCode::Internal`] when it panicked.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Cancel, &Progress) -> Result<T, StepError> + Send + 'static,
    ) -> Result<T, StepError> {
        let cancel = Cancel::new();
        let (switch, progress) = (cancel.clone(), Arc::clone(&self.progress));
        let mut thread = tokio::task::spawn_blocking(move || work(&switch, &progress));
        let joined = tokio::select! {
            joined = &mut thread => joined,
            () = self.cancel.cancelled() => {
                cancel.cancel();
                thread.await
            }
        };
        joined.unwrap_or_else(|error| Err(fault::internal("the action ended unexpectedly", &error)))
    }
}

/// How far a command is. Read by the session now and then.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes done.
    pub done_bytes: AtomicU64,
    /// Bytes in all, once known.
    pub total_bytes: AtomicU64,
    /// Files done.
    pub done_items: AtomicU64,
    /// Files in all, once known.
    pub total_items: AtomicU64,
}

impl Progress {
    /// The four numbers: done bytes, total bytes, done items, total items.
    #[must_use]
    pub fn read(&self) -> [u64; 4] {
        [
            &self.done_bytes,
            &self.total_bytes,
            &self.done_items,
            &self.total_items,
        ]
        .map(|number| number.load(Ordering::Relaxed))
    }
}

impl cutover_files::Progress for Progress {
    fn total(&self, files: u64, bytes: u64) {
        self.total_items.store(files, Ordering::Relaxed);
        self.total_bytes.store(bytes, Ordering::Relaxed);
    }

    fn add(&self, files: u64, bytes: u64) {
        self.done_items.fetch_add(files, Ordering::Relaxed);
        self.done_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}
