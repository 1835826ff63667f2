//! The store on SQLite: one file, WAL, `synchronous=FULL`, one writer.

mod audit;
mod nodes;
mod notes;
mod runs;

use std::path::Path;

use cutover_proto::audit::{AuditEntry, AuditRecord};
use cutover_proto::facts::NodeFacts;
use cutover_proto::ids::{NodeName, RunId, Sha256Hex};
use cutover_proto::plan::Plan;
use cutover_proto::view::RehearsalView;
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::{NodeChange, NodeRow, RunRow, Store, StoreError, StoreResult};
use crate::clock::Clock;
use crate::engine::event::{Event, EventRecord};

const SCHEMA: &str = include_str!("sqlite/schema.sql");

/// The store on SQLite.
#[derive(Debug)]
pub struct SqliteStore {
    // One connection: SQLite has one writer anyway, and a log must not be read while it is half appended.
    pool: SqlitePool,
    clock: Clock,
}

impl SqliteStore {
    /// Opens the store, making it when it is not there.
    ///
    /// # Errors
    /// When the file can't be made (mode 0600) or is not a store.
    pub async fn open(path: &Path, clock: Clock) -> StoreResult<Self> {
        create_private(path).map_err(|source| StoreError::Open {
            path: path.display().to_string(),
            source,
        })?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(std::time::Duration::from_secs(10));
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await
            .map_err(|source| StoreError::Sql {
                action: "open its file",
                source,
            })?;
        sqlx::raw_sql(SCHEMA)
            .execute(&pool)
            .await
            .map_err(|source| StoreError::Sql {
                action: "create its tables",
                source,
            })?;
        Ok(Self { pool, clock })
    }
}

fn create_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map(|_| ())
}

fn sql(action: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| StoreError::Sql { action, source }
}

fn read_json<T: DeserializeOwned>(table: &'static str, row: &str, text: &str) -> StoreResult<T> {
    serde_json::from_str(text).map_err(|source| StoreError::Corrupt {
        table,
        row: row.to_owned(),
        source,
    })
}

fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

impl Store for SqliteStore {
    fn next_epoch(&self, least: u64) -> BoxFuture<'_, StoreResult<u64>> {
        self.take_epoch(least).boxed()
    }

    fn put_plan<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, StoreResult<Sha256Hex>> {
        self.insert_plan(plan).boxed()
    }

    fn plan<'a>(&'a self, hash: &'a Sha256Hex) -> BoxFuture<'a, StoreResult<Option<Plan>>> {
        self.select_plan(hash).boxed()
    }

    fn plan_hashes<'a>(&'a self, beginning: &'a str) -> BoxFuture<'a, StoreResult<Vec<Sha256Hex>>> {
        self.select_plan_hashes(beginning).boxed()
    }

    fn create_run(
        &self,
        id: RunId,
        plan_hash: Sha256Hex,
        operator: String,
    ) -> BoxFuture<'_, StoreResult<EventRecord>> {
        self.insert_run(id, plan_hash, operator).boxed()
    }

    fn append(
        &self,
        run: RunId,
        expected: u64,
        events: Vec<Event>,
        audit: Vec<AuditEntry>,
    ) -> BoxFuture<'_, StoreResult<Vec<EventRecord>>> {
        self.append_events(run, expected, events, audit).boxed()
    }

    fn events(&self, run: RunId) -> BoxFuture<'_, StoreResult<Vec<EventRecord>>> {
        self.select_events(run).boxed()
    }

    fn runs(&self) -> BoxFuture<'_, StoreResult<Vec<RunRow>>> {
        self.select_runs().boxed()
    }

    fn put_note<'a>(
        &'a self,
        scope: &'a str,
        name: &'a str,
        note: serde_json::Value,
        audit: Vec<AuditEntry>,
    ) -> BoxFuture<'a, StoreResult<()>> {
        self.write_note(scope, name, note, audit).boxed()
    }

    fn note<'a>(
        &'a self,
        scope: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, StoreResult<Option<serde_json::Value>>> {
        self.select_note(scope, name).boxed()
    }

    fn drop_note<'a>(&'a self, scope: &'a str, name: &'a str) -> BoxFuture<'a, StoreResult<()>> {
        self.delete_note(scope, name).boxed()
    }

    fn put_rehearsal<'a>(&'a self, rehearsal: &'a RehearsalView) -> BoxFuture<'a, StoreResult<()>> {
        self.write_rehearsal(rehearsal).boxed()
    }

    fn rehearsal(&self, run: RunId) -> BoxFuture<'_, StoreResult<Option<RehearsalView>>> {
        self.select_rehearsal_of(run).boxed()
    }

    fn rehearsals<'a>(&'a self, upgrade: &'a str) -> BoxFuture<'a, StoreResult<Vec<RehearsalView>>> {
        self.select_rehearsals(upgrade).boxed()
    }

    fn enrol<'a>(
        &'a self,
        token: &'a str,
        node: &'a NodeRow,
        audit: AuditEntry,
    ) -> BoxFuture<'a, StoreResult<bool>> {
        self.insert_enrolled(token, node, audit).boxed()
    }

    fn change_node<'a>(
        &'a self,
        name: &'a NodeName,
        change: NodeChange,
        audit: AuditEntry,
    ) -> BoxFuture<'a, StoreResult<bool>> {
        self.update_node(name, change, audit).boxed()
    }

    fn node_seen<'a>(
        &'a self,
        name: &'a NodeName,
        at: Timestamp,
        facts: Option<&'a NodeFacts>,
    ) -> BoxFuture<'a, StoreResult<()>> {
        self.update_seen(name, at, facts).boxed()
    }

    fn nodes(&self) -> BoxFuture<'_, StoreResult<Vec<NodeRow>>> {
        self.select_nodes().boxed()
    }

    fn put_token<'a>(
        &'a self,
        id: &'a str,
        record: serde_json::Value,
        audit: AuditEntry,
    ) -> BoxFuture<'a, StoreResult<()>> {
        self.insert_token(id, record, audit).boxed()
    }

    fn token<'a>(&'a self, id: &'a str) -> BoxFuture<'a, StoreResult<Option<serde_json::Value>>> {
        self.select_token(id).boxed()
    }

    fn audit(&self, entries: Vec<AuditEntry>) -> BoxFuture<'_, StoreResult<()>> {
        self.append_audit(entries).boxed()
    }

    fn audit_records(&self, first: u64, limit: u32) -> BoxFuture<'_, StoreResult<Vec<AuditRecord>>> {
        self.select_audit(first, limit).boxed()
    }

    fn audit_end(&self) -> BoxFuture<'_, StoreResult<(u64, String)>> {
        self.select_audit_end().boxed()
    }
}

#[cfg(test)]
mod tests;
