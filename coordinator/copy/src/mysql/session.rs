//! Connections to MySQL and MariaDB, with the session each kind of work needs.

use cutover_database::{Target, mysql_bulk};
use futures::TryStreamExt as _;
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Row as _};

use crate::CopyError;

/// What neither side may change while bytes pass through, and limits that would cut a long transfer off.
pub(crate) const SESSION: &[&str] = &[
    "SET SESSION time_zone='+00:00', sql_mode=''",
    "SET SESSION net_write_timeout=3600, net_read_timeout=3600, wait_timeout=86400",
    "SET NAMES utf8mb4",
];
/// Limits that only some servers have.
const OPTIONAL: &[&str] = &[
    "SET SESSION max_statement_time=0",
    "SET SESSION max_execution_time=0",
    "SET SESSION information_schema_stats_expiry=0",
    "SET SESSION lock_wait_timeout=60",
];
/// Mode in which everything that production holds is taken as it is.
pub(crate) const LOAD_MODE: &str = "NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION,ALLOW_INVALID_DATES";

/// A session that reads; text comes as UTF-8.
pub(crate) async fn reader(target: &Target) -> Result<MySqlConnection, CopyError> {
    let mut conn = target.mysql().await.map_err(|source| CopyError::Connect {
        database: target.to_string(),
        source: source.into(),
    })?;
    for sql in SESSION {
        run(&mut conn, target, "preparing the session", sql).await?;
    }
    for sql in OPTIONAL {
        if let Err(error) = sqlx::raw_sql(*sql).execute(&mut conn).await {
            tracing::trace!(%error, sql, "session setting not known to this server");
        }
    }
    Ok(conn)
}

/// Runs a statement that returns nothing of interest.
pub(crate) async fn run(
    conn: &mut MySqlConnection,
    target: &Target,
    what: &str,
    sql: &str,
) -> Result<(), CopyError> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await;
    done.map(drop)
        .map_err(|error| CopyError::statement(what, target, error))
}

/// All rows of a query, every value as the bytes the server sent.
pub(crate) async fn rows(
    conn: &mut MySqlConnection,
    target: &Target,
    what: &str,
    sql: &str,
) -> Result<Vec<Vec<Option<Vec<u8>>>>, CopyError> {
    let failed = |error| CopyError::statement(what, target, error);
    let mut found = Vec::new();
    let mut stream = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch(conn);
    while let Some(row) = stream.try_next().await.map_err(failed)? {
        let values = (0..row.columns().len()).map(|index| Ok(value(&row, index)?.map(<[u8]>::to_vec)));
        found.push(values.collect::<Result<_, sqlx::Error>>().map_err(failed)?);
    }
    Ok(found)
}

/// The value as the server sent it.
pub(crate) fn value(row: &MySqlRow, index: usize) -> Result<Option<&[u8]>, sqlx::Error> {
    row.try_get_unchecked::<Option<&[u8]>, _>(index)
}

/// Column `index` as text; NULL and absence as "".
pub(crate) fn text(row: &[Option<Vec<u8>>], index: usize) -> String {
    let value = row.get(index).and_then(Option::as_deref).unwrap_or_default();
    String::from_utf8_lossy(value).into_owned()
}

pub(crate) fn number(row: &[Option<Vec<u8>>], index: usize) -> u64 {
    text(row, index).parse().unwrap_or(0)
}

/// A session that writes into staging. It takes statements as bytes and can load a stream.
pub(crate) struct Writer {
    pub(crate) conn: Conn,
    label: String,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}

impl Writer {
    /// Connects with foreign key checks off: rows come in any order and are already consistent. Checks of unique
    /// keys stay on. With both off, MariaDB sorts the rows of an empty table in files before it inserts them, which
    /// takes twice the processor time for rows that come in the order of their key, as these do.
    pub(crate) async fn open(target: &Target) -> Result<Self, CopyError> {
        let conn = mysql_bulk(target).await.map_err(|source| CopyError::Connect {
            database: target.to_string(),
            source: source.into(),
        })?;
        let mut writer = Writer {
            conn,
            label: target.to_string(),
        };
        let session = format!(
            "SET SESSION time_zone='+00:00', foreign_key_checks=0, unique_checks=1, sql_mode='{LOAD_MODE}', \
             net_read_timeout=3600, net_write_timeout=3600, wait_timeout=86400"
        );
        writer.run("preparing the session", session.as_bytes()).await?;
        for optional in OPTIONAL.iter().chain(&[
            "SET SESSION check_constraint_checks=0",
            "SET SESSION innodb_strict_mode=0",
        ]) {
            if let Err(error) = writer.conn.query_drop(*optional).await {
                tracing::trace!(%error, optional, "session setting not known to this server");
            }
        }
        Ok(writer)
    }

    pub(crate) async fn run(&mut self, what: &str, sql: &[u8]) -> Result<(), CopyError> {
        let done = self.conn.query_drop(sql).await;
        done.map_err(|error| CopyError::statement(what, &self.label, error))
    }

    pub(crate) fn label(&self) -> &str {
        &self.label
    }
}
