//! The journal of a copy in a MySQL or MariaDB staging database, and what an interrupted copy left there.

use std::collections::{BTreeMap, BTreeSet};

use cutover_database::Target;
use sqlx::mysql::MySqlConnection;

use super::catalog::{self, Table};
use super::session::{self, Writer, number, rows, text};
use super::syntax::{TableText, ident};
use crate::journal::{Done, Whole, table_place};
use crate::{CopyError, CopyOptions, JOURNAL};

/// What is in staging when a copy begins.
#[derive(Debug, Default)]
pub(crate) struct Left {
    pub(crate) done: Done,
    /// Definitions of the tables that are there.
    pub(crate) tables: BTreeMap<String, TableText>,
}

impl Left {
    /// Rows of `table` that stay. A table without transactions is never known to be whole.
    pub(crate) fn whole(&self, table: &Table) -> Option<Whole> {
        let present = self.tables.contains_key(&table.name) && table.transactional();
        self.done.table(&table.name).filter(|_| present)
    }
}

/// Begins a journal in an empty staging database, or reads that of the interrupted copy and removes everything
/// but the tables.
pub(crate) async fn open(
    to: &Target,
    writer: &mut Writer,
    identity: &str,
    options: &CopyOptions,
) -> Result<Left, CopyError> {
    let mut reader = session::reader(to).await?;
    if options.resume
        && let Some(left) = left(&mut reader, to, identity).await?
    {
        clear_objects(&mut reader, to, writer).await?;
        return Ok(left);
    }
    let what = "beginning the journal of the copy";
    let name = ident(JOURNAL);
    writer
        .run(what, format!("DROP TABLE IF EXISTS {name}").as_bytes())
        .await?;
    let create = format!(
        "CREATE TABLE {name} (place VARBINARY(600) NOT NULL PRIMARY KEY, row_count BIGINT UNSIGNED NOT NULL, \
         byte_count BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB"
    );
    writer.run(what, create.as_bytes()).await?;
    let whole = Whole { rows: 0, bytes: 0 };
    writer.run(what, record(identity, whole).as_bytes()).await?;
    Ok(Left::default())
}

/// `None` when staging is empty, so that there is nothing to go on with and nothing in the way.
async fn left(reader: &mut MySqlConnection, to: &Target, identity: &str) -> Result<Option<Left>, CopyError> {
    let what = "reading what an interrupted copy left";
    let sql = "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()";
    let listed = rows(reader, to, what, sql).await?;
    let of_type = |row: &Vec<Option<Vec<u8>>>| (text(row, 0), text(row, 1));
    let present: BTreeMap<String, String> = listed.iter().map(of_type).collect();
    if present.is_empty() {
        return Ok(None);
    }
    let refuse = |why: String| {
        Err(CopyError::NotResumable {
            database: to.to_string(),
            why,
        })
    };
    if !present.contains_key(JOURNAL) {
        return refuse("there is no journal of a copy, but there are tables".to_owned());
    }
    let sql = format!("SELECT place, row_count, byte_count FROM {}", ident(JOURNAL));
    let entry = |row: &Vec<Option<Vec<u8>>>| {
        let whole = Whole {
            rows: number(row, 1),
            bytes: number(row, 2),
        };
        (text(row, 0), whole)
    };
    let done = Done(rows(reader, to, what, &sql).await?.iter().map(entry).collect());
    if let Some(why) = done.refusal(identity) {
        return refuse(why);
    }
    let mut tables = BTreeMap::new();
    for (name, kind) in present {
        if kind == "BASE TABLE" && name != JOURNAL {
            let create = catalog::create_text(reader, to, &name).await?;
            tables.insert(name, create);
        }
    }
    Ok(Some(Left { done, tables }))
}

/// Views, routines, triggers, events and sequences cost nothing to make again; triggers would act on the rows.
async fn clear_objects(
    reader: &mut MySqlConnection,
    to: &Target,
    writer: &mut Writer,
) -> Result<(), CopyError> {
    let mut drops = BTreeSet::new();
    for (kind, name) in catalog::stored_names(reader, to, &CopyOptions::default()).await? {
        // A package's body goes with it.
        if kind != "package body" {
            drops.insert((kind.to_owned(), name));
        }
    }
    let sql = "SELECT TABLE_TYPE, TABLE_NAME FROM information_schema.TABLES \
               WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE IN ('VIEW', 'SEQUENCE')";
    for row in rows(reader, to, "listing the views", sql).await? {
        drops.insert((text(&row, 0).to_lowercase(), text(&row, 1)));
    }
    for (kind, name) in drops {
        let sql = format!("DROP {kind} IF EXISTS {}", ident(&name));
        writer
            .run(
                &format!("removing the {kind} `{name}` of an interrupted copy"),
                sql.as_bytes(),
            )
            .await?;
    }
    Ok(())
}

/// Forgets a table that is to be made again: it must not be taken for whole while it is not.
pub(crate) async fn forget(writer: &mut Writer, table: &Table) -> Result<(), CopyError> {
    let sql = format!(
        "DELETE FROM {} WHERE place = X'{}'",
        ident(JOURNAL),
        hex(&table_place(&table.name))
    );
    let what = format!("noting in the journal that table `{}` is not whole", table.name);
    writer.run(&what, sql.as_bytes()).await
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Statement that notes a place as done. Names are written as bytes: sessions differ in their character set.
fn record(place: &str, whole: Whole) -> String {
    format!(
        "INSERT INTO {} VALUES (X'{}', {}, {})",
        ident(JOURNAL),
        hex(place),
        whole.rows,
        whole.bytes
    )
}

/// Statement that notes a table as whole, for the transaction of its rows.
pub(crate) fn record_table(table: &Table, whole: Whole) -> String {
    record(&table_place(&table.name), whole)
}

pub(crate) async fn remove(writer: &mut Writer) -> Result<(), CopyError> {
    let sql = format!("DROP TABLE {}", ident(JOURNAL));
    writer
        .run("removing the journal of the copy", sql.as_bytes())
        .await
}
