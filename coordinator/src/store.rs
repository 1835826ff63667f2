//! The coordinator's own store: runs as event logs, plans, nodes, tokens, inventory and the audit trail.
//!
//! [`Store`] is the one narrow way in; nothing else knows that [`sqlite::SqliteStore`] is SQLite. A state change
//! and its audit record are one transaction.

pub mod sqlite;

use std::collections::BTreeMap;

use cutover_proto::audit::{AuditEntry, AuditRecord};
use cutover_proto::facts::NodeFacts;
use cutover_proto::ids::{NodeName, RunId, Sha256Hex};
use cutover_proto::plan::Plan;
use cutover_proto::view::RehearsalView;
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::engine::event::{Event, EventRecord};

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused.
    #[error("the coordinator's store failed to {action}")]
    Sql {
        /// What was tried.
        action: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// Someone else appended first.
    #[error("run {run} has moved on: event {expected} was expected to be the last")]
    VersionMoved {
        /// The run.
        run: RunId,
        /// The version expected.
        expected: u64,
    },
    /// A row that this version can't read.
    #[error("table {table}, row {row}: not readable by this version")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row.
        row: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The file can't be created or opened.
    #[error("failed to open the store at {path}")]
    Open {
        /// The path.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Shorthand.
pub type StoreResult<T> = Result<T, StoreError>;

/// A node as enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRow {
    /// The node.
    pub name: NodeName,
    /// Labels given with its token.
    pub labels: BTreeMap<String, String>,
    /// Serial number of its certificate. No other one is let in.
    pub serial: String,
    /// The certificate that a renewal replaced, let in until the new one is seen: its answer may have been lost.
    #[serde(default)]
    pub replaced_serial: Option<String>,
    /// When it was enrolled.
    pub enrolled: Timestamp,
    /// Last heard of.
    pub last_seen: Option<Timestamp>,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// What it reported last.
    pub facts: Option<NodeFacts>,
}

/// A change of an enrolled node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeChange {
    /// Its certificate was renewed. Not for a revoked node, nor one whose certificate is another by now.
    Renewed {
        /// The serial it asked with.
        from: String,
        /// The serial of the new certificate.
        to: String,
    },
    /// The renewed certificate was seen: the one before is let in no more.
    Confirmed,
    /// It may no longer connect.
    Revoked(Timestamp),
}

impl NodeRow {
    /// Whether a certificate with this serial is let in.
    #[must_use]
    pub fn admits(&self, serial: &str) -> bool {
        self.revoked.is_none() && (self.serial == serial || self.replaced_serial.as_deref() == Some(serial))
    }

    /// Makes the change; `false` when it is not possible any more.
    pub fn apply(&mut self, change: &NodeChange) -> bool {
        match change {
            NodeChange::Renewed { from, to } => {
                if !self.admits(from) {
                    return false;
                }
                self.replaced_serial = Some(from.clone());
                self.serial.clone_from(to);
            }
            NodeChange::Confirmed => self.replaced_serial = None,
            NodeChange::Revoked(at) => self.revoked = Some(*at),
        }
        true
    }
}

/// A run as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// The run.
    pub id: RunId,
    /// Its plan.
    pub plan_hash: Sha256Hex,
    /// When it was started.
    pub started: Timestamp,
    /// Whether it has ended.
    pub ended: bool,
}

/// What the rest of the coordinator asks of its store.
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Takes the next epoch: one more with each start of a coordinator on this store, and above `least`.
    fn next_epoch(&self, least: u64) -> BoxFuture<'_, StoreResult<u64>>;

    /// Keeps a plan under its hash. Keeping it again changes nothing.
    fn put_plan<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, StoreResult<Sha256Hex>>;
    /// A plan by its hash.
    fn plan<'a>(&'a self, hash: &'a Sha256Hex) -> BoxFuture<'a, StoreResult<Option<Plan>>>;
    /// Hashes that begin so.
    fn plan_hashes<'a>(&'a self, beginning: &'a str) -> BoxFuture<'a, StoreResult<Vec<Sha256Hex>>>;

    /// Starts a run with its first event.
    fn create_run(
        &self,
        id: RunId,
        plan_hash: Sha256Hex,
        operator: String,
    ) -> BoxFuture<'_, StoreResult<EventRecord>>;
    /// Appends events behind number `expected`, with their audit records, in one transaction.
    fn append(
        &self,
        run: RunId,
        expected: u64,
        events: Vec<Event>,
        audit: Vec<AuditEntry>,
    ) -> BoxFuture<'_, StoreResult<Vec<EventRecord>>>;
    /// The log of a run.
    fn events(&self, run: RunId) -> BoxFuture<'_, StoreResult<Vec<EventRecord>>>;
    /// All runs, oldest first.
    fn runs(&self) -> BoxFuture<'_, StoreResult<Vec<RunRow>>>;

    /// Keeps a note of a run under a name, in the place of an earlier one of that name, with its audit records. What a
    /// step must know after a crash and can't read anywhere else, such as what a fence took away, is kept so before
    /// it is done.
    fn put_note<'a>(
        &'a self,
        scope: &'a str,
        name: &'a str,
        note: serde_json::Value,
        audit: Vec<AuditEntry>,
    ) -> BoxFuture<'a, StoreResult<()>>;
    /// A note.
    fn note<'a>(
        &'a self,
        scope: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, StoreResult<Option<serde_json::Value>>>;
    /// Removes a note.
    fn drop_note<'a>(&'a self, scope: &'a str, name: &'a str) -> BoxFuture<'a, StoreResult<()>>;
    /// Keeps what a rehearsal found, in the place of what the same run had told before.
    fn put_rehearsal<'a>(&'a self, rehearsal: &'a RehearsalView) -> BoxFuture<'a, StoreResult<()>>;
    /// What the rehearsal of a run found.
    fn rehearsal(&self, run: RunId) -> BoxFuture<'_, StoreResult<Option<RehearsalView>>>;
    /// The rehearsals of an upgrade, the newest first.
    fn rehearsals<'a>(&'a self, upgrade: &'a str) -> BoxFuture<'a, StoreResult<Vec<RehearsalView>>>;

    /// Uses a join token up and adds or replaces its node, both or neither; `false` when the token had been used.
    fn enrol<'a>(
        &'a self,
        token: &'a str,
        node: &'a NodeRow,
        audit: AuditEntry,
    ) -> BoxFuture<'a, StoreResult<bool>>;
    /// Changes a node, if it still is as the change expects.
    fn change_node<'a>(
        &'a self,
        name: &'a NodeName,
        change: NodeChange,
        audit: AuditEntry,
    ) -> BoxFuture<'a, StoreResult<bool>>;
    /// Notes that a node was heard of, and what it reported.
    fn node_seen<'a>(
        &'a self,
        name: &'a NodeName,
        at: Timestamp,
        facts: Option<&'a NodeFacts>,
    ) -> BoxFuture<'a, StoreResult<()>>;
    /// All nodes, by name.
    fn nodes(&self) -> BoxFuture<'_, StoreResult<Vec<NodeRow>>>;

    /// Keeps a join token's record.
    fn put_token<'a>(
        &'a self,
        id: &'a str,
        record: serde_json::Value,
        audit: AuditEntry,
    ) -> BoxFuture<'a, StoreResult<()>>;
    /// A join token's record, whether or not it was used.
    fn token<'a>(&'a self, id: &'a str) -> BoxFuture<'a, StoreResult<Option<serde_json::Value>>>;

    /// Appends to the audit trail.
    fn audit(&self, entries: Vec<AuditEntry>) -> BoxFuture<'_, StoreResult<()>>;
    /// Records from number `first`, at most `limit`.
    fn audit_records(&self, first: u64, limit: u32) -> BoxFuture<'_, StoreResult<Vec<AuditRecord>>>;
    /// Number and hash of the last record.
    fn audit_end(&self) -> BoxFuture<'_, StoreResult<(u64, String)>>;
}
