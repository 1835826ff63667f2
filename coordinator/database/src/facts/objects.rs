//! Counting the objects of a database by kind. "Empty" means none of any kind, not merely no table.

use std::collections::BTreeMap;
use std::fmt;

use crate::connection::Connection;
use crate::error::DatabaseError;
use crate::fingerprint::{SCRATCH_MARK, USER_SCHEMA};
use crate::journal::{COPY_TABLE as COPY_JOURNAL, TABLE as JOURNAL};
use crate::target::Engine;

/// A kind of object that a user can create in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// Tables, partitioned and foreign ones included.
    Table,
    /// Views.
    View,
    /// Materialized views (PostgreSQL).
    MaterializedView,
    /// Sequences.
    Sequence,
    /// Functions, procedures, aggregates, packages.
    Routine,
    /// Triggers, event triggers included.
    Trigger,
    /// Scheduled events (MySQL).
    Event,
    /// Types and domains (PostgreSQL).
    Type,
    /// Schemas besides `public` (PostgreSQL).
    Schema,
    /// Large objects (PostgreSQL).
    LargeObject,
    /// Operators, collations, conversions, text search objects, casts, foreign servers (PostgreSQL).
    Other,
    /// Publications and subscriptions (PostgreSQL).
    Replication,
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ObjectKind::Table => "table",
            ObjectKind::View => "view",
            ObjectKind::MaterializedView => "materialized view",
            ObjectKind::Sequence => "sequence",
            ObjectKind::Routine => "routine",
            ObjectKind::Trigger => "trigger",
            ObjectKind::Event => "event",
            ObjectKind::Type => "type",
            ObjectKind::Schema => "schema",
            ObjectKind::LargeObject => "large object",
            ObjectKind::Other => "other object",
            ObjectKind::Replication => "publication or subscription",
        })
    }
}

/// Counts what a user created; what belongs to an extension, and Cutover's own tables, do not count.
pub(crate) async fn count(connection: &mut Connection) -> Result<BTreeMap<ObjectKind, u64>, DatabaseError> {
    let queries: Vec<(ObjectKind, String)> = match connection.engine() {
        Engine::MySql => mysql(),
        Engine::Postgres => postgres(),
    };
    let mut found = BTreeMap::new();
    for (kind, sql) in queries {
        let number = connection.scalar("count the objects", &sql).await?;
        let number: u64 = number.and_then(|number| number.parse().ok()).unwrap_or_default();
        if number > 0 {
            found.insert(kind, number);
        }
    }
    Ok(found)
}

fn mysql() -> Vec<(ObjectKind, String)> {
    let tables = |types: &str| {
        format!(
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() \
             AND TABLE_TYPE {types} AND TABLE_NAME NOT IN ('{JOURNAL}', '{COPY_JOURNAL}', '{SCRATCH_MARK}')"
        )
    };
    let count = |table: &str, schema: &str| {
        format!("SELECT COUNT(*) FROM information_schema.{table} WHERE {schema} = DATABASE()")
    };
    vec![
        (ObjectKind::Table, tables("NOT IN ('VIEW', 'SEQUENCE')")),
        (ObjectKind::View, tables("= 'VIEW'")),
        (ObjectKind::Sequence, tables("= 'SEQUENCE'")),
        (ObjectKind::Routine, count("ROUTINES", "ROUTINE_SCHEMA")),
        (ObjectKind::Trigger, count("TRIGGERS", "TRIGGER_SCHEMA")),
        (ObjectKind::Event, count("EVENTS", "EVENT_SCHEMA")),
    ]
}

fn postgres() -> Vec<(ObjectKind, String)> {
    let relations = |kinds: &str| {
        format!(
            "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE {USER_SCHEMA} AND c.relkind IN ({kinds}) AND c.relname NOT IN ('{JOURNAL}', '{COPY_JOURNAL}') AND {}",
            not_of_extension("pg_class", "c")
        )
    };
    let named = |catalog: &str, alias: &str, schema: &str, condition: &str| {
        format!(
            "(SELECT count(*) FROM pg_catalog.{catalog} {alias} JOIN pg_catalog.pg_namespace n ON n.oid = {alias}.{schema} \
             WHERE {USER_SCHEMA} AND {condition} AND {})",
            not_of_extension(catalog, alias)
        )
    };
    let plain = |catalog: &str, condition: &str| {
        format!(
            "(SELECT count(*) FROM pg_catalog.{catalog} o WHERE {condition} AND {})",
            not_of_extension(catalog, "o")
        )
    };
    // Identifiers below this are the server's own.
    let by_user = "o.oid >= 16384";
    vec![
        (ObjectKind::Table, relations("'r', 'p', 'f'")),
        (ObjectKind::View, relations("'v'")),
        (ObjectKind::MaterializedView, relations("'m'")),
        (ObjectKind::Sequence, relations("'S'")),
        (ObjectKind::Routine, format!("SELECT {}", named("pg_proc", "p", "pronamespace", "true"))),
        (
            ObjectKind::Trigger,
            format!(
                "SELECT {} + {}",
                plain("pg_trigger", "NOT o.tgisinternal"),
                plain("pg_event_trigger", "true")
            ),
        ),
        (
            ObjectKind::Type,
            format!(
                "SELECT {} + ({})",
                named("pg_type", "t", "typnamespace", "t.typtype IN ('d', 'e', 'r')"),
                relations("'c'")
            ),
        ),
        (
            ObjectKind::Schema,
            format!(
                "SELECT count(*) FROM pg_catalog.pg_namespace n WHERE {USER_SCHEMA} AND n.nspname <> 'public' AND {}",
                not_of_extension("pg_namespace", "n")
            ),
        ),
        (ObjectKind::LargeObject, "SELECT count(*) FROM pg_catalog.pg_largeobject_metadata".to_owned()),
        (
            ObjectKind::Other,
            format!(
                "SELECT {} + {} + {} + {} + {} + {} + {}",
                named("pg_operator", "o", "oprnamespace", "true"),
                named("pg_collation", "o", "collnamespace", "true"),
                named("pg_conversion", "o", "connamespace", "true"),
                named("pg_ts_config", "o", "cfgnamespace", "true"),
                named("pg_ts_dict", "o", "dictnamespace", "true"),
                plain("pg_cast", by_user),
                plain("pg_foreign_server", "true"),
            ),
        ),
        (
            ObjectKind::Replication,
            "SELECT (SELECT count(*) FROM pg_catalog.pg_publication) + (SELECT count(*) FROM pg_catalog.pg_stat_subscription s \
             WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_stat_activity a WHERE a.pid = s.pid AND a.datname = current_database()))"
                .to_owned(),
        ),
    ]
}

fn not_of_extension(catalog: &str, alias: &str) -> String {
    format!(
        "NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.{catalog}'::regclass \
         AND d.objid = {alias}.oid AND d.deptype = 'e')"
    )
}
