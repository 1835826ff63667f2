//! What a delta keeps in staging: which rows were brought over, and which could not be.

use std::collections::BTreeMap;

use cutover_database::{Engine, Target};

use super::ops::{Act, Stuck};
use crate::DeltaError;
use crate::entry::Entry;
use crate::merge::Difference;
use crate::mysql;
use crate::postgres;
use crate::session::{Row, Session, text};

pub(crate) const APPLIED: &str = "cutover_delta_applied";
pub(crate) const LETTERS: &str = "cutover_dead_letters";

/// A row that could not be brought into the migrated staging database. It is where it was in production.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DeadLetter {
    /// Table, by its name in production.
    pub table: String,
    /// What was to be done: `store` or `delete`.
    pub act: String,
    /// The values that name the row; a hash where it has no key.
    pub key: Vec<String>,
    /// The row as JSON, where one was to be stored.
    pub row: Option<String>,
    /// What the server said.
    pub reason: String,
    /// When, by staging's clock.
    pub at: String,
}

fn name(engine: Engine, table: &str) -> String {
    match engine {
        Engine::MySql => table.to_owned(),
        Engine::Postgres => format!("public.{table}"),
    }
}

fn bytes(engine: Engine, value: &[u8]) -> String {
    match engine {
        Engine::MySql => mysql::sql::literal(value),
        Engine::Postgres => format!("'\\x{}'::bytea", hex::encode(value)),
    }
}

fn words(engine: Engine, value: &str) -> String {
    match engine {
        Engine::MySql => mysql::sql::literal(value.as_bytes()),
        Engine::Postgres => postgres::sql::literal(&value.replace('\0', "\u{fffd}")),
    }
}

pub(crate) async fn create(session: &mut Session, engine: Engine) -> Result<(), DeltaError> {
    let (blob, key, long, tail) = match engine {
        Engine::MySql => ("VARBINARY(512)", "VARBINARY(191)", "LONGBLOB", " ENGINE=InnoDB"),
        Engine::Postgres => ("bytea", "text", "text", ""),
    };
    let (id, row_key) = match engine {
        Engine::MySql => ("BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY", "LONGBLOB"),
        Engine::Postgres => ("bigserial PRIMARY KEY", "bytea"),
    };
    let manifest = match engine {
        Engine::MySql => "VARBINARY(32)",
        Engine::Postgres => "text",
    };
    let applied = format!(
        "CREATE TABLE IF NOT EXISTS {} (manifest {manifest} NOT NULL, table_name {key} NOT NULL, ord {blob} NOT NULL, \
           row_key {row_key} NOT NULL, hash {blob} NOT NULL, n BIGINT NOT NULL, \
           PRIMARY KEY (manifest, table_name, ord)){tail}",
        name(engine, APPLIED)
    );
    let letters = format!(
        "CREATE TABLE IF NOT EXISTS {} (id {id}, table_name {key} NOT NULL, act {key} NOT NULL, row_key {long} NOT NULL, \
           row_text {long}, reason {long} NOT NULL, at_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP){tail}",
        name(engine, LETTERS)
    );
    session
        .run("making the table of rows brought over", applied)
        .await?;
    session
        .run("making the table of dead letters", letters)
        .await
        .map(drop)
}

/// What was brought over of a table, by order; nothing where the row is gone.
pub(crate) async fn applied(
    session: &mut Session,
    engine: Engine,
    manifest: &str,
    table: &str,
) -> Result<BTreeMap<Vec<u8>, Option<Entry>>, DeltaError> {
    let (ord, key, hash) = match engine {
        Engine::MySql => ("HEX(ord)", "HEX(row_key)", "HEX(hash)"),
        Engine::Postgres => (
            "encode(ord, 'hex')",
            "encode(row_key, 'hex')",
            "encode(hash, 'hex')",
        ),
    };
    let sql = format!(
        "SELECT {ord}, {key}, {hash}, n FROM {} WHERE manifest = {} AND table_name = {}",
        name(engine, APPLIED),
        words(engine, manifest),
        words(engine, table)
    );
    let found = session.rows("reading what was brought over", sql).await?;
    let wrong = || DeltaError::local(format!("reading `{APPLIED}`"), "a row of it is not understood");
    found.iter().map(|row| entry(row).ok_or_else(wrong)).collect()
}

fn entry(row: &Row) -> Option<(Vec<u8>, Option<Entry>)> {
    let bytes = |index: usize| hex::decode(row.get(index)?.as_deref()?).ok();
    let sort = bytes(0)?;
    let key = crate::spool::read_key(&mut bytes(1)?.as_slice()).ok()?;
    let count: u64 = text(row, 3).trim().parse().ok()?;
    let entry = Entry {
        sort: sort.clone(),
        key,
        hash: bytes(2)?.try_into().ok()?,
        count,
    };
    Some((sort, (count > 0).then_some(entry)))
}

/// The statement that remembers a row as it is in staging now; it belongs to the transaction that made it so.
pub(crate) fn remember(
    engine: Engine,
    manifest: &str,
    table: &str,
    done: &Difference,
) -> Result<String, DeltaError> {
    let (hash, count) = done.after.unwrap_or_default();
    let mut key = Vec::new();
    crate::spool::write_key(&mut key, &done.key)
        .map_err(|error| DeltaError::local("remembering a row", error))?;
    let values = [
        words(engine, manifest),
        words(engine, table),
        bytes(engine, &done.sort),
        bytes(engine, &key),
        bytes(engine, &hash),
        count.to_string(),
    ];
    let values = values.join(", ");
    let into = format!(
        "INTO {} (manifest, table_name, ord, row_key, hash, n) VALUES ({values})",
        name(engine, APPLIED)
    );
    Ok(match engine {
        Engine::MySql => format!("REPLACE {into}"),
        Engine::Postgres => format!(
            "INSERT {into} ON CONFLICT (manifest, table_name, ord) DO UPDATE SET hash = EXCLUDED.hash, n = EXCLUDED.n"
        ),
    })
}

/// Puts these letters in the place of all that were there.
pub(crate) async fn replace_letters(
    session: &mut Session,
    engine: Engine,
    stuck: &[Stuck],
) -> Result<(), DeltaError> {
    let what = "writing dead letters";
    session.run(what, "BEGIN").await?;
    session
        .run(what, format!("DELETE FROM {}", name(engine, LETTERS)))
        .await?;
    for letter in stuck {
        let key: Vec<String> = letter
            .op
            .key
            .iter()
            .map(|value| match std::str::from_utf8(value) {
                Ok(text) => text.to_owned(),
                Err(_) => format!("0x{}", hex::encode(value)),
            })
            .collect();
        let row = letter
            .row
            .as_deref()
            .map_or_else(|| "NULL".to_owned(), |row| words(engine, row));
        let sql = format!(
            "INSERT INTO {} (table_name, act, row_key, row_text, reason) VALUES ({}, {}, {}, {row}, {})",
            name(engine, LETTERS),
            words(engine, &letter.table),
            words(engine, act(letter.act)),
            words(engine, &serde_json::Value::from(key).to_string()),
            words(engine, &letter.reason)
        );
        session.run(what, sql).await?;
    }
    session.run(what, "COMMIT").await.map(drop)
}

fn act(act: Act) -> &'static str {
    match act {
        Act::Store => "store",
        Act::Delete => "delete",
    }
}

/// Drops what a delta kept in `staging`. It can be repeated.
///
/// # Errors
/// When the server refuses.
pub async fn forget(staging: &Target) -> Result<(), DeltaError> {
    let mut session = Session::open(staging).await?;
    for table in [APPLIED, LETTERS] {
        let sql = format!("DROP TABLE IF EXISTS {}", name(staging.engine, table));
        session.run("dropping the record of a delta", sql).await?;
    }
    Ok(())
}

/// The rows that could not be brought into `staging`, in the order of their tables.
///
/// # Errors
/// When staging cannot be read.
pub async fn dead_letters(staging: &Target) -> Result<Vec<DeadLetter>, DeltaError> {
    let engine = staging.engine;
    let mut session = Session::open(staging).await?;
    let exists = match engine {
        Engine::MySql => mysql::catalog::has_table(&mut session, LETTERS).await?,
        Engine::Postgres => {
            let sql = format!("SELECT 1::text WHERE to_regclass('public.{LETTERS}') IS NOT NULL");
            !session.rows("looking for a table", sql).await?.is_empty()
        }
    };
    if !exists {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT table_name, act, row_key, row_text, reason, at_time FROM {} ORDER BY table_name, id",
        name(engine, LETTERS)
    );
    let found = session.rows("reading the dead letters", sql).await?;
    Ok(found
        .iter()
        .map(|row| DeadLetter {
            table: text(row, 0),
            act: text(row, 1),
            key: serde_json::from_str(&text(row, 2)).unwrap_or_else(|_| vec![text(row, 2)]),
            row: row.get(3).and_then(Option::as_ref).map(|_| text(row, 3)),
            reason: text(row, 4),
            at: text(row, 5),
        })
        .collect())
}
