//! What a database is and holds: the evidence that plans, comparisons and gates are decided by.

mod mysql;
mod objects;
mod postgres;

use std::collections::{BTreeMap, BTreeSet};

use crate::connection::Connection;
use crate::error::DatabaseError;
use crate::literal;
use crate::privileges::{Privileges, privileges};
use crate::rss_level::{self, RssLevel};
use crate::schema_level::{self, SchemaLevel};
use crate::target::{Engine, Target};
use crate::tools::{ToolFacts, Tools};

pub use objects::ObjectKind;
pub(crate) use objects::count as count_objects;

pub(crate) const ACTION: &str = "read the facts";

/// The product behind an engine family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    /// MariaDB.
    MariaDb,
    /// Oracle's MySQL and what calls itself so.
    MySql,
    /// PostgreSQL.
    Postgres,
}

impl Flavour {
    /// The product's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Flavour::MariaDb => "MariaDB",
            Flavour::MySql => "MySQL",
            Flavour::Postgres => "PostgreSQL",
        }
    }
}

/// What a server says about itself, by which two addresses are known to be one server.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ServerIdentity {
    /// `server_uuid`, `server_uid`, or PostgreSQL's system identifier.
    pub unique: Option<String>,
    /// A Galera cluster's id: its nodes hold the same data.
    pub cluster: Option<String>,
    /// Host name as the server knows it (MySQL).
    pub host: Option<String>,
    /// Port the server listens on.
    pub port: Option<String>,
    /// Data directory, where the account may read it.
    pub data_directory: Option<String>,
    /// Moment the server started (PostgreSQL).
    pub started: Option<String>,
}

impl ServerIdentity {
    /// Whether both are one server. In doubt yes: taking one server for two would allow what must not happen.
    #[must_use]
    pub fn same_server(&self, other: &ServerIdentity) -> bool {
        let equal = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
        let differ = |a: &Option<String>, b: &Option<String>| a.is_some() && b.is_some() && a != b;
        if equal(&self.cluster, &other.cluster) {
            return true;
        }
        // A physical copy of a server keeps its unique id, yet runs on another host or was started on its own.
        !(differ(&self.unique, &other.unique)
            || differ(&self.host, &other.host)
            || differ(&self.port, &other.port)
            || differ(&self.data_directory, &other.data_directory)
            || differ(&self.started, &other.started))
    }
}

/// Rows of `UM_TENANT`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tenants {
    /// How many, without the super tenant, which has no row.
    pub count: u64,
    /// Their ids in order.
    pub ids: Vec<i64>,
}

/// Everything known about a database.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DatabaseFacts {
    /// Engine family.
    pub engine: Engine,
    /// Product.
    pub flavour: Flavour,
    /// Version as the server writes it.
    pub version: String,
    /// Which server it is.
    pub server: ServerIdentity,
    /// The database's name as the server has it.
    pub database: String,
    /// Default character set, or PostgreSQL's encoding.
    pub charset: String,
    /// Default collation, or `LC_COLLATE`.
    pub collation: String,
    /// `LC_CTYPE` (PostgreSQL).
    pub ctype: Option<String>,
    /// Locale provider and its locale, where it is not libc (PostgreSQL).
    pub locale_provider: Option<String>,
    /// `lower_case_table_names` (MySQL).
    pub lower_case_table_names: Option<u8>,
    /// `max_allowed_packet` in bytes (MySQL).
    pub max_allowed_packet: Option<u64>,
    /// Server-wide `sql_mode` (MySQL).
    pub sql_mode: Option<String>,
    /// Objects of every kind that a user can create; kinds without any are left out. Not the journal of scripts.
    pub objects: BTreeMap<ObjectKind, u64>,
    /// Tables and views that a statement without schema name reaches, in upper case.
    pub table_names: BTreeSet<String>,
    /// Tables that only a statement with a schema's name reaches, without it and in upper case (PostgreSQL).
    #[serde(default)]
    pub hidden_tables: BTreeSet<String>,
    /// Extensions (PostgreSQL), without `plpgsql`.
    pub extensions: Vec<String>,
    /// Bytes of data and indexes.
    pub data_bytes: u64,
    /// Locks that the server's table of locks has room for (PostgreSQL).
    #[serde(default)]
    pub locks: Option<u64>,
    /// Level of the Carbon user store.
    pub schema_level: SchemaLevel,
    /// Level of Storage Server's RSS database.
    #[serde(default)]
    pub rss_level: RssLevel,
    /// Tenants, when there is a `UM_TENANT`.
    pub tenants: Option<Tenants>,
    /// What the account may do.
    pub privileges: Privileges,
    /// The engine's own programs on this host.
    pub tools: Vec<ToolFacts>,
}

impl DatabaseFacts {
    /// Number of tables.
    #[must_use]
    pub fn tables(&self) -> u64 {
        self.objects.get(&ObjectKind::Table).copied().unwrap_or_default()
    }

    /// Whether both are one database on one server.
    #[must_use]
    pub fn same_database(&self, other: &DatabaseFacts) -> bool {
        let folds = |facts: &DatabaseFacts| facts.lower_case_table_names.is_some_and(|mode| mode != 0);
        let named_alike = if folds(self) || folds(other) {
            self.database.eq_ignore_ascii_case(&other.database)
        } else {
            self.database == other.database
        };
        self.engine == other.engine && named_alike && self.server.same_server(&other.server)
    }
}

/// The part of the facts that the engines tell in their own ways.
pub(crate) struct EngineFacts {
    pub(crate) flavour: Flavour,
    pub(crate) version: String,
    pub(crate) server: ServerIdentity,
    pub(crate) database: String,
    pub(crate) charset: String,
    pub(crate) collation: String,
    pub(crate) ctype: Option<String>,
    pub(crate) locale_provider: Option<String>,
    pub(crate) lower_case_table_names: Option<u8>,
    pub(crate) max_allowed_packet: Option<u64>,
    pub(crate) sql_mode: Option<String>,
    pub(crate) extensions: Vec<String>,
    pub(crate) data_bytes: u64,
    pub(crate) locks: Option<u64>,
}

pub(crate) async fn engine_facts(connection: &mut Connection) -> Result<EngineFacts, DatabaseError> {
    match connection.engine() {
        Engine::MySql => mysql::facts(connection).await,
        Engine::Postgres => postgres::facts(connection).await,
    }
}

/// Reads the facts of a database. Nothing is changed.
///
/// # Errors
/// The database cannot be reached or does not let the account read its catalog.
pub async fn facts(target: &Target) -> Result<DatabaseFacts, DatabaseError> {
    let mut connection = Connection::open(target).await?;
    let facts = gather(&mut connection).await;
    connection.close().await;
    facts
}

async fn gather(connection: &mut Connection) -> Result<DatabaseFacts, DatabaseError> {
    let own = engine_facts(connection).await?;
    let columns = columns(connection).await?;
    let hidden_tables = hidden_tables(connection).await?;
    let tenants = tenants(connection, &columns).await?;
    let objects = count_objects(connection).await?;
    let privileges = privileges(connection).await?;
    let engine = connection.engine();
    let tools = Tools::find_for(own.flavour)
        .facts(engine, own.flavour, &own.version)
        .await;
    Ok(DatabaseFacts {
        engine,
        flavour: own.flavour,
        version: own.version,
        server: own.server,
        database: own.database,
        charset: own.charset,
        collation: own.collation,
        ctype: own.ctype,
        locale_provider: own.locale_provider,
        lower_case_table_names: own.lower_case_table_names,
        max_allowed_packet: own.max_allowed_packet,
        sql_mode: own.sql_mode,
        objects,
        table_names: columns.iter().map(|(table, _)| table.to_uppercase()).collect(),
        hidden_tables,
        extensions: own.extensions,
        data_bytes: own.data_bytes,
        locks: own.locks,
        schema_level: schema_level::decide(&upper(&columns)),
        rss_level: rss_level::decide(&upper(&columns)),
        tenants,
        privileges,
        tools,
    })
}

/// `(table, column)` of every table that a statement without schema name reaches, in the server's case.
pub(crate) async fn columns(
    connection: &mut Connection,
) -> Result<BTreeSet<(String, String)>, DatabaseError> {
    let sql = match connection.engine() {
        Engine::MySql => {
            "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
        }
        Engine::Postgres => {
            "SELECT c.relname, a.attname FROM pg_catalog.pg_attribute a \
             JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f') \
             AND pg_catalog.pg_table_is_visible(c.oid) AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
        }
    };
    let rows = connection.rows(ACTION, sql).await?;
    Ok(rows.iter().map(|row| (row.text(0), row.text(1))).collect())
}

async fn hidden_tables(connection: &mut Connection) -> Result<BTreeSet<String>, DatabaseError> {
    if connection.engine() == Engine::MySql {
        return Ok(BTreeSet::new());
    }
    let sql = "SELECT DISTINCT upper(c.relname) FROM pg_catalog.pg_class c \
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
               WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT pg_catalog.pg_table_is_visible(c.oid) \
               AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'";
    Ok(connection.column(ACTION, sql).await?.into_iter().collect())
}

fn upper(columns: &BTreeSet<(String, String)>) -> BTreeSet<(String, String)> {
    columns
        .iter()
        .map(|(table, column)| (table.to_uppercase(), column.to_uppercase()))
        .collect()
}

async fn tenants(
    connection: &mut Connection,
    columns: &BTreeSet<(String, String)>,
) -> Result<Option<Tenants>, DatabaseError> {
    let carries = |(table, column): &&(String, String)| {
        table.eq_ignore_ascii_case("UM_TENANT") && column.eq_ignore_ascii_case("UM_ID")
    };
    let Some((table, column)) = columns.iter().find(carries) else {
        return Ok(None);
    };
    let engine = connection.engine();
    let column = literal::name(engine, column);
    let sql = format!(
        "SELECT {column} FROM {} ORDER BY {column}",
        literal::name(engine, table)
    );
    let rows = connection.rows(ACTION, &sql).await?;
    let ids: Vec<i64> = rows.iter().filter_map(|row| row.number(0)).collect();
    Ok(Some(Tenants {
        count: ids.len() as u64,
        ids,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(unique: &str, host: Option<&str>, started: Option<&str>) -> ServerIdentity {
        ServerIdentity {
            unique: Some(unique.into()),
            host: host.map(str::to_owned),
            started: started.map(str::to_owned),
            ..ServerIdentity::default()
        }
    }

    #[test]
    fn identity_when_reached_by_two_names_then_one_server() {
        assert!(identity("a", Some("db1"), None).same_server(&identity("a", Some("db1"), None)));
        assert!(!identity("a", Some("db1"), None).same_server(&identity("b", Some("db1"), None)));
    }

    #[test]
    fn identity_when_a_physical_copy_then_another_server() {
        assert!(!identity("a", Some("db1"), None).same_server(&identity("a", Some("db2"), None)));
        assert!(!identity("a", None, Some("1")).same_server(&identity("a", None, Some("2"))));
    }

    #[test]
    fn identity_when_nothing_is_known_then_taken_for_one() {
        assert!(ServerIdentity::default().same_server(&identity("a", None, None)));
    }

    #[test]
    fn identity_when_two_nodes_of_one_cluster_then_one() {
        let node = |host: &str| ServerIdentity {
            cluster: Some("c".into()),
            ..identity(host, Some(host), None)
        };
        assert!(node("db1").same_server(&node("db2")));
    }
}
