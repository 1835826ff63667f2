//! Triggers of staging, which must not act on rows that are brought over.
//!
//! MySQL has no way to silence a trigger. So the triggers of tables that are about to change are written to a table
//! in staging, dropped, and made again from there. A run that dies between leaves the table, and the next run, or
//! [`restore`] alone, finishes the work.

use std::collections::BTreeMap;

use mysql_async::prelude::Queryable as _;

use super::catalog;
use super::sql::{ident, literal};
use super::writer::{Writer, utf8};
use crate::DeltaError;
use crate::session::Session;

const TABLE: &str = "cutover_delta_triggers";
const PROBE: &str = "cutover_probe";

/// A trigger as the server shows it, in the bytes of the character set it was written in.
struct Trigger {
    name: String,
    sql: Vec<u8>,
    mode: String,
    charset: String,
    collation: String,
}

/// A row of the table that keeps triggers.
type Kept = (Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>);

/// Sets the triggers of these tables aside. Nothing is dropped that could not be made again.
pub(crate) async fn set_aside(
    session: &mut Session,
    writer: &mut Writer,
    tables: &[&str],
) -> Result<(), DeltaError> {
    let existing: BTreeMap<String, Vec<String>> = catalog::triggers(session).await?;
    let names: Vec<&String> = tables
        .iter()
        .filter_map(|table| existing.get(*table))
        .flatten()
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    create_table(writer).await?;
    for name in names {
        let trigger = read(writer, name).await?;
        prove(writer, &trigger).await?;
        keep(writer, &trigger).await?;
        let drop = format!("DROP TRIGGER IF EXISTS {}", ident(name));
        writer
            .run(&format!("setting trigger `{name}` aside"), drop)
            .await?;
    }
    Ok(())
}

/// Makes the triggers again that were set aside, and forgets them.
pub(crate) async fn restore(session: &mut Session, writer: &mut Writer) -> Result<u64, DeltaError> {
    if !catalog::has_table(session, TABLE).await? {
        return Ok(0);
    }
    let sql = format!("SELECT name, sql_text, sql_mode, charset, collation_name FROM {TABLE} ORDER BY id");
    let kept: Vec<Kept> = query(writer, &sql).await?;
    let existing: Vec<String> = catalog::triggers(session)
        .await?
        .into_values()
        .flatten()
        .collect();
    let mut restored = 0;
    for (name, sql, mode, charset, collation) in kept {
        let trigger = Trigger {
            name: lossy(&name),
            sql,
            mode: lossy(&mode),
            charset: lossy(&charset),
            collation: lossy(&collation),
        };
        if !existing.contains(&trigger.name) {
            create(writer, &trigger, &trigger.sql).await?;
            restored += 1;
        }
    }
    writer
        .run("forgetting the triggers set aside", format!("DROP TABLE {TABLE}"))
        .await?;
    Ok(restored)
}

async fn create_table(writer: &mut Writer) -> Result<(), DeltaError> {
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS {TABLE} (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, \
           name VARBINARY(255) NOT NULL, sql_text LONGBLOB NOT NULL, sql_mode BLOB NOT NULL, \
           charset VARBINARY(64) NOT NULL, collation_name VARBINARY(64) NOT NULL, UNIQUE (name)) ENGINE=InnoDB"
    );
    writer
        .run("making the table that keeps triggers", sql)
        .await
        .map(drop)
}

async fn read(writer: &mut Writer, name: &str) -> Result<Trigger, DeltaError> {
    let sql = format!("SHOW CREATE TRIGGER {}", ident(name));
    let missing = || {
        DeltaError::local(
            format!("reading trigger `{name}`"),
            "the server shows no such trigger",
        )
    };
    let found: Vec<mysql_async::Row> = query(writer, &sql).await?;
    let row = found.first().ok_or_else(missing)?;
    let bytes = |index: usize| row.get::<Vec<u8>, usize>(index).ok_or_else(missing);
    Ok(Trigger {
        name: name.to_owned(),
        mode: lossy(&bytes(1)?),
        sql: bytes(2)?,
        charset: lossy(&bytes(3)?),
        collation: lossy(&bytes(4)?),
    })
}

/// Makes the trigger under another name and removes that again, before the trigger itself is touched.
async fn prove(writer: &mut Writer, trigger: &Trigger) -> Result<(), DeltaError> {
    let drop = format!("DROP TRIGGER IF EXISTS {PROBE}");
    let refused = |label: &str, why: String| {
        DeltaError::Triggers {
        database: label.to_owned(),
        names: vec![trigger.name.clone()],
        why: format!("would act on rows that are brought over, and could not be made again: {why}"),
        remedy: "give the account the right to create it as it is (SUPER or SET USER for another definer), or drop \
                 it in staging and create it after the switch"
            .to_owned(),
    }
    };
    let renamed = rename(&trigger.sql, &trigger.name)
        .ok_or_else(|| refused(writer.label(), "its definition is not understood".to_owned()))?;
    writer.run("removing the probe of a trigger", &drop).await?;
    if let Err(error) = create(writer, trigger, &renamed).await {
        let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        return Err(refused(writer.label(), cause));
    }
    writer
        .run("removing the probe of a trigger", &drop)
        .await
        .map(|_| ())
}

/// `CREATE … TRIGGER name …` under the probe's name.
fn rename(sql: &[u8], name: &str) -> Option<Vec<u8>> {
    let quoted = ident(name).into_bytes();
    let word = b"TRIGGER ";
    let at = sql
        .windows(word.len())
        .position(|part| part.eq_ignore_ascii_case(word))?
        + word.len();
    let rest = sql.get(at..)?;
    let after = rest
        .strip_prefix(quoted.as_slice())
        .or_else(|| rest.strip_prefix(name.as_bytes()))?;
    Some([sql.get(..at)?, PROBE.as_bytes(), after].concat())
}

async fn keep(writer: &mut Writer, trigger: &Trigger) -> Result<(), DeltaError> {
    let sql = format!(
        "INSERT INTO {TABLE} (name, sql_text, sql_mode, charset, collation_name) VALUES ({}, {}, {}, {}, {}) \
         ON DUPLICATE KEY UPDATE sql_text=VALUES(sql_text), sql_mode=VALUES(sql_mode), charset=VALUES(charset), \
           collation_name=VALUES(collation_name)",
        literal(trigger.name.as_bytes()),
        literal(&trigger.sql),
        literal(trigger.mode.as_bytes()),
        literal(trigger.charset.as_bytes()),
        literal(trigger.collation.as_bytes())
    );
    writer
        .run(&format!("keeping trigger `{}`", trigger.name), sql)
        .await
        .map(drop)
}

/// Runs the definition in the session it was written in, then returns to the session of this work.
async fn create(writer: &mut Writer, trigger: &Trigger, sql: &[u8]) -> Result<(), DeltaError> {
    let what = format!("making trigger `{}`", trigger.name);
    let session = format!(
        "SET @cutover_mode=@@sql_mode, sql_mode={}, character_set_client={}, collation_connection={}",
        utf8(&trigger.mode),
        trigger.charset,
        trigger.collation
    );
    writer.run(&what, session).await?;
    let done = writer.run(&what, sql).await;
    writer.run(&what, "SET NAMES binary").await?;
    writer.run(&what, "SET sql_mode=@cutover_mode").await?;
    done.map(drop)
}

async fn query<T>(writer: &mut Writer, sql: &str) -> Result<Vec<T>, DeltaError>
where
    T: mysql_async::prelude::FromRow + Send + 'static,
{
    let found = writer.conn.query(sql).await;
    found.map_err(|error| DeltaError::statement("reading the triggers set aside", writer.label(), error))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trigger_when_renamed_then_only_its_name_changes() {
        let sql =
            b"CREATE DEFINER=`a`@`%` TRIGGER `t``x` BEFORE INSERT ON `T` FOR EACH ROW SET NEW.a = '`t``x`'";
        let renamed = rename(sql, "t`x").unwrap();
        assert_eq!(
            String::from_utf8_lossy(&renamed),
            "CREATE DEFINER=`a`@`%` TRIGGER cutover_probe BEFORE INSERT ON `T` FOR EACH ROW SET NEW.a = '`t``x`'"
        );
        assert_eq!(rename(sql, "other"), None);
    }
}
