//! Tables, columns and keys in the form that is shown to others.

use std::collections::BTreeMap;

use cutover_database::{Engine, Target};
use sqlx::postgres::PgConnection;

use super::catalog::{self, Column, USER_SCHEMAS};
use super::session::{self, ident, rows, text};
use crate::rowhash::{ColumnShape, KeyShape, TableShape};
use crate::{CopyError, CopyOptions};

/// First version with a hash of records.
const RECORD_HASH: u32 = 14;

pub(crate) async fn shapes(target: &Target, options: &CopyOptions) -> Result<Vec<TableShape>, CopyError> {
    let mut conn = session::connect(target).await?;
    let tables = catalog::tables(&mut conn, target, options).await?;
    Ok(tables.into_iter().map(|table| table.shape).collect())
}

/// A unique key and whether it is the primary one.
pub(crate) type Key = (KeyShape, bool);

/// Unique keys by table identifier: whole ones that are checked at once, over plain columns.
pub(crate) async fn keys(
    conn: &mut PgConnection,
    target: &Target,
) -> Result<BTreeMap<String, Vec<Key>>, CopyError> {
    let sql = format!(
        "SELECT i.indrelid::text, x.relname::text, i.indisprimary::text, a.attname::text, a.attnotnull::text \
         FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_class x ON x.oid = i.indexrelid \
         CROSS JOIN LATERAL generate_series(0, i.indnkeyatts - 1) AS k(n) \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[k.n] \
         WHERE i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL \
           AND {USER_SCHEMAS} ORDER BY i.indrelid, x.relname, k.n"
    );
    let mut found: BTreeMap<String, Vec<Key>> = BTreeMap::new();
    for row in rows(conn, target, "listing the keys", &sql).await? {
        let keys = found.entry(text(&row, 0)).or_default();
        let name = text(&row, 1);
        if keys.last().is_none_or(|(key, _)| key.name != name) {
            let key = KeyShape {
                name,
                columns: Vec::new(),
                not_null: true,
            };
            keys.push((key, text(&row, 2) == "true"));
        }
        if let Some((key, _)) = keys.last_mut() {
            key.not_null &= text(&row, 4) == "true";
            key.columns.push(text(&row, 3));
        }
    }
    Ok(found)
}

pub(crate) fn shape(
    schema: &str,
    name: &str,
    columns: &[Column],
    keys: Vec<Key>,
    bytes: u64,
    major: u32,
) -> TableShape {
    let (primary, unique): (Vec<Key>, Vec<Key>) = keys.into_iter().partition(|(_, primary)| *primary);
    let column = |column: &Column| ColumnShape {
        name: column.name.clone(),
        sql_type: column.sql_type.clone(),
        nullable: column.nullable,
        generated: column.generated,
        digest: ident(&column.name),
    };
    let own = columns.iter().filter(|column| !column.generated);
    TableShape {
        engine: Engine::Postgres,
        schema: schema.to_owned(),
        name: name.to_owned(),
        columns: columns.iter().map(column).collect(),
        primary_key: primary
            .into_iter()
            .next()
            .map(|(key, _)| key.columns)
            .unwrap_or_default(),
        unique_keys: unique.into_iter().map(|(key, _)| key).collect(),
        bytes,
        server_version: major.to_string(),
        record_hash: major >= RECORD_HASH && own.clone().all(Column::is_hashable),
    }
}
