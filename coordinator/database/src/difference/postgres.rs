//! The schema of a PostgreSQL database.

use super::{ACTION, Column, Schema};
use crate::connection::{Connection, Row};
use crate::error::DatabaseError;
use crate::fingerprint::{SCRATCH_MARK, USER_SCHEMA};
use crate::journal::TABLE as JOURNAL;

const OF_USERS: &str = "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace";

pub(super) async fn read(connection: &mut Connection) -> Result<Schema, DatabaseError> {
    let mut schema = Schema::new();
    for row in relations(connection).await? {
        let relation = schema.entry(name(&row)).or_default();
        relation.kind = row.text(2);
        if let Some(definition) = row.get(3) {
            relation.keys.insert(definition.to_owned());
        }
    }
    for row in columns(connection).await? {
        let column = Column {
            kind: row.text(3),
            nullable: row.flag(4),
            default: row.get(5).unwrap_or("none").to_owned(),
        };
        let relation = schema.entry(name(&row)).or_default();
        relation.columns.insert(row.text(2), column);
    }
    for row in keys(connection).await? {
        schema.entry(name(&row)).or_default().keys.insert(row.text(2));
    }
    schema.retain(|name, _| name != JOURNAL && name != SCRATCH_MARK);
    Ok(schema)
}

/// `public` is where nearly everybody works, and need not be said.
fn name(row: &Row) -> String {
    match row.get(0) {
        Some("public") => row.text(1),
        Some(_) | None => format!("{}.{}", row.text(0), row.text(1)),
    }
}

async fn relations(connection: &mut Connection) -> Result<Vec<Row>, DatabaseError> {
    let sql = format!(
        "SELECT n.nspname, c.relname, CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' \
           WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' ELSE c.relkind::text END, \
         CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) \
           WHEN c.relkind = 'S' THEN (SELECT format('increment %s, cycle %s', seqincrement, seqcycle) \
             FROM pg_catalog.pg_sequence WHERE seqrelid = c.oid) END \
         {OF_USERS} WHERE {USER_SCHEMA} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')"
    );
    connection.rows(ACTION, &sql).await
}

async fn columns(connection: &mut Connection) -> Result<Vec<Row>, DatabaseError> {
    let sql = format!(
        "SELECT n.nspname, c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, \
         nullif(concat_ws(' ', pg_catalog.pg_get_expr(d.adbin, d.adrelid), nullif(a.attidentity::text, ''), \
           nullif(a.attgenerated::text, '')), '') \
         {OF_USERS} JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid \
         LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
         WHERE {USER_SCHEMA} AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped"
    );
    connection.rows(ACTION, &sql).await
}

/// Constraints without their names, and the indexes that are of no constraint.
async fn keys(connection: &mut Connection) -> Result<Vec<Row>, DatabaseError> {
    let sql = format!(
        "SELECT n.nspname, c.relname, pg_catalog.pg_get_constraintdef(o.oid) \
         {OF_USERS} JOIN pg_catalog.pg_constraint o ON o.conrelid = c.oid WHERE {USER_SCHEMA} AND o.contype <> 'n' \
         UNION ALL SELECT n.nspname, c.relname, CASE WHEN i.indisunique THEN 'UNIQUE INDEX ' ELSE 'INDEX ' END \
           || substring(pg_catalog.pg_get_indexdef(i.indexrelid) from ' USING .*$') \
         {OF_USERS} JOIN pg_catalog.pg_index i ON i.indrelid = c.oid WHERE {USER_SCHEMA} \
         AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint o WHERE o.conindid = i.indexrelid \
           AND o.contype IN ('p', 'u', 'x'))"
    );
    connection.rows(ACTION, &sql).await
}
