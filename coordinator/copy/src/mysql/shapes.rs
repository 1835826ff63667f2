//! Tables, columns and keys in the form that is shown to others.

use std::collections::BTreeMap;

use cutover_database::{Engine, Target};
use sqlx::mysql::MySqlConnection;

use super::catalog;
use super::columns::Column;
use super::session::{self, rows, text};
use crate::rowhash::{ColumnShape, KeyShape, TableShape};
use crate::{CopyError, CopyOptions};

const PRIMARY: &str = "PRIMARY";

pub(crate) async fn shapes(target: &Target, options: &CopyOptions) -> Result<Vec<TableShape>, CopyError> {
    let mut conn = session::reader(target).await?;
    let server = catalog::server(&mut conn, target).await?;
    let (tables, _) = catalog::tables(&mut conn, target, &server, options).await?;
    Ok(tables.into_iter().map(|table| table.shape).collect())
}

/// Unique keys by table; those over a part of a column are left out, as it does not tell rows apart.
pub(crate) async fn keys(
    conn: &mut MySqlConnection,
    target: &Target,
) -> Result<BTreeMap<String, Vec<KeyShape>>, CopyError> {
    let sql = "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, NULLABLE, SUB_PART FROM information_schema.STATISTICS \
               WHERE TABLE_SCHEMA = DATABASE() AND NON_UNIQUE = 0 ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX";
    let mut found: BTreeMap<String, Vec<KeyShape>> = BTreeMap::new();
    let mut partial = Vec::new();
    for row in rows(conn, target, "listing the keys", sql).await? {
        let (table, name, column) = (text(&row, 0), text(&row, 1), text(&row, 2));
        let keys = found.entry(table.clone()).or_default();
        if keys.last().is_none_or(|key| key.name != name) {
            keys.push(KeyShape {
                name: name.clone(),
                columns: Vec::new(),
                not_null: true,
            });
        }
        if let Some(key) = keys.last_mut() {
            key.not_null &= text(&row, 3) != "YES";
            // An expression has no column name.
            if column.is_empty() || !text(&row, 4).is_empty() {
                partial.push((table, name));
            }
            key.columns.push(column);
        }
    }
    for (table, name) in partial {
        if let Some(keys) = found.get_mut(&table) {
            keys.retain(|key| key.name != name);
        }
    }
    Ok(found)
}

pub(crate) fn shape(
    name: &str,
    columns: &[(Column, bool)],
    mut keys: Vec<KeyShape>,
    bytes: u64,
    server_version: &str,
) -> TableShape {
    let primary = keys.iter().position(|key| key.name == PRIMARY);
    let primary_key = primary
        .map(|index| keys.remove(index).columns)
        .unwrap_or_default();
    let column = |(column, generated): &(Column, bool)| ColumnShape {
        name: column.name.clone(),
        sql_type: column.sql_type.clone(),
        nullable: column.nullable,
        generated: *generated,
        digest: column.digest(),
    };
    TableShape {
        engine: Engine::MySql,
        schema: String::new(),
        name: name.to_owned(),
        columns: columns.iter().map(column).collect(),
        primary_key,
        unique_keys: keys,
        bytes,
        server_version: server_version.to_owned(),
        record_hash: false,
    }
}
