//! SQL for tests: the schema of a Carbon 4.1 kernel, rows for it, and the change a 4.2 kernel needs.

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
/// The same change for PostgreSQL, for which no product ships a script.
pub const MIGRATION_POSTGRES: &str = include_str!("../fixtures/user-store-4.1-to-4.2.postgres.sql");
