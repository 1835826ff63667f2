//! The tables of a PostgreSQL database, and facts about the server.

use std::collections::BTreeMap;

use cutover_database::pieces::Cut;

use super::sql::ident;
use crate::DeltaError;
use crate::options::SyncOptions;
use crate::session::{Row, Session, number, text};
use crate::table::{Column, Literal, Table};

/// Limits a query on `pg_namespace n` to what users made.
pub(crate) const USER_SCHEMAS: &str = "n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'";
/// Objects with identifiers of their own start here; below are the built-in ones, the same everywhere.
const FIRST_USER_OID: u32 = 16384;

/// How rows are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// The record itself (PostgreSQL 14); the same on servers of one major version.
    Record,
    /// MD5 of its text.
    Text,
}

impl Method {
    pub(crate) fn choose(a: u32, b: u32) -> Self {
        match a == b && a >= 14 {
            true => Method::Record,
            false => Method::Text,
        }
    }
}

/// Server's major version.
pub(crate) async fn major(session: &mut Session) -> Result<u32, DeltaError> {
    let sql = "SELECT current_setting('server_version_num')";
    let found = session.rows("asking the server's version", sql).await?;
    Ok(found.first().map_or(0, |row| number::<u32>(row, 0)) / 10_000)
}

pub(crate) async fn tables(
    session: &mut Session,
    method: Method,
    options: &SyncOptions,
) -> Result<Vec<Table>, DeltaError> {
    refuse_large_objects(session).await?;
    let encoding = session
        .rows(
            "asking for the encoding",
            "SELECT current_setting('server_encoding')",
        )
        .await?;
    let utf8 = encoding.first().is_some_and(|row| text(row, 0) == "UTF8");
    let mut columns = columns(session, method, utf8).await?;
    let mut keys = keys(session).await?;
    let sql = format!(
        "SELECT c.oid::text, n.nspname::text, c.relname::text, pg_table_size(c.oid)::text, \
           greatest(c.reltuples, 0)::int8::text, c.relpages::text \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND {USER_SCHEMAS} \
           AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass \
             AND d.objid = c.oid AND d.deptype = 'e') \
         ORDER BY 2, 3"
    );
    let found = session.rows("listing the tables", sql).await?;
    let kept = found.iter().filter(|row| !options.skips(&text(row, 2)));
    Ok(kept
        .map(|row| {
            let (schema, name) = (text(row, 1), text(row, 2));
            let oid = text(row, 0);
            let (own, mut signature) = columns.remove(&oid).unwrap_or_default();
            // The order of columns is part of what is hashed, and of nothing else.
            signature.sort();
            let quoted = format!("{}.{}", ident(&schema), ident(&name));
            let size = number(row, 3);
            Table {
                label: label(&schema, &name),
                source: format!("ONLY {quoted}"),
                quoted,
                key: choose_key(&own, &keys.remove(&oid).unwrap_or_default()),
                columns: sorted(own),
                size,
                rows: estimate(number(row, 4), size),
                transactional: true,
                signature,
            }
        })
        .collect())
}

/// A table that was never analyzed has no estimate.
fn estimate(rows: u64, size: u64) -> u64 {
    match rows {
        0 => size / 256,
        known => known,
    }
}

pub(crate) fn label(schema: &str, name: &str) -> String {
    match schema {
        "public" => name.to_owned(),
        _ => format!("{schema}.{name}"),
    }
}

async fn refuse_large_objects(session: &mut Session) -> Result<(), DeltaError> {
    let sql = "SELECT count(*)::text FROM pg_largeobject_metadata";
    let found = session.rows("counting large objects", sql).await?;
    if found.first().is_none_or(|row| text(row, 0) == "0") {
        return Ok(());
    }
    Err(DeltaError::Unsupported {
        what: "large objects".to_owned(),
        database: session.label().to_owned(),
        why: "they lie outside of tables and have no hash of their own".to_owned(),
        remedy: "use the mode that stops production, copies, and switches".to_owned(),
    })
}

struct Found {
    column: Column,
    place: u32,
}

type Described = (Vec<Found>, Vec<(String, String)>);

async fn columns(
    session: &mut Session,
    method: Method,
    utf8: bool,
) -> Result<BTreeMap<String, Described>, DeltaError> {
    // Columns of the catalogs that older servers do not have are read by way of JSON.
    let sql = format!(
        "SELECT a.attrelid::text, a.attname::text, coalesce(to_jsonb(a)->>'attgenerated', ''), a.atttypid::text, \
           t.typname::text, (a.atttypmod > 0)::text, coalesce(to_jsonb(k)->>'collisdeterministic', 'true'), \
           pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull::text, a.attnum::text, t.typtype::text, \
           coalesce(k.collname::text, '') \
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation k ON k.oid = a.attcollation \
         WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind = 'r' AND {USER_SCHEMAS} \
         ORDER BY a.attrelid, a.attname COLLATE \"C\""
    );
    let mut found: BTreeMap<String, Described> = BTreeMap::new();
    for row in session.rows("listing the columns", sql).await? {
        let (own, signature) = found.entry(text(&row, 0)).or_default();
        let generated = text(&row, 2);
        let mut description = text(&row, 7);
        if !text(&row, 11).is_empty() && text(&row, 11) != "default" {
            description.push_str(&format!(" collate {}", text(&row, 11)));
        }
        if text(&row, 8) == "true" {
            description.push_str(" not null");
        }
        if !generated.is_empty() {
            description.push_str(" generated");
        }
        signature.push((text(&row, 1), description));
        if generated.is_empty() {
            own.push(Found {
                column: column(&row, method, utf8),
                place: number(&row, 9),
            });
        }
    }
    Ok(found)
}

fn column(row: &Row, method: Method, utf8: bool) -> Column {
    let name = text(row, 1);
    let quoted = ident(&name);
    let (oid, type_name): (u32, String) = (number(row, 3), text(row, 4));
    let deterministic = text(row, 6) == "true";
    let built_in = oid < FIRST_USER_OID;
    let has_length = text(row, 5) == "true";
    let digest = digest(&quoted, &type_name, deterministic, has_length, method);
    Column {
        select: quoted.clone(),
        around: None,
        sum_digest: digest.clone(),
        row_digest: digest,
        literal: (built_in && text(row, 10) == "b").then(|| Literal::Cast(text(row, 7))),
        integer: matches!(type_name.as_str(), "int2" | "int4" | "int8"),
        cut: Cut::of(&type_name, has_length, utf8).filter(|_| built_in),
        // Binary forms of user types and of the reg* types hold identifiers that differ between databases.
        portable: built_in && !type_name.trim_start_matches('_').starts_with("reg"),
        name,
        quoted,
    }
}

/// Types whose hash tells bytes apart are hashed as they are. 1.0 and 1.00 are equal numbers but not the same value,
/// so the others are hashed by a form that shows all.
fn digest(name: &str, type_name: &str, deterministic: bool, has_length: bool, method: Method) -> String {
    match (type_name, method) {
        (
            "bool" | "char" | "name" | "int8" | "int2" | "int4" | "oid" | "date" | "time" | "timestamp"
            | "timestamptz" | "uuid",
            _,
        ) => name.to_owned(),
        ("bytea", Method::Record) => name.to_owned(),
        ("text" | "varchar", Method::Record) if deterministic => name.to_owned(),
        ("bpchar", Method::Record) if deterministic && has_length => name.to_owned(),
        ("text" | "varchar", Method::Record) => format!("pg_catalog.textsend({name}::text)"),
        ("bpchar", Method::Record) => format!("pg_catalog.bpcharsend({name})"),
        ("bytea", Method::Text) => format!("pg_catalog.md5({name})"),
        ("text" | "varchar", Method::Text) => format!("pg_catalog.md5({name}::text)"),
        ("bpchar", Method::Text) => format!("pg_catalog.md5(pg_catalog.bpcharsend({name}))"),
        (_, Method::Record | Method::Text) => format!("{name}::text"),
    }
}

struct Index {
    columns: Vec<u32>,
}

async fn keys(session: &mut Session) -> Result<BTreeMap<String, Vec<Index>>, DeltaError> {
    // An index with a condition or over an expression does not name a row by its columns; neither do NULLs.
    let sql = format!(
        "SELECT i.indrelid::text, \
           (SELECT string_agg(k::text, ',' ORDER BY o) FROM unnest(i.indkey::int2[]) WITH ORDINALITY u(k, o) \
             WHERE o <= i.indnkeyatts) \
         FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND {USER_SCHEMAS} \
           AND NOT EXISTS (SELECT 1 FROM unnest(i.indkey::int2[]) k JOIN pg_attribute a \
             ON a.attrelid = i.indrelid AND a.attnum = k WHERE NOT a.attnotnull) \
         ORDER BY i.indrelid, i.indisprimary DESC, i.indexrelid::regclass::text COLLATE \"C\""
    );
    let mut found: BTreeMap<String, Vec<Index>> = BTreeMap::new();
    for row in session.rows("listing the unique keys", sql).await? {
        let columns = text(&row, 1)
            .split(',')
            .filter_map(|place| place.parse().ok())
            .collect();
        found.entry(text(&row, 0)).or_default().push(Index { columns });
    }
    Ok(found)
}

/// Columns in the order of names, so that two databases agree whatever their tables went through.
fn sorted(found: Vec<Found>) -> Vec<Column> {
    found.into_iter().map(|found| found.column).collect()
}

/// The first index all of whose columns can be written in a condition; one of whole numbers is preferred.
fn choose_key(columns: &[Found], indexes: &[Index]) -> Vec<usize> {
    let places = indexes.iter().filter_map(|index| {
        let place = |place: &u32| {
            columns
                .iter()
                .position(|found| found.place == *place && found.column.literal.is_some())
        };
        index.columns.iter().map(place).collect::<Option<Vec<usize>>>()
    });
    let places: Vec<Vec<usize>> = places.collect();
    let whole = |key: &&Vec<usize>| {
        key.iter()
            .all(|index| columns.get(*index).is_some_and(|found| found.column.integer))
    };
    places
        .iter()
        .find(whole)
        .or(places.first())
        .cloned()
        .unwrap_or_default()
}

/// Triggers that fire even for a session that replays changes.
pub(crate) async fn stubborn_triggers(session: &mut Session) -> Result<Vec<String>, DeltaError> {
    let sql = format!(
        "SELECT t.tgname::text || ' on ' || c.relname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE NOT t.tgisinternal AND t.tgenabled IN ('R', 'A') AND {USER_SCHEMAS} ORDER BY 1"
    );
    let found = session.rows("listing the triggers", sql).await?;
    Ok(found.iter().map(|row| text(row, 0)).collect())
}

/// Tables that have triggers of their users, with the triggers' names.
pub(crate) async fn triggers(session: &mut Session) -> Result<BTreeMap<String, Vec<String>>, DeltaError> {
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text, t.tgname::text FROM pg_trigger t \
         JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND {USER_SCHEMAS} ORDER BY 1, 2, 3"
    );
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in session.rows("listing the triggers", sql).await? {
        let table = label(&text(&row, 0), &text(&row, 1));
        found.entry(table).or_default().push(text(&row, 2));
    }
    Ok(found)
}
