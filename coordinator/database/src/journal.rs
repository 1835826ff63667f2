//! The journal of migration scripts: a table in the target database itself, so that what a statement did and
//! the record of it can be committed together.

use std::collections::BTreeMap;
use std::error::Error;

use cutover_sqlscript::StatementKind;
use futures::future::BoxFuture;

use crate::connection::Connection;
use crate::error::DatabaseError;
use crate::literal;
use crate::script::Decided;
use crate::target::{Engine, Target};

/// Name of the table. It counts neither as an object of the database nor as content.
pub const TABLE: &str = "cutover_journal";

/// Name of the table in which a copy keeps what is whole while it is under way. It counts neither.
pub const COPY_TABLE: &str = "cutover_copy_journal";

const ACTION: &str = "keep the script journal";

/// How far a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JournalState {
    /// About to run.
    Intent,
    /// The server has run it; it is not committed, or not recorded in the target yet.
    Applied,
    /// Committed and recorded.
    Done,
    /// Not sent to the server: without meaning here, or decided so by an operator.
    Skipped,
}

impl JournalState {
    fn name(self) -> &'static str {
        match self {
            JournalState::Intent => "intent",
            JournalState::Applied => "applied",
            JournalState::Done => "done",
            JournalState::Skipped => "skipped",
        }
    }

    fn read(name: &str) -> Self {
        match name {
            "done" => JournalState::Done,
            "skipped" => JournalState::Skipped,
            "applied" => JournalState::Applied,
            _ => JournalState::Intent,
        }
    }
}

/// What a server warned of.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Warning {
    /// Statement, from 0.
    pub index: usize,
    /// Line it begins on.
    pub line: usize,
    /// The server's level, code and text.
    pub text: String,
}

/// One state of one statement, as the coordinator stores it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct JournalRecord {
    /// SHA-256 of the script.
    pub script_sha256: String,
    /// Statement, from 0.
    pub index: usize,
    /// SHA-256 of the statement.
    pub statement_sha256: String,
    /// What it does.
    pub kind: StatementKind,
    /// How far it is.
    pub state: JournalState,
    /// Line it begins on.
    pub line: usize,
    /// Column it begins at.
    pub column: usize,
    /// The server's number of our session.
    pub session: String,
    /// Rows it changed or returned.
    pub rows: u64,
    /// How long it ran.
    pub millis: u64,
    /// What the server warned of.
    pub warnings: Vec<Warning>,
    /// Who decided what about it, when it did not run as it stands in the script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<Decided>,
}

/// Where the records go besides the target: the coordinator's own store.
pub trait JournalSink: Send + Sync {
    /// Stores a record durably before the next thing happens. An error stops the script where it is, as a
    /// crash would, and it can be resumed.
    fn record<'a>(
        &'a self,
        record: &'a JournalRecord,
    ) -> BoxFuture<'a, Result<(), Box<dyn Error + Send + Sync>>>;
}

/// A sink that keeps nothing; the journal in the target is enough to resume.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSink;

impl JournalSink for NoSink {
    fn record<'a>(&'a self, _: &'a JournalRecord) -> BoxFuture<'a, Result<(), Box<dyn Error + Send + Sync>>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Drops the journal table, at the end of an upgrade.
///
/// # Errors
/// The database cannot be reached or refuses.
pub async fn forget_journal(target: &Target) -> Result<(), DatabaseError> {
    let mut connection = Connection::open(target).await?;
    let dropped = match Place::find(&mut connection).await {
        Ok(place) => {
            connection
                .execute(ACTION, &format!("DROP TABLE IF EXISTS {}", place.table))
                .await
        }
        Err(error) => Err(error),
    };
    connection.close().await;
    dropped.map(drop)
}

/// Whether a script has begun on this database: its journal holds at least one statement.
///
/// # Errors
/// The database cannot be reached or refuses.
pub async fn journal_begun(target: &Target) -> Result<bool, DatabaseError> {
    let mut connection = Connection::open(target).await?;
    let begun = begun(&mut connection).await;
    connection.close().await;
    begun
}

async fn begun(connection: &mut Connection) -> Result<bool, DatabaseError> {
    let schema = match connection.engine() {
        Engine::MySql => "DATABASE()",
        Engine::Postgres => "current_schema()",
    };
    let there = format!(
        "SELECT 1 FROM information_schema.tables WHERE table_schema = {schema} AND table_name = '{TABLE}'"
    );
    if connection.scalar(ACTION, &there).await?.is_none() {
        return Ok(false);
    }
    let place = Place::find(connection).await?;
    let rows = format!("SELECT 1 FROM {} LIMIT 1", place.table);
    Ok(connection.scalar(ACTION, &rows).await?.is_some())
}

/// Value of a user variable, exact to type and collation; `None` is `NULL`.
pub(crate) type Variables = BTreeMap<String, Option<String>>;

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) index: usize,
    pub(crate) statement_sha256: String,
    pub(crate) state: JournalState,
    pub(crate) fingerprint: Option<String>,
    /// SQL expressions that restore the variables the statement set.
    pub(crate) variables: Variables,
    pub(crate) last_insert_id: Option<u64>,
    pub(crate) rows: u64,
    pub(crate) millis: u64,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) decided_by: Option<Decided>,
}

/// The table, qualified, because a script may change the schema search path or the default database.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    engine: Engine,
    pub(crate) table: String,
}

/// Statement number of the row that says a script has ended.
pub(crate) const END: i64 = -1;

impl Place {
    pub(crate) async fn find(connection: &mut Connection) -> Result<Self, DatabaseError> {
        let engine = connection.engine();
        let sql = match engine {
            Engine::MySql => "SELECT DATABASE()",
            Engine::Postgres => "SELECT coalesce(current_schema(), 'public')",
        };
        let outer = connection.scalar(ACTION, sql).await?.unwrap_or_default();
        Ok(Place {
            engine,
            table: literal::qualified(engine, &outer, TABLE),
        })
    }

    fn create(&self) -> String {
        let table = &self.table;
        let (ascii, long, tail) = match self.engine {
            Engine::MySql => (
                " CHARACTER SET ascii",
                "LONGTEXT",
                " ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4",
            ),
            Engine::Postgres => ("", "TEXT", ""),
        };
        format!(
            "CREATE TABLE IF NOT EXISTS {table} (script_sha256 VARCHAR(64){ascii} NOT NULL, statement_number INTEGER NOT NULL, \
             statement_sha256 VARCHAR(64){ascii} NOT NULL, state VARCHAR(16){ascii} NOT NULL, fingerprint VARCHAR(64){ascii}, \
             variables {long}, last_insert_id DECIMAL(20, 0), row_count BIGINT NOT NULL, millis BIGINT NOT NULL, \
             warnings {long}, decided_by {long}, PRIMARY KEY (script_sha256, statement_number)){tail}"
        )
    }

    /// Makes the table, or gives one that an earlier version of Cutover left behind what it lacks.
    pub(crate) async fn ensure(&self, connection: &mut Connection) -> Result<(), DatabaseError> {
        connection.execute(ACTION, &self.create()).await?;
        let here = match self.engine {
            Engine::MySql => "table_schema = DATABASE()",
            Engine::Postgres => "table_schema = current_schema()",
        };
        let known = format!(
            "SELECT 1 FROM information_schema.columns WHERE {here} AND table_name = '{TABLE}' \
             AND column_name = 'decided_by'"
        );
        if connection.scalar(ACTION, &known).await?.is_none() {
            let kind = match self.engine {
                Engine::MySql => "LONGTEXT",
                Engine::Postgres => "TEXT",
            };
            let add = format!("ALTER TABLE {} ADD COLUMN decided_by {kind}", self.table);
            connection.execute(ACTION, &add).await?;
        }
        Ok(())
    }

    /// Writes a row, replacing one of the same statement.
    pub(crate) fn write(&self, script: &str, number: i64, entry: &Entry) -> String {
        let text = |value: &str| literal::text(self.engine, value);
        let json = |value: serde_json::Result<String>| text(&value.unwrap_or_default());
        let values = format!(
            "{}, {number}, {}, {}, {}, {}, {}, {}, {}, {}, {}",
            text(script),
            text(&entry.statement_sha256),
            text(entry.state.name()),
            literal::optional(self.engine, entry.fingerprint.as_deref()),
            json(serde_json::to_string(&entry.variables)),
            entry
                .last_insert_id
                .map_or_else(|| "NULL".to_owned(), |id| id.to_string()),
            entry.rows,
            entry.millis,
            json(serde_json::to_string(&entry.warnings)),
            entry.decided_by.as_ref().map_or_else(
                || "NULL".to_owned(),
                |decided| json(serde_json::to_string(decided))
            ),
        );
        match self.engine {
            Engine::MySql => format!("REPLACE INTO {} VALUES ({values})", self.table),
            Engine::Postgres => format!("INSERT INTO {} VALUES ({values})", self.table),
        }
    }

    pub(crate) fn erase(&self, script: &str, number: i64) -> String {
        let script = literal::text(self.engine, script);
        format!(
            "DELETE FROM {} WHERE script_sha256 = {script} AND statement_number = {number}",
            self.table
        )
    }

    /// Rows of a script in order, and whether it has ended.
    pub(crate) async fn read(
        &self,
        connection: &mut Connection,
        script: &str,
    ) -> Result<(Vec<Entry>, bool), DatabaseError> {
        let sql = format!(
            "SELECT statement_number, statement_sha256, state, fingerprint, variables, last_insert_id, row_count, \
             millis, warnings, decided_by FROM {} WHERE script_sha256 = {} ORDER BY statement_number",
            self.table,
            literal::text(self.engine, script)
        );
        let rows = connection.rows(ACTION, &sql).await?;
        let ended = rows.iter().any(|row| row.number(0) == Some(END));
        let entries = rows.iter().filter_map(|row| {
            Some(Entry {
                index: usize::try_from(row.number::<i64>(0)?).ok()?,
                statement_sha256: row.text(1),
                state: JournalState::read(&row.text(2)),
                fingerprint: row.get(3).map(str::to_owned),
                variables: serde_json::from_str(&row.text(4)).unwrap_or_default(),
                last_insert_id: row.number(5),
                rows: row.number(6).unwrap_or_default(),
                millis: row.number(7).unwrap_or_default(),
                warnings: serde_json::from_str(&row.text(8)).unwrap_or_default(),
                decided_by: row.get(9).and_then(|text| serde_json::from_str(text).ok()),
            })
        });
        Ok((entries.collect(), ended))
    }

    /// Hash of another script that began here and has not ended.
    pub(crate) async fn unfinished(
        &self,
        connection: &mut Connection,
        script: &str,
    ) -> Result<Option<String>, DatabaseError> {
        let sql = format!(
            "SELECT script_sha256 FROM {table} WHERE script_sha256 <> {script} GROUP BY script_sha256 \
             HAVING MIN(statement_number) <> {END}",
            table = self.table,
            script = literal::text(self.engine, script)
        );
        connection.scalar(ACTION, &sql).await
    }
}
