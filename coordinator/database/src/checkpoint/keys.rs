//! Rows that refer to rows which are not there.

use std::collections::BTreeMap;

use super::checker::Checker;
use super::outcome::{Outcome, none_of, tail};
use super::{ACTION, Verdict};
use crate::connection::Connection;
use crate::error::DatabaseError;
use crate::fingerprint::USER_SCHEMA;
use crate::literal;
use crate::target::Engine;

/// A relation that no foreign key declares.
pub(super) struct Relation<'c> {
    pub(super) table: &'c str,
    pub(super) column: &'c str,
    pub(super) of_table: &'c str,
    pub(super) of_column: &'c str,
    pub(super) except: &'c [i64],
}

/// A foreign key, names quoted.
#[derive(Debug, Default)]
struct Key {
    child: String,
    parent: String,
    pairs: Vec<(String, String)>,
}

pub(super) async fn declared(
    checker: &mut Checker<'_>,
    warn_only: bool,
    explain: &str,
) -> Result<Outcome, DatabaseError> {
    let keys = match checker.connection.engine() {
        Engine::MySql => mysql(checker.connection).await?,
        Engine::Postgres => postgres(checker.connection).await?,
    };
    let (mut broken, mut rows) = (Vec::new(), 0);
    for (name, key) in &keys {
        let count = orphaned(checker.connection, key, "").await?;
        if count > 0 {
            rows += count;
            broken.push(format!("{count} of {} ({})", key.child, name.1));
        }
    }
    let verdict = none_of(rows, warn_only);
    let text = if broken.is_empty() {
        format!("no row breaks one of the {} foreign keys", keys.len())
    } else {
        format!("rows refer to rows that are not there: {}", broken.join(", "))
    };
    Ok(Outcome::new(
        verdict,
        "0 rows",
        format!("{rows} rows"),
        text + &tail(verdict, explain),
    ))
}

pub(super) async fn orphans(
    checker: &mut Checker<'_>,
    relation: &Relation<'_>,
    warn_only: bool,
    explain: &str,
) -> Result<Outcome, DatabaseError> {
    for (table, column) in [
        (relation.table, relation.column),
        (relation.of_table, relation.of_column),
    ] {
        let there = checker.column(table, column);
        if there.verdict == Verdict::Fail {
            return Ok(there);
        }
    }
    let engine = checker.connection.engine();
    let named = |table: &str, column: &str| {
        let table = checker.find_table(table).unwrap_or_else(|| table.to_owned());
        let column = checker
            .find_column(&table, column)
            .unwrap_or_else(|| column.to_owned());
        (literal::name(engine, &table), literal::name(engine, &column))
    };
    let (child, column) = named(relation.table, relation.column);
    let (parent, of_column) = named(relation.of_table, relation.of_column);
    let except: Vec<String> = relation.except.iter().map(i64::to_string).collect();
    let condition = if except.is_empty() {
        String::new()
    } else {
        format!(" AND c.{column} NOT IN ({})", except.join(", "))
    };
    let key = Key {
        child,
        parent,
        pairs: vec![(column, of_column)],
    };
    let count = orphaned(checker.connection, &key, &condition).await?;
    let verdict = none_of(count, warn_only);
    let text = format!(
        "{count} rows of {} have a {} that is not in {}.{}{}",
        relation.table,
        relation.column,
        relation.of_table,
        relation.of_column,
        tail(verdict, explain)
    );
    Ok(Outcome::new(verdict, "0 rows", format!("{count} rows"), text))
}

/// Rows whose key is complete and has no partner; one with a `NULL` in it refers to nothing.
async fn orphaned(connection: &mut Connection, key: &Key, condition: &str) -> Result<u64, DatabaseError> {
    let complete: Vec<String> = key
        .pairs
        .iter()
        .map(|(column, _)| format!("c.{column} IS NOT NULL"))
        .collect();
    let equal: Vec<String> = key
        .pairs
        .iter()
        .map(|(column, of)| format!("p.{of} = c.{column}"))
        .collect();
    let sql = format!(
        "SELECT COUNT(*) FROM {} c WHERE {}{condition} AND NOT EXISTS (SELECT 1 FROM {} p WHERE {})",
        key.child,
        complete.join(" AND "),
        key.parent,
        equal.join(" AND ")
    );
    let count = connection.scalar(ACTION, &sql).await?;
    Ok(count.and_then(|count| count.parse().ok()).unwrap_or_default())
}

/// By table and name of the constraint.
type Keys = BTreeMap<(String, String), Key>;

async fn mysql(connection: &mut Connection) -> Result<Keys, DatabaseError> {
    let rows = connection
        .rows(
            ACTION,
            "SELECT TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME, \
             REFERENCED_COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE \
             WHERE TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_NAME IS NOT NULL \
             ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION",
        )
        .await?;
    let mut keys = Keys::new();
    let name = |text: String| literal::name(Engine::MySql, &text);
    for row in rows {
        let key = keys.entry((row.text(0), row.text(1))).or_default();
        key.child = name(row.text(0));
        key.parent = literal::qualified(Engine::MySql, &row.text(3), &row.text(4));
        key.pairs.push((name(row.text(2)), name(row.text(5))));
    }
    Ok(keys)
}

async fn postgres(connection: &mut Connection) -> Result<Keys, DatabaseError> {
    let sql = format!(
        "SELECT n.nspname, c.relname, o.conname, a.attname, fn.nspname, fc.relname, fa.attname \
         FROM pg_catalog.pg_constraint o \
         JOIN pg_catalog.pg_class c ON c.oid = o.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_class fc ON fc.oid = o.confrelid JOIN pg_catalog.pg_namespace fn ON fn.oid = fc.relnamespace \
         CROSS JOIN LATERAL unnest(o.conkey, o.confkey) WITH ORDINALITY AS k(child, parent, place) \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = k.child \
         JOIN pg_catalog.pg_attribute fa ON fa.attrelid = o.confrelid AND fa.attnum = k.parent \
         WHERE o.contype = 'f' AND {USER_SCHEMA} ORDER BY 1, 2, 3, k.place"
    );
    let rows = connection.rows(ACTION, &sql).await?;
    let mut keys = Keys::new();
    let name = |text: String| literal::name(Engine::Postgres, &text);
    for row in rows {
        let child = literal::qualified(Engine::Postgres, &row.text(0), &row.text(1));
        let key = keys.entry((child.clone(), row.text(2))).or_default();
        key.child = child;
        key.parent = literal::qualified(Engine::Postgres, &row.text(4), &row.text(5));
        key.pairs.push((name(row.text(3)), name(row.text(6))));
    }
    Ok(keys)
}
