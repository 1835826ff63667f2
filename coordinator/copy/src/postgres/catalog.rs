//! The tables and sequences of a PostgreSQL database, and facts about the server.

use std::collections::BTreeMap;

use cutover_database::Target;
use cutover_database::pieces::Cut;
use sqlx::postgres::PgConnection;

use super::session::{ident, literal, number, rows, text};
use super::shapes;
use crate::rowhash::TableShape;
use crate::{CopyError, CopyOptions};

/// Limits a query on `pg_namespace n` to what users made.
pub(crate) const USER_SCHEMAS: &str = "n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'";
/// Objects with identifiers of their own start here; below are the built-in ones, the same everywhere.
const FIRST_USER_OID: u32 = 16384;

/// A table that holds rows itself.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) size: u64,
    /// A few pages, with nothing stored elsewhere.
    pub(crate) small: bool,
    /// Columns that hold data of their own.
    pub(crate) columns: Vec<String>,
    /// Those that may hold large values, which can be cut into pieces in COPY's binary form: type, by name.
    pub(crate) cut: BTreeMap<String, Cut>,
    /// Every value means the same in binary form in another database.
    pub(crate) binary: bool,
    /// Table, columns and keys as they are shown to others.
    pub(crate) shape: TableShape,
}

impl Table {
    /// Name for people: without the schema where it is the usual one.
    pub(crate) fn label(&self) -> String {
        label(&self.schema, &self.name)
    }

    pub(crate) fn quoted(&self) -> String {
        format!("{}.{}", ident(&self.schema), ident(&self.name))
    }

    pub(crate) fn column_list(&self) -> String {
        let names: Vec<String> = self.columns.iter().map(|name| ident(name)).collect();
        names.join(", ")
    }
}

pub(crate) fn label(schema: &str, name: &str) -> String {
    match schema {
        "public" => name.to_owned(),
        _ => format!("{schema}.{name}"),
    }
}

/// Server's major version.
pub(crate) async fn major(conn: &mut PgConnection, target: &Target) -> Result<u32, CopyError> {
    let sql = "SELECT current_setting('server_version_num')";
    let found = rows(conn, target, "asking the server's version", sql).await?;
    Ok(found.first().map_or(0, |row| number::<u32>(row, 0)) / 10_000)
}

pub(crate) async fn tables(
    conn: &mut PgConnection,
    target: &Target,
    options: &CopyOptions,
) -> Result<Vec<Table>, CopyError> {
    let mut columns = columns(conn, target).await?;
    let mut keys = shapes::keys(conn, target).await?;
    let major = major(conn, target).await?;
    let encoding = names(conn, target, "SELECT current_setting('server_encoding')").await?;
    let utf8 = encoding.first().is_some_and(|encoding| encoding == "UTF8");
    let sql = format!(
        "SELECT c.oid::text, n.nspname::text, c.relname::text, pg_table_size(c.oid)::text, \
           (pg_relation_size(c.oid) <= 32768 \
            AND coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0) = 0)::text \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND {USER_SCHEMAS} \
           AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass \
             AND d.objid = c.oid AND d.deptype = 'e') \
         ORDER BY 2, 3"
    );
    let found = rows(conn, target, "listing the tables", &sql).await?;
    let kept = found.iter().filter(|row| !options.skips(&text(row, 2)));
    Ok(kept
        .map(|row| {
            let own = columns.remove(&text(row, 0)).unwrap_or_default();
            let keys = keys.remove(&text(row, 0)).unwrap_or_default();
            Table {
                shape: shapes::shape(&text(row, 1), &text(row, 2), &own, keys, number(row, 3), major),
                schema: text(row, 1),
                name: text(row, 2),
                size: number(row, 3),
                small: text(row, 4) == "true",
                binary: own.iter().all(Column::is_portable),
                cut: own
                    .iter()
                    .filter(|column| !column.generated)
                    .filter_map(|column| {
                        Some((
                            column.name.clone(),
                            Cut::of(&column.type_name, column.has_length, utf8)?,
                        ))
                    })
                    .collect(),
                columns: own
                    .into_iter()
                    .filter(|column| !column.generated)
                    .map(|column| column.name)
                    .collect(),
            }
        })
        .collect())
}

/// A column, generated ones included.
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) generated: bool,
    type_oid: u32,
    type_name: String,
    has_length: bool,
    deterministic: bool,
    pub(crate) nullable: bool,
    /// Type with its length.
    pub(crate) sql_type: String,
}

impl Column {
    /// Binary forms of user types and of the reg* types hold identifiers that differ between databases.
    fn is_portable(&self) -> bool {
        self.type_oid < FIRST_USER_OID && !self.type_name.trim_start_matches('_').starts_with("reg")
    }

    /// Types whose equality is equality of bytes; 1.0 and 1.00 are equal numbers but not the same value.
    pub(crate) fn is_hashable(&self) -> bool {
        match self.type_name.as_str() {
            "bool" | "bytea" | "char" | "name" | "int8" | "int2" | "int4" | "oid" | "date" | "time"
            | "timestamp" | "timestamptz" | "uuid" => true,
            "text" | "varchar" => self.deterministic,
            "bpchar" => self.deterministic && self.has_length,
            _ => false,
        }
    }
}

async fn columns(
    conn: &mut PgConnection,
    target: &Target,
) -> Result<BTreeMap<String, Vec<Column>>, CopyError> {
    // Columns of the catalogs that older servers do not have are read by way of JSON.
    let sql = format!(
        "SELECT a.attrelid::text, a.attname::text, coalesce(to_jsonb(a)->>'attgenerated', ''), a.atttypid::text, \
           t.typname::text, (a.atttypmod > 0)::text, coalesce(to_jsonb(k)->>'collisdeterministic', 'true'), \
           a.attnotnull::text, format_type(a.atttypid, a.atttypmod) \
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation k ON k.oid = a.attcollation \
         WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind = 'r' AND {USER_SCHEMAS} \
         ORDER BY a.attrelid, a.attnum"
    );
    let mut found: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    for row in rows(conn, target, "listing the columns", &sql).await? {
        found.entry(text(&row, 0)).or_default().push(Column {
            name: text(&row, 1),
            generated: !text(&row, 2).is_empty(),
            type_oid: number(&row, 3),
            type_name: text(&row, 4),
            has_length: text(&row, 5) == "true",
            deterministic: text(&row, 6) == "true",
            nullable: text(&row, 7) != "true",
            sql_type: text(&row, 8),
        });
    }
    Ok(found)
}

/// Where a sequence stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sequence {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) last: i128,
    pub(crate) called: bool,
    pub(crate) increment: i128,
}

/// Read from each sequence itself: the view pg_sequences hides the position of one that was set but not used.
pub(crate) async fn sequences(conn: &mut PgConnection, target: &Target) -> Result<Vec<Sequence>, CopyError> {
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text, s.seqincrement::text FROM pg_sequence s \
         JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relpersistence <> 't' AND {USER_SCHEMAS} ORDER BY 1, 2"
    );
    let names = rows(conn, target, "listing the sequences", &sql).await?;
    let parts = names.iter().map(|row| {
        let (schema, name) = (text(row, 0), text(row, 1));
        format!(
            "SELECT {}, {}, last_value::text, is_called::text, {} FROM {}.{}",
            literal(&schema),
            literal(&name),
            literal(&text(row, 2)),
            ident(&schema),
            ident(&name)
        )
    });
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let found = rows(conn, target, "reading the sequences", &parts.join(" UNION ALL ")).await?;
    let sequence = |row: &Vec<Option<String>>| Sequence {
        schema: text(row, 0),
        name: text(row, 1),
        last: number(row, 2),
        called: text(row, 3) == "true",
        increment: number(row, 4),
    };
    Ok(found.iter().map(sequence).collect())
}

/// First column of the answer to a query.
pub(crate) async fn names(
    conn: &mut PgConnection,
    target: &Target,
    sql: &str,
) -> Result<Vec<String>, CopyError> {
    let found = rows(conn, target, "reading the catalog", sql).await?;
    Ok(found.iter().map(|row| text(row, 0)).collect())
}

/// Owners of what users made.
pub(crate) async fn owners(conn: &mut PgConnection, target: &Target) -> Result<Vec<String>, CopyError> {
    let sql = format!(
        "SELECT DISTINCT pg_get_userbyid(o)::text FROM ( \
           SELECT c.relowner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {USER_SCHEMAS} \
           UNION SELECT p.proowner FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {USER_SCHEMAS} \
           UNION SELECT n.nspowner FROM pg_namespace n WHERE {USER_SCHEMAS} AND n.nspname <> 'public' \
           UNION SELECT t.typowner FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE {USER_SCHEMAS} \
         ) AS owners(o) ORDER BY 1"
    );
    names(conn, target, &sql).await
}

/// Roles that were granted something on what users made.
pub(crate) async fn grantees(conn: &mut PgConnection, target: &Target) -> Result<Vec<String>, CopyError> {
    let sql = format!(
        "SELECT DISTINCT r.rolname::text FROM ( \
           SELECT (aclexplode(c.relacl)).grantee FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {USER_SCHEMAS} \
           UNION SELECT (aclexplode(p.proacl)).grantee FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {USER_SCHEMAS} \
           UNION SELECT (aclexplode(n.nspacl)).grantee FROM pg_namespace n WHERE {USER_SCHEMAS} \
           UNION SELECT (aclexplode(d.defaclacl)).grantee FROM pg_default_acl d \
         ) AS g(grantee) JOIN pg_roles r ON r.oid = g.grantee ORDER BY 1"
    );
    names(conn, target, &sql).await
}
