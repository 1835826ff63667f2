//! How far a copy or a comparison is.

use std::sync::Arc;

/// Told how far the work is; called often and from several tasks, so it must be quick.
pub trait CopyProgress: Send + Sync {
    /// Tables to do and their estimated size.
    fn total(&self, tables: u64, bytes: u64);
    /// Rows and bytes of a table so far; `done` when it is whole.
    fn table(&self, name: &str, rows: u64, bytes: u64, done: bool);
}

/// For callers that show nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl CopyProgress for NoProgress {
    fn total(&self, _tables: u64, _bytes: u64) {}
    fn table(&self, _name: &str, _rows: u64, _bytes: u64, _done: bool) {}
}

/// Counts one table and reports it now and then.
pub(crate) struct TableMeter {
    progress: Arc<dyn CopyProgress>,
    name: String,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

impl TableMeter {
    pub(crate) fn new(progress: &Arc<dyn CopyProgress>, name: &str) -> Self {
        TableMeter {
            progress: Arc::clone(progress),
            name: name.to_owned(),
            rows: 0,
            bytes: 0,
        }
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.progress.table(&self.name, self.rows, self.bytes, false);
    }

    pub(crate) fn done(&self) {
        self.progress.table(&self.name, self.rows, self.bytes, true);
    }
}
