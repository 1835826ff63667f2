//! What follows the rows: counters, sequences, and the proof of foreign keys.

use std::collections::{BTreeMap, BTreeSet};

use super::sql::ident;
use super::writer::Writer;
use crate::DeltaError;
use crate::options::SyncOptions;
use crate::proof::ForeignKey;
use crate::session::{Session, number, text};

/// Moves AUTO_INCREMENT counters and sequences that are behind production's on to where production's stand.
pub(crate) async fn counters(
    production: &mut Session,
    staging: &mut Session,
    writer: &mut Writer,
    options: &SyncOptions,
) -> Result<u64, DeltaError> {
    let moved = auto_increments(production, staging, writer, options).await?;
    Ok(moved + sequences(production, staging, writer).await?)
}

/// Moves AUTO_INCREMENT counters of tables that both sides have on to where production's stand.
pub(crate) async fn auto_increments(
    production: &mut Session,
    staging: &mut Session,
    writer: &mut Writer,
    options: &SyncOptions,
) -> Result<u64, DeltaError> {
    let (here, there) = futures::try_join!(positions(production, options), positions(staging, options))?;
    let mut moved = 0;
    let behind = |table: &str, next: u64| there.get(table).is_some_and(|other| *other < next);
    for (table, next) in here.iter().filter(|(table, next)| behind(table, **next)) {
        let what = format!("setting the counter of table `{table}`");
        let sql = format!("ALTER TABLE {} AUTO_INCREMENT = {next}", ident(table));
        writer.run(&what, sql).await?;
        moved += 1;
    }
    Ok(moved)
}

async fn positions(
    session: &mut Session,
    options: &SyncOptions,
) -> Result<BTreeMap<String, u64>, DeltaError> {
    let sql = "SELECT TABLE_NAME, AUTO_INCREMENT FROM information_schema.TABLES \
               WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE' AND AUTO_INCREMENT IS NOT NULL";
    let found = session.rows("reading the counters", sql).await?;
    let kept = found.iter().filter(|row| !options.skips(&text(row, 0)));
    Ok(kept.map(|row| (text(row, 0), number(row, 1))).collect())
}

/// MariaDB's sequences. What one holds of its state is in the row that selecting from it gives.
pub(crate) async fn sequences(
    production: &mut Session,
    staging: &mut Session,
    writer: &mut Writer,
) -> Result<u64, DeltaError> {
    let sql = "SELECT TABLE_NAME FROM information_schema.TABLES \
               WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'SEQUENCE' ORDER BY 1";
    let what = "reading the sequences";
    let (here, there) = futures::try_join!(production.rows(what, sql), staging.rows(what, sql))?;
    let there: BTreeSet<String> = there.iter().map(|row| text(row, 0)).collect();
    let mut moved = 0;
    for name in here.iter().map(|row| text(row, 0)) {
        if !there.contains(&name) {
            return Err(DeltaError::Drift {
                production: production.label().to_owned(),
                staging: staging.label().to_owned(),
                differences: vec![format!("sequence `{name}` appeared in production")],
            });
        }
        let sql = format!("SELECT next_not_cached_value FROM {}", ident(&name));
        let (one, other) = futures::try_join!(
            production.rows(what, sql.as_str()),
            staging.rows(what, sql.as_str())
        )?;
        if one != other {
            let next = one.first().map(|row| text(row, 0)).unwrap_or_default();
            let sql = format!("ALTER SEQUENCE {} RESTART {next}", ident(&name));
            writer.run(&format!("setting sequence `{name}`"), sql).await?;
            moved += 1;
        }
    }
    Ok(moved)
}

pub(crate) async fn foreign_keys(session: &mut Session) -> Result<Vec<ForeignKey>, DeltaError> {
    let sql = "SELECT CONSTRAINT_NAME, TABLE_NAME, REFERENCED_TABLE_NAME, COLUMN_NAME, REFERENCED_COLUMN_NAME \
               FROM information_schema.KEY_COLUMN_USAGE \
               WHERE TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_SCHEMA = DATABASE() \
               ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION";
    let mut found: Vec<ForeignKey> = Vec::new();
    for row in session.rows("listing the foreign keys", sql).await? {
        let (name, table, parent) = (text(&row, 0), text(&row, 1), text(&row, 2));
        if found
            .last()
            .is_none_or(|last| last.name != name || last.table != table)
        {
            found.push(ForeignKey {
                child: ident(&table),
                referred: ident(&parent),
                name,
                table,
                parent,
                columns: Vec::new(),
            });
        }
        if let Some(last) = found.last_mut() {
            last.columns.push((ident(&text(&row, 3)), ident(&text(&row, 4))));
        }
    }
    Ok(found)
}
