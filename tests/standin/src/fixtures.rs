//! SQL for tests: the schemas of older servers, rows for them, and the change a 4.2 kernel needs.

/// The tables of a 4.1 kernel for MySQL and MariaDB (32 tables).
pub const SCHEMA_41_MYSQL: &str = include_str!("../fixtures/carbon-4.1.mysql.sql");
/// The tables of a 4.1 kernel for PostgreSQL (32 tables, free-standing sequences).
pub const SCHEMA_41_POSTGRES: &str = include_str!("../fixtures/carbon-4.1.postgres.sql");
/// Five tenants, users, roles, permissions, claims and registry content; the same rows at every run.
pub const SAMPLE_ROWS_MYSQL: &str = include_str!("../fixtures/sample-rows.mysql.sql");
/// [`SAMPLE_ROWS_MYSQL`] for PostgreSQL.
pub const SAMPLE_ROWS_POSTGRES: &str = include_str!("../fixtures/sample-rows.postgres.sql");
/// Takes a 4.1 user store to 4.2 in one session of MySQL or MariaDB; a second run fails at its first statement.
pub const MIGRATION_MYSQL: &str = include_str!("../fixtures/user-store-4.1-to-4.2.mysql.sql");
/// The same change for PostgreSQL: the script that ships with Cutover's guides, for no product ships one.
pub const MIGRATION_POSTGRES: &str =
    include_str!("../../../coordinator/guides/scripts/carbon-4.1-to-4.2-user-store.postgres.sql");

const RSS: &str = include_str!("../fixtures/rss-1.0.3.sql");
const RSS_ROWS: &str = include_str!("../fixtures/rss-rows.sql");
const MOUNT_ROWS: &str = include_str!("../fixtures/mount-rows.sql");
/// The ids of the rows were not taken from their sequences.
const MOUNT_SEQUENCES: &str = "
SELECT setval('REG_PATH_PK_SEQ', 4);
SELECT setval('REG_CONTENT_PK_SEQ', 3);
SELECT setval('REG_RESOURCE_PK_SEQ', 2);
SELECT setval('REG_PROPERTY_PK_SEQ', 1);
";
const PRIVILEGES: [&str; 19] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "DROP",
    "GRANT",
    "REFERENCES",
    "INDEX",
    "ALTER",
    "CREATE_TMP_TABLE",
    "LOCK_TABLES",
    "CREATE_VIEW",
    "SHOW_VIEW",
    "CREATE_ROUTINE",
    "ALTER_ROUTINE",
    "EXECUTE",
    "EVENT",
    "TRIGGER",
];

/// Whose SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// MySQL and MariaDB.
    MySql,
    /// PostgreSQL.
    Postgres,
}

/// The RSS metadata tables of Storage Server 1.0.3, as a site made them.
#[must_use]
pub fn rss_schema(dialect: Dialect) -> String {
    let (numbered, flag, engine) = match dialect {
        Dialect::MySql => (
            "INTEGER NOT NULL AUTO_INCREMENT",
            "enum('N','Y')",
            " ENGINE INNODB",
        ),
        Dialect::Postgres => ("SERIAL", "CHAR(1)", ""),
    };
    let columns = PRIVILEGES.map(|name| format!("{name}_PRIV {flag} NOT NULL"));
    RSS.replace("@NUMBERED@", numbered)
        .replace("@ENGINE@", engine)
        .replace("@PRIVILEGES@", &columns.join(",\n    "))
}

/// Rows for [`rss_schema`], in SQL that every engine takes.
#[must_use]
pub fn rss_rows() -> String {
    let names = PRIVILEGES.map(|name| format!("{name}_PRIV"));
    let read_only = PRIVILEGES.map(|name| if name == "SELECT" { "'Y'" } else { "'N'" });
    RSS_ROWS
        .replace("@PRIVILEGE_NAMES@", &names.join(", "))
        .replace("@GRANTED@", &["'Y'"; PRIVILEGES.len()].join(", "))
        .replace("@READ_ONLY@", &read_only.join(", "))
}

/// Rows for a registry that several products mount, in a database with the tables of any kernel.
#[must_use]
pub fn mount_rows(dialect: Dialect) -> String {
    let hex: String = (0..=255_u8).map(|byte| format!("{byte:02x}")).collect();
    match dialect {
        Dialect::MySql => {
            format!("SET NAMES utf8mb4;\n{MOUNT_ROWS}").replace("@BYTES@", &format!("X'{hex}'"))
        }
        Dialect::Postgres => MOUNT_ROWS.replace("@BYTES@", &format!("'\\x{hex}'")) + MOUNT_SEQUENCES,
    }
}
