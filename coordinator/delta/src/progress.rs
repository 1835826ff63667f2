//! How far a pass is.

/// Told how far a pass is; called from several tasks, so it must be quick.
pub trait SyncProgress: Send + Sync {
    /// Tables to compare and their estimated size.
    fn total(&self, tables: u64, bytes: u64);
    /// A table's rows were hashed on both sides: rows, estimated bytes, and chunks that differ.
    fn scanned(&self, table: &str, rows: u64, bytes: u64, differing_chunks: u64);
    /// Rows of a table brought over so far, and their bytes.
    fn applied(&self, table: &str, rows: u64, bytes: u64);
    /// A table is as production has it.
    fn done(&self, table: &str);
}

/// For callers that show nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl SyncProgress for NoProgress {
    fn total(&self, _tables: u64, _bytes: u64) {}
    fn scanned(&self, _table: &str, _rows: u64, _bytes: u64, _differing_chunks: u64) {}
    fn applied(&self, _table: &str, _rows: u64, _bytes: u64) {}
    fn done(&self, _table: &str) {}
}
