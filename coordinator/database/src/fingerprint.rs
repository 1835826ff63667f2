//! Fingerprints of a database: of its definitions, and of every table's rows.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::connection::{Connection, Row};
use crate::error::DatabaseError;
use crate::journal::TABLE as JOURNAL;
use crate::literal;
use crate::target::Engine;

/// Count and checksum of a table's rows.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TableFingerprint {
    /// Number of rows; 0 for a sequence.
    pub rows: u64,
    /// Checksum over all rows, independent of their order. A sequence has its position here.
    pub checksum: String,
}

/// Tables (and sequences) by name; PostgreSQL names are `schema.table`.
pub(crate) type Tables = BTreeMap<String, TableFingerprint>;

const ROWS: &str = "fingerprint the tables";
const SCHEMA: &str = "fingerprint the definitions";

pub(crate) async fn tables(connection: &mut Connection) -> Result<Tables, DatabaseError> {
    match connection.engine() {
        Engine::MySql => mysql_tables(connection).await,
        Engine::Postgres => postgres_tables(connection).await,
    }
}

async fn mysql_tables(connection: &mut Connection) -> Result<Tables, DatabaseError> {
    let listed = connection
        .rows(
            ROWS,
            &format!(
                "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES \
                 WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE <> 'VIEW' \
                 AND TABLE_NAME NOT IN ('{JOURNAL}', '{SCRATCH_MARK}')"
            ),
        )
        .await?;
    let mut tables = Tables::new();
    for row in listed {
        let name = row.text(0);
        let quoted = literal::name(Engine::MySql, &name);
        let fingerprint = if row.get(1) == Some("SEQUENCE") {
            let position = connection.rows(ROWS, &format!("SELECT * FROM {quoted}")).await?;
            TableFingerprint {
                rows: 0,
                checksum: format!("{:?}", position.first().map(Row::columns)),
            }
        } else {
            let rows = connection
                .scalar(ROWS, &format!("SELECT COUNT(*) FROM {quoted}"))
                .await?;
            let checksum = connection
                .rows(ROWS, &format!("CHECKSUM TABLE {quoted} EXTENDED"))
                .await?;
            TableFingerprint {
                rows: rows.and_then(|rows| rows.parse().ok()).unwrap_or_default(),
                checksum: checksum.first().map(|row| row.text(1)).unwrap_or_default(),
            }
        };
        tables.insert(name, fingerprint);
    }
    Ok(tables)
}

/// Table that marks a database as scratch, so that only such a one is ever dropped.
pub(crate) const SCRATCH_MARK: &str = "cutover_scratch";

async fn postgres_tables(connection: &mut Connection) -> Result<Tables, DatabaseError> {
    // Text forms enter the fallback hash, so nothing a role or database may have set can be left to chance.
    connection
        .execute(ROWS, "SET DateStyle = 'ISO'; SET TimeZone = 'UTC'; SET extra_float_digits = 1; SET bytea_output = 'hex'")
        .await?;
    let listed = connection
        .rows(
            ROWS,
            &format!(
                "SELECT n.nspname, c.relname, c.relkind FROM pg_catalog.pg_class c \
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE c.relkind IN ('r', 'm', 'S') AND {USER_SCHEMA} AND c.relname <> '{JOURNAL}' \
                 AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.objid = c.oid \
                   AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'e')"
            ),
        )
        .await?;
    let mut tables = Tables::new();
    for row in listed {
        let quoted = literal::qualified(Engine::Postgres, &row.text(0), &row.text(1));
        let fingerprint = if row.get(2) == Some("S") {
            let position = connection
                .scalar(
                    ROWS,
                    &format!("SELECT last_value || ' ' || is_called FROM {quoted}"),
                )
                .await?;
            TableFingerprint {
                rows: 0,
                checksum: position.unwrap_or_default(),
            }
        } else {
            postgres_table(connection, &quoted).await?
        };
        tables.insert(format!("{}.{}", row.text(0), row.text(1)), fingerprint);
    }
    Ok(tables)
}

/// Condition on `n.nspname` for schemas that are not the server's own.
pub(crate) const USER_SCHEMA: &str =
    "n.nspname <> 'information_schema' AND n.nspname !~ '^pg_(catalog|toast|temp_|toast_temp_)'";

async fn postgres_table(
    connection: &mut Connection,
    quoted: &str,
) -> Result<TableFingerprint, DatabaseError> {
    let hashed = |hash: &str| {
        format!("SELECT count(*), coalesce(sum(({hash})::numeric), 0) FROM ONLY {quoted} AS cutover_row")
    };
    // The record hash is twice as fast, needs PostgreSQL 14 and only columns whose types can be hashed.
    let (method, rows) = match connection
        .run(&hashed("hash_record_extended(cutover_row, 0)"))
        .await
    {
        Ok((rows, _)) => ("r", rows),
        Err(_) => (
            "t",
            connection
                .rows(ROWS, &hashed("hashtextextended(cutover_row::text, 0)"))
                .await?,
        ),
    };
    let row = rows.first();
    Ok(TableFingerprint {
        rows: row.and_then(|row| row.number(0)).unwrap_or_default(),
        checksum: format!("{method}{}", row.map(|row| row.text(1)).unwrap_or_default()),
    })
}

/// Hash over all definitions of the database; on MySQL the proof whether a DDL statement took effect.
pub(crate) async fn schema(connection: &mut Connection) -> Result<String, DatabaseError> {
    let queries: &[(&str, bool)] = match connection.engine() {
        Engine::MySql => &MYSQL_SCHEMA,
        Engine::Postgres => &POSTGRES_SCHEMA,
    };
    let database = connection.target().database.clone();
    let mut hasher = Sha256::new();
    for (number, (query, optional)) in queries.iter().enumerate() {
        let sql = query
            .replace("{JOURNAL}", JOURNAL)
            .replace("{USER_SCHEMA}", USER_SCHEMA);
        let rows = match connection.run(&sql).await {
            Ok((rows, _)) => rows,
            Err(sqlx::Error::Database(_)) if *optional => Vec::new(),
            Err(error) => return Err(DatabaseError::driver(SCHEMA, connection.target(), error)),
        };
        let mut lines: Vec<String> = rows.iter().map(|row| line(row, &database)).collect();
        lines.sort_unstable();
        hasher.update(format!("\n#{number}\n"));
        for line in lines {
            hasher.update(line);
        }
    }
    Ok(hex::encode(hasher.finalize()))
}

/// One row, unambiguously; MySQL writes the database's own name into view definitions.
fn line(row: &Row, database: &str) -> String {
    let own = format!("`{database}`.");
    let mut line = String::new();
    for value in row.columns() {
        match value {
            Some(value) => {
                let value = value.replace(&own, "");
                line.push_str(&format!("{}:{value};", value.len()));
            }
            None => line.push_str("-;"),
        }
    }
    line.push('\n');
    line
}

/// Queries and whether older servers may lack what they ask.
const MYSQL_SCHEMA: [(&str, bool); 14] = [
    (
        "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA \
         WHERE SCHEMA_NAME = DATABASE()",
        false,
    ),
    (
        "SELECT TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_COLLATION, IF(TABLE_TYPE = 'VIEW', '', TABLE_COMMENT), \
         CREATE_OPTIONS FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME <> '{JOURNAL}'",
        false,
    ),
    (
        "SELECT TABLE_NAME, COLUMN_NAME, ORDINAL_POSITION, COLUMN_DEFAULT, IS_NULLABLE, COLUMN_TYPE, COLLATION_NAME, \
         EXTRA, COLUMN_COMMENT FROM information_schema.COLUMNS \
         WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME <> '{JOURNAL}'",
        false,
    ),
    (
        "SELECT TABLE_NAME, COLUMN_NAME, GENERATION_EXPRESSION FROM information_schema.COLUMNS \
         WHERE TABLE_SCHEMA = DATABASE() AND GENERATION_EXPRESSION > ''",
        true,
    ),
    (
        "SELECT TABLE_NAME, INDEX_NAME, NON_UNIQUE, SEQ_IN_INDEX, COLUMN_NAME, COLLATION, SUB_PART, INDEX_TYPE, \
         INDEX_COMMENT FROM information_schema.STATISTICS \
         WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME <> '{JOURNAL}'",
        false,
    ),
    (
        "SELECT TABLE_NAME, CONSTRAINT_NAME, CONSTRAINT_TYPE FROM information_schema.TABLE_CONSTRAINTS \
         WHERE CONSTRAINT_SCHEMA = DATABASE() AND TABLE_NAME <> '{JOURNAL}'",
        false,
    ),
    (
        "SELECT TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION, COLUMN_NAME, REFERENCED_TABLE_NAME, \
         REFERENCED_COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE \
         WHERE CONSTRAINT_SCHEMA = DATABASE() AND TABLE_NAME <> '{JOURNAL}'",
        false,
    ),
    (
        "SELECT TABLE_NAME, CONSTRAINT_NAME, UPDATE_RULE, DELETE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS \
         WHERE CONSTRAINT_SCHEMA = DATABASE()",
        false,
    ),
    (
        "SELECT CONSTRAINT_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS \
         WHERE CONSTRAINT_SCHEMA = DATABASE()",
        true,
    ),
    (
        "SELECT ROUTINE_NAME, ROUTINE_TYPE, DTD_IDENTIFIER, ROUTINE_DEFINITION, IS_DETERMINISTIC, SQL_DATA_ACCESS, \
         SECURITY_TYPE, SQL_MODE, ROUTINE_COMMENT, DEFINER FROM information_schema.ROUTINES \
         WHERE ROUTINE_SCHEMA = DATABASE()",
        false,
    ),
    (
        "SELECT SPECIFIC_NAME, ROUTINE_TYPE, ORDINAL_POSITION, PARAMETER_MODE, PARAMETER_NAME, DTD_IDENTIFIER \
         FROM information_schema.PARAMETERS WHERE SPECIFIC_SCHEMA = DATABASE()",
        false,
    ),
    (
        "SELECT TRIGGER_NAME, EVENT_MANIPULATION, EVENT_OBJECT_TABLE, ACTION_TIMING, ACTION_STATEMENT, SQL_MODE, DEFINER \
         FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()",
        false,
    ),
    (
        "SELECT EVENT_NAME, EVENT_DEFINITION, EVENT_TYPE, EXECUTE_AT, INTERVAL_VALUE, INTERVAL_FIELD, STATUS, DEFINER \
         FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE()",
        false,
    ),
    (
        "SELECT TABLE_NAME, VIEW_DEFINITION, CHECK_OPTION, DEFINER, SECURITY_TYPE FROM information_schema.VIEWS \
         WHERE TABLE_SCHEMA = DATABASE()",
        false,
    ),
];

const POSTGRES_SCHEMA: [(&str, bool); 7] = [
    (
        "SELECT n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner), c.relacl::text, \
         CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE {USER_SCHEMA} AND c.relkind <> 'i' AND c.relname <> '{JOURNAL}'",
        false,
    ),
    (
        "SELECT n.nspname, c.relname, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull, \
         a.attcollation::regcollation::text, pg_get_expr(d.adbin, d.adrelid) \
         FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
         WHERE {USER_SCHEMA} AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind <> 'i' AND c.relname <> '{JOURNAL}'",
        false,
    ),
    (
        "SELECT pg_get_indexdef(i.indexrelid) FROM pg_catalog.pg_index i \
         JOIN pg_catalog.pg_class c ON c.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE {USER_SCHEMA} AND c.relname <> '{JOURNAL}'",
        false,
    ),
    (
        "SELECT n.nspname, k.conname, k.conrelid::regclass::text, pg_get_constraintdef(k.oid) \
         FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_namespace n ON n.oid = k.connamespace \
         LEFT JOIN pg_catalog.pg_class c ON c.oid = k.conrelid \
         WHERE {USER_SCHEMA} AND coalesce(c.relname, '') <> '{JOURNAL}'",
        false,
    ),
    (
        "SELECT p.oid::regprocedure::text, CASE WHEN p.prokind IN ('f', 'p') THEN pg_get_functiondef(p.oid) END \
         FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE {USER_SCHEMA}",
        false,
    ),
    (
        "SELECT pg_get_triggerdef(t.oid) FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE {USER_SCHEMA} AND NOT t.tgisinternal",
        false,
    ),
    (
        "SELECT n.nspname, t.typname, t.typtype, format_type(t.typbasetype, t.typtypmod), \
         (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid) \
         FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
         WHERE {USER_SCHEMA} AND t.typtype IN ('d', 'e', 'r')",
        false,
    ),
];

/// What differs between two sets of fingerprints, at most a handful named.
pub(crate) fn difference(expected: &Tables, found: &Tables) -> Option<String> {
    let mut parts = Vec::new();
    for (name, before) in expected {
        match found.get(name) {
            None => parts.push(format!("{name} is missing")),
            Some(now) if now.rows != before.rows => {
                parts.push(format!("{name} has {} rows instead of {}", now.rows, before.rows));
            }
            Some(now) if now.checksum != before.checksum => parts.push(format!("{name} has other contents")),
            Some(_) => {}
        }
    }
    parts.extend(
        found
            .keys()
            .filter(|name| !expected.contains_key(*name))
            .map(|name| format!("{name} is new")),
    );
    if parts.is_empty() {
        return None;
    }
    let more = parts.len().saturating_sub(5);
    parts.truncate(5);
    let tail = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    Some(format!("{}{tail}", parts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(entries: &[(&str, u64, &str)]) -> Tables {
        entries
            .iter()
            .map(|(name, rows, sum)| {
                (
                    (*name).to_owned(),
                    TableFingerprint {
                        rows: *rows,
                        checksum: (*sum).to_owned(),
                    },
                )
            })
            .collect()
    }

    #[test]
    fn difference_when_anything_moved_then_named() {
        let before = set(&[("a", 1, "x"), ("b", 2, "y"), ("c", 3, "z")]);
        let after = set(&[("a", 1, "x"), ("b", 3, "y"), ("c", 3, "q"), ("d", 0, "")]);
        assert_eq!(
            difference(&before, &after).unwrap(),
            "b has 3 rows instead of 2, c has other contents, d is new"
        );
        assert_eq!(difference(&before, &before), None);
    }
}
