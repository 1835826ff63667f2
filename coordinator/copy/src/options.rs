//! What the caller may choose, and what a copy reports.

use std::collections::BTreeMap;

/// Table in the staging database, there while a copy is under way: which tables are whole. It is never copied
/// nor compared, and gone when the copy is complete.
pub const JOURNAL: &str = cutover_database::journal::COPY_TABLE;

/// Choices for a copy or a comparison.
#[derive(Debug, Clone)]
pub struct CopyOptions {
    /// Tables worked on at the same time; each takes one connection on either side.
    pub jobs: usize,
    /// Tables left out by name, such as Cutover's own journal.
    pub skip_tables: Vec<String>,
    /// Take the server's own way (`INSERT … SELECT`, `CREATE DATABASE … TEMPLATE`) where both databases lie on
    /// one server and it is possible.
    pub same_server: bool,
    /// Go on with what an interrupted copy left in staging: tables that are proven whole stay, the rest is done
    /// again. Only for a caller who knows that production has not changed since that copy began; without it, or
    /// where nothing is left to go on with ([`crate::CopyError::NotResumable`]), staging has to be empty.
    pub resume: bool,
    /// Production goes on being written to, and what is written is brought over afterwards. Nothing of a MySQL
    /// production is then locked, so that its connections do not share one snapshot.
    pub serving: bool,
}

impl Default for CopyOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        CopyOptions {
            jobs: cores.clamp(2, 8),
            skip_tables: Vec::new(),
            same_server: true,
            resume: false,
            serving: false,
        }
    }
}

impl CopyOptions {
    pub(crate) fn jobs(&self) -> usize {
        self.jobs.clamp(1, 64)
    }

    pub(crate) fn skips(&self, table: &str) -> bool {
        table == JOURNAL || self.skip_tables.iter().any(|name| name == table)
    }
}

/// How the rows travelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyWay {
    /// Streamed in the engine's bulk format.
    Stream,
    /// Streamed as multi-row INSERT statements, because the server does not take LOAD DATA LOCAL.
    Insert,
    /// Inside one MySQL or MariaDB server: `INSERT … SELECT`.
    SameServer,
    /// Inside one PostgreSQL server: `CREATE DATABASE … TEMPLATE`.
    Template,
}

/// What a copy did.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct CopyReport {
    /// How the rows travelled.
    pub way: CopyWay,
    /// Why they travelled so.
    #[serde(default)]
    pub why: String,
    /// Tables that an interrupted copy had left whole and that were kept.
    #[serde(default)]
    pub kept: u64,
    /// Tables copied.
    pub tables: u64,
    /// Rows copied; the server's estimate where the whole database was copied as files.
    pub rows: u64,
    /// Bytes streamed; for copies inside one server the size that it reports.
    pub bytes: u64,
    /// Objects created, by kind; tables alone where the whole database was copied as files.
    pub objects: BTreeMap<String, u64>,
    /// What an operator should know, such as definers that were mapped.
    pub notes: Vec<String>,
    /// Events that were enabled in production and are left disabled until [`crate::enable_events`].
    pub disabled_events: Vec<String>,
    /// Wall time.
    pub millis: u64,
}

impl CopyReport {
    pub(crate) fn new((way, why): (CopyWay, String)) -> Self {
        CopyReport {
            way,
            why,
            kept: 0,
            tables: 0,
            rows: 0,
            bytes: 0,
            objects: BTreeMap::new(),
            notes: Vec::new(),
            disabled_events: Vec::new(),
            millis: 0,
        }
    }
}
