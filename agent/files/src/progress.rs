//! Telling how far an operation is, and stopping it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Told by long operations how far they are. Called from several threads.
pub trait Progress: Sync + fmt::Debug {
    /// What the operation is going to do, as soon as it is known.
    fn total(&self, files: u64, bytes: u64);
    /// What has been done since the last call.
    fn add(&self, files: u64, bytes: u64);
}

/// Progress that nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn total(&self, _files: u64, _bytes: u64) {}
    fn add(&self, _files: u64, _bytes: u64) {}
}

/// A switch that stops an operation between two chunks of work. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

/// The operation was stopped through its [`Cancel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stopped on request; what was done so far is journaled and can be resumed or undone")]
pub struct Cancelled;

impl Cancel {
    /// A switch that is off.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops every operation that holds a clone of this switch.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was switched on.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// An error once it was switched on.
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.is_cancelled() {
            Err(Cancelled)
        } else {
            Ok(())
        }
    }
}
