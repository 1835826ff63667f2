//! What the caller may choose, and what a pass reports.

/// Choices for a pass.
#[derive(Debug, Clone)]
pub struct SyncOptions {
    /// Tables compared at the same time where that is possible: always on PostgreSQL, and on MySQL when nobody
    /// writes to production, because several MySQL connections share one state only then.
    pub jobs: usize,
    /// Nobody writes to production while the pass runs: it is the one behind the fence.
    pub fenced: bool,
    /// Tables left out by name, such as Cutover's own journal.
    pub skip_tables: Vec<String>,
    /// Prove every foreign key of staging, not only those of tables that this pass changed.
    pub prove_all_foreign_keys: bool,
    /// Bytes of rows brought over in one transaction, roughly.
    pub batch_bytes: u64,
}

impl Default for SyncOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        SyncOptions {
            jobs: cores.clamp(2, 8),
            fenced: false,
            skip_tables: Vec::new(),
            prove_all_foreign_keys: false,
            batch_bytes: 64 << 20,
        }
    }
}

impl SyncOptions {
    pub(crate) fn skips(&self, table: &str) -> bool {
        OWN_TABLES.contains(&table) || self.skip_tables.iter().any(|name| name == table)
    }
}

/// Tables that Cutover itself keeps in a staging database.
pub(crate) const OWN_TABLES: [&str; 5] = [
    cutover_database::journal::TABLE,
    cutover_database::journal::COPY_TABLE,
    "cutover_delta_triggers",
    "cutover_delta_applied",
    "cutover_dead_letters",
];

/// What a pass did to one table.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TableSync {
    /// Table, with its schema where that is not the usual one.
    pub name: String,
    /// Rows that production has, all of them hashed.
    pub rows: u64,
    /// Estimated bytes that were hashed on production's side.
    pub bytes: u64,
    /// Chunks that were compared.
    pub chunks: u64,
    /// Chunks that differed.
    pub differing_chunks: u64,
    /// Rows added to staging.
    pub inserted: u64,
    /// Rows replaced in staging.
    pub updated: u64,
    /// Rows removed from staging.
    pub deleted: u64,
    /// Bytes of rows brought over.
    pub applied_bytes: u64,
    /// Rows brought over whose large values came in pieces.
    #[serde(default)]
    pub rows_in_pieces: u64,
    /// Time to hash the table.
    pub scan_millis: u64,
    /// Wall time for all of it.
    pub millis: u64,
}

impl TableSync {
    /// Rows added, replaced or removed.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.inserted + self.updated + self.deleted
    }
}

/// What a pass did.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct SyncReport {
    /// Every table, in the order of names.
    pub tables: Vec<TableSync>,
    /// Rows added to staging.
    pub inserted: u64,
    /// Rows replaced in staging.
    pub updated: u64,
    /// Rows removed from staging.
    pub deleted: u64,
    /// Rows hashed on production's side.
    pub rows: u64,
    /// Estimated bytes hashed on production's side.
    pub bytes: u64,
    /// Bytes of rows brought over.
    pub applied_bytes: u64,
    /// Sequences and AUTO_INCREMENT counters that were moved on.
    pub counters: u64,
    /// Foreign keys that were proven.
    pub foreign_keys: u64,
    /// What an operator should know.
    pub notes: Vec<String>,
    /// Wall time.
    pub millis: u64,
}

impl SyncReport {
    /// Rows added, replaced or removed.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.inserted + self.updated + self.deleted
    }

    /// Wall seconds of this pass per GB (10^9 bytes) of production's tables; nothing for an empty database.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn seconds_per_gb(&self) -> Option<f64> {
        (self.bytes > 0).then(|| self.millis as f64 / 1e3 / (self.bytes as f64 / 1e9))
    }

    pub(crate) fn add(&mut self, table: TableSync) {
        self.inserted += table.inserted;
        self.updated += table.updated;
        self.deleted += table.deleted;
        self.rows += table.rows;
        self.bytes += table.bytes;
        self.applied_bytes += table.applied_bytes;
        self.tables.push(table);
    }
}
