//! The tables of a MySQL or MariaDB database.

use std::collections::BTreeMap;

use cutover_database::Target;
use sqlx::mysql::MySqlConnection;

use super::columns::{Codec, Column};
use super::session::{number, rows, text};
use super::shapes;
use super::syntax::{TableText, ident};
use crate::rowhash::TableShape;
use crate::{CopyError, CopyOptions};

/// What the server says about itself.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) version: String,
    pub(crate) maria: bool,
    pub(crate) max_packet: u64,
    pub(crate) local_infile: bool,
}

/// A table with everything needed to make and fill it again.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) create: TableText,
    pub(crate) engine: String,
    pub(crate) row_format: String,
    pub(crate) partitioned: bool,
    /// Estimated bytes.
    pub(crate) size: u64,
    /// Estimated rows.
    pub(crate) rows: u64,
    pub(crate) next_auto_increment: Option<u64>,
    /// No column of the primary key is generated.
    pub(crate) key_is_plain: bool,
    /// Columns that hold data of their own; generated ones do not.
    pub(crate) columns: Vec<Column>,
    /// Table, columns and keys as they are shown to others.
    pub(crate) shape: TableShape,
}

impl Table {
    pub(crate) fn transactional(&self) -> bool {
        self.engine.eq_ignore_ascii_case("innodb")
    }
}

/// Names of the objects that are not tables.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) views: Vec<String>,
    pub(crate) sequences: Vec<String>,
}

pub(crate) async fn server(conn: &mut MySqlConnection, target: &Target) -> Result<Server, CopyError> {
    let sql = "SELECT VERSION(), @@max_allowed_packet, @@local_infile";
    let found = rows(conn, target, "asking the server's version", sql).await?;
    let row = found.first().map(Vec::as_slice).unwrap_or_default();
    let version = text(row, 0);
    if number(row, 1) < 1 << 20 {
        return Err(CopyError::Unsupported {
            what: "any table".to_owned(),
            database: target.to_string(),
            why: "max_allowed_packet is below 1 MiB, so that the server would cut off what a checksum is made of"
                .to_owned(),
            remedy: "raise it".to_owned(),
        });
    }
    Ok(Server {
        maria: version.to_ascii_lowercase().contains("mariadb"),
        version,
        max_packet: number(row, 1),
        local_infile: number(row, 2) == 1,
    })
}

pub(crate) async fn tables(
    conn: &mut MySqlConnection,
    target: &Target,
    server: &Server,
    options: &CopyOptions,
) -> Result<(Vec<Table>, Names), CopyError> {
    let mut columns = columns(conn, target, server).await?;
    let mut keys = shapes::keys(conn, target).await?;
    let sql = "SELECT TABLE_NAME, TABLE_TYPE, ENGINE, DATA_LENGTH, CREATE_OPTIONS, AUTO_INCREMENT, ROW_FORMAT, TABLE_ROWS \
               FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME";
    let mut found = Vec::new();
    let mut names = Names::default();
    for row in rows(conn, target, "listing the tables", sql).await? {
        let name = text(&row, 0);
        match text(&row, 1).as_str() {
            "VIEW" => names.views.push(name),
            "SEQUENCE" => names.sequences.push(name),
            "BASE TABLE" if options.skips(&name) => {}
            "BASE TABLE" => {
                let create = create_text(conn, target, &name).await?;
                let all = columns.remove(&name).unwrap_or_default();
                let size = number(&row, 3);
                let keys = keys.remove(&name).unwrap_or_default();
                found.push(Table {
                    shape: shapes::shape(&name, &all, keys, size, &server.version),
                    engine: text(&row, 2),
                    size,
                    rows: number(&row, 7),
                    partitioned: text(&row, 4).contains("partitioned"),
                    next_auto_increment: row.get(5).and_then(Option::as_ref).map(|_| number(&row, 5)),
                    row_format: text(&row, 6),
                    key_is_plain: all
                        .iter()
                        .all(|(column, generated)| !column.primary || !generated),
                    columns: all
                        .into_iter()
                        .filter_map(|(column, generated)| (!generated).then_some(column))
                        .collect(),
                    create,
                    name,
                });
            }
            other => {
                return Err(CopyError::Unsupported {
                    what: format!("table `{name}`"),
                    database: target.to_string(),
                    why: format!("it is a {other} table, whose history would be lost"),
                    remedy: "copy it with the engine's own tools and name it in skip_tables".to_owned(),
                });
            }
        }
    }
    Ok((found, names))
}

pub(crate) async fn create_text(
    conn: &mut MySqlConnection,
    target: &Target,
    name: &str,
) -> Result<TableText, CopyError> {
    let what = format!("reading the definition of table `{name}`");
    let found = rows(conn, target, &what, &format!("SHOW CREATE TABLE {}", ident(name))).await?;
    let create = found.first().map(|row| text(row, 1)).unwrap_or_default();
    TableText::parse(&create).ok_or_else(|| CopyError::Unsupported {
        what: format!("table `{name}`"),
        database: target.to_string(),
        why: "the server describes it in a form that is not understood".to_owned(),
        remedy: "copy it with the engine's own tools and name it in skip_tables".to_owned(),
    })
}

/// Bytes of one row that may be put together for a hash: well below the smallest packet limit in use.
const SHORT: u64 = 128 * 1024;

/// Columns by table in their order, each with whether it is generated.
async fn columns(
    conn: &mut MySqlConnection,
    target: &Target,
    server: &Server,
) -> Result<BTreeMap<String, Vec<(Column, bool)>>, CopyError> {
    let sql = "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, EXTRA, GENERATION_EXPRESSION, COLUMN_KEY, COLUMN_TYPE, \
               IS_NULLABLE, CHARACTER_OCTET_LENGTH, CHARACTER_SET_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() \
               ORDER BY TABLE_NAME, ORDINAL_POSITION";
    let mut found: BTreeMap<String, Vec<(Column, bool)>> = BTreeMap::new();
    let mut left: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows(conn, target, "listing the columns", sql).await? {
        // MySQL says DEFAULT_GENERATED of columns with a default expression; those hold data.
        let generated = !text(&row, 4).is_empty();
        let data_type = text(&row, 2).to_ascii_lowercase();
        let budget = left.entry(text(&row, 0)).or_insert(SHORT);
        let length = number(&row, 8);
        let short = length > 0 && length <= *budget;
        if short && !generated {
            *budget -= length;
        }
        let column = Column {
            name: text(&row, 1),
            codec: Codec::of(&data_type, server.maria),
            auto_increment: text(&row, 3).contains("auto_increment"),
            primary: text(&row, 5) == "PRI",
            nullable: text(&row, 7) == "YES",
            sql_type: text(&row, 6),
            charset: row.get(9).and_then(Option::as_ref).map(|_| text(&row, 9)),
            short,
            data_type,
        };
        found.entry(text(&row, 0)).or_default().push((column, generated));
    }
    Ok(found)
}

/// Names of routines and events by kind, and of triggers in the order in which they fire.
pub(crate) async fn stored_names(
    conn: &mut MySqlConnection,
    target: &Target,
    skip: &CopyOptions,
) -> Result<Vec<(&'static str, String)>, CopyError> {
    let sql = "SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES \
               WHERE ROUTINE_SCHEMA = DATABASE() ORDER BY ROUTINE_TYPE, ROUTINE_NAME";
    let mut found = Vec::new();
    for row in rows(conn, target, "listing the routines", sql).await? {
        let kind = match text(&row, 0).as_str() {
            "PROCEDURE" => "procedure",
            "FUNCTION" => "function",
            "PACKAGE" => "package",
            "PACKAGE BODY" => "package body",
            other => {
                return Err(CopyError::Unsupported {
                    what: format!("{other} `{}`", text(&row, 1)),
                    database: target.to_string(),
                    why: "this kind of routine is not known".to_owned(),
                    remedy: "drop it and create it in staging by hand".to_owned(),
                });
            }
        };
        found.push((kind, text(&row, 1)));
    }
    let sql = "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS \
               WHERE TRIGGER_SCHEMA = DATABASE() \
               ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER";
    let triggers = rows(conn, target, "listing the triggers", sql).await?;
    let kept = triggers.iter().filter(|row| !skip.skips(&text(row, 1)));
    found.extend(kept.map(|row| ("trigger", text(row, 0))));
    let sql = "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE() ORDER BY 1";
    let events = rows(conn, target, "listing the events", sql).await?;
    found.extend(events.iter().map(|row| ("event", text(row, 0))));
    Ok(found)
}
