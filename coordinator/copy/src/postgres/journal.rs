//! The journal of a copy in a PostgreSQL staging database.

use cutover_database::Target;
use sqlx::postgres::PgConnection;

use super::session::{ident, literal, number, rows, run, text};
use crate::journal::{Done, Whole};
use crate::{CopyError, CopyOptions, JOURNAL};

/// Types, functions, tables and views are there, all of them: they come before all rows.
pub(crate) const SCHEMA: &str = "#schema";
/// Large objects are there.
pub(crate) const LARGE_OBJECTS: &str = "#large objects";
/// The rest of the schema was begun in one go, of which it is not known what is there.
pub(crate) const REST: &str = "#rest of the schema";

/// Table of the journal.
pub(crate) fn table() -> String {
    format!("public.{}", ident(JOURNAL))
}

/// The journal, where the account may keep one.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    kept: bool,
    pub(crate) done: Done,
}

impl Journal {
    /// Begins a journal in an empty staging database, or reads that of the interrupted copy.
    pub(crate) async fn open(
        conn: &mut PgConnection,
        to: &Target,
        identity: &str,
        options: &CopyOptions,
        notes: &mut Vec<String>,
    ) -> Result<Self, CopyError> {
        if options.resume
            && let Some(done) = left(conn, to, identity).await?
        {
            return Ok(Journal { kept: true, done });
        }
        let zero = Whole { rows: 0, bytes: 0 };
        let name = table();
        let sql = format!(
            "BEGIN; DROP TABLE IF EXISTS {name}; CREATE TABLE {name} (place text PRIMARY KEY, row_count bigint NOT NULL, \
             byte_count bigint NOT NULL); {}; COMMIT",
            insert(identity, zero)
        );
        if let Err(error) = run(conn, to, "beginning the journal of the copy", &sql).await {
            run(conn, to, "ending a transaction", "ROLLBACK").await?;
            let why = std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
            notes.push(format!(
                "no journal in {to}, so that the copy begins anew if it stops: {why}"
            ));
            return Ok(Journal::default());
        }
        let done = Done::default();
        Ok(Journal { kept: true, done })
    }

    /// Statement that notes a place as done, for the transaction that does it; empty without a journal.
    pub(crate) fn record(&self, place: &str, whole: Whole) -> String {
        match self.kept {
            true => format!("; {}", insert(place, whole)),
            false => String::new(),
        }
    }

    pub(crate) async fn mark(
        &self,
        conn: &mut PgConnection,
        to: &Target,
        place: &str,
    ) -> Result<(), CopyError> {
        let zero = Whole { rows: 0, bytes: 0 };
        let sql = format!("SELECT{}", self.record(place, zero));
        run(conn, to, "keeping the journal of the copy", &sql).await
    }

    pub(crate) async fn remove(&self, conn: &mut PgConnection, to: &Target) -> Result<(), CopyError> {
        let sql = format!("DROP TABLE IF EXISTS {}", table());
        match self.kept {
            true => run(conn, to, "removing the journal of the copy", &sql).await,
            false => Ok(()),
        }
    }
}

fn insert(place: &str, whole: Whole) -> String {
    format!(
        "INSERT INTO {} VALUES ({}, {}, {})",
        table(),
        literal(place),
        whole.rows,
        whole.bytes
    )
}

/// `None` when staging is empty, so that there is nothing to go on with and nothing in the way.
async fn left(conn: &mut PgConnection, to: &Target, identity: &str) -> Result<Option<Done>, CopyError> {
    let what = "reading what an interrupted copy left";
    let refuse = |why: String| {
        Err(CopyError::NotResumable {
            database: to.to_string(),
            why,
        })
    };
    let sql = format!(
        "SELECT (to_regclass({}) IS NOT NULL)::text, (SELECT count(*) FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {} AND NOT EXISTS (SELECT 1 FROM pg_depend d \
         WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))::text",
        literal(&table()),
        super::catalog::USER_SCHEMAS
    );
    let found = rows(conn, to, what, &sql).await?;
    let found = found.first().map(Vec::as_slice).unwrap_or_default();
    if text(found, 0) != "true" {
        return match text(found, 1).as_str() {
            "0" => Ok(None),
            _ => refuse("there is no journal of a copy, but there are tables".to_owned()),
        };
    }
    let sql = format!("SELECT place, row_count::text, byte_count::text FROM {}", table());
    let entry = |row: &Vec<Option<String>>| {
        let whole = Whole {
            rows: number(row, 1),
            bytes: number(row, 2),
        };
        (text(row, 0), whole)
    };
    let done = Done(rows(conn, to, what, &sql).await?.iter().map(entry).collect());
    if let Some(why) = done.refusal(identity) {
        return refuse(why);
    }
    if !done.has(SCHEMA) {
        return refuse("it stopped before the tables were there".to_owned());
    }
    if done.has(REST) {
        return refuse("it stopped while indexes and constraints were created all in one go".to_owned());
    }
    Ok(Some(done))
}
