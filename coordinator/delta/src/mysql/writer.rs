//! A session that writes into staging. It takes statements as bytes and can load a stream.

use cutover_database::{Target, mysql_bulk};
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;

use super::sql::literal;
use crate::DeltaError;

/// Rows come in any order, and every value production holds is taken as it is. Unique keys are checked.
const SESSION: &str = "SET SESSION time_zone='+00:00', foreign_key_checks=0, unique_checks=1, autocommit=1, \
    sql_mode='NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION,ALLOW_INVALID_DATES', \
    net_read_timeout=3600, net_write_timeout=3600, wait_timeout=86400";
/// Settings that only some servers have.
const OPTIONAL: &[&str] = &[
    "SET SESSION max_statement_time=0",
    "SET SESSION max_execution_time=0",
    "SET SESSION lock_wait_timeout=60",
    "SET SESSION innodb_lock_wait_timeout=60",
    "SET SESSION check_constraint_checks=0",
    "SET SESSION innodb_strict_mode=0",
];

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
    pub(crate) async fn open(target: &Target) -> Result<Self, DeltaError> {
        let conn = mysql_bulk(target).await.map_err(|source| DeltaError::Connect {
            database: target.to_string(),
            source: source.into(),
        })?;
        let mut writer = Writer {
            conn,
            label: target.to_string(),
        };
        writer.run("preparing the session", SESSION).await?;
        for sql in OPTIONAL {
            if let Err(error) = writer.conn.query_drop(*sql).await {
                tracing::trace!(%error, sql, "session setting not known to this server");
            }
        }
        writer.run("preparing the session", "SET NAMES binary").await?;
        Ok(writer)
    }

    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// Runs a statement and says how many rows it changed.
    pub(crate) async fn run(&mut self, what: &str, sql: impl AsRef<[u8]>) -> Result<u64, DeltaError> {
        let done = self.conn.query_drop(sql.as_ref()).await;
        done.map_err(|error| DeltaError::statement(what, &self.label, error))?;
        Ok(self.conn.affected_rows())
    }

    /// Takes the lock that keeps two runs from working on one database; it ends with the connection.
    pub(crate) async fn lock(&mut self) -> Result<(), DeltaError> {
        let sql = "SELECT GET_LOCK(LEFT(CONCAT('cutover-delta:', DATABASE()), 64), 60)";
        let got: Result<Option<Option<u8>>, _> = self.conn.query_first(sql).await;
        match got.map_err(|error| DeltaError::statement("taking the lock", &self.label, error))? {
            Some(Some(1)) => Ok(()),
            Some(_) | None => Err(DeltaError::Busy {
                database: self.label.clone(),
            }),
        }
    }

    /// The first warning of the last statement.
    pub(crate) async fn warning(&mut self) -> String {
        let first = self.conn.query_first::<Warning, _>("SHOW WARNINGS LIMIT 1").await;
        match first {
            Ok(Some((_, code, message))) => format!("{code}: {}", String::from_utf8_lossy(&message)),
            Ok(None) => "no warning given".to_owned(),
            Err(error) => error.to_string(),
        }
    }
}

/// Level, code and message.
type Warning = (Vec<u8>, u32, Vec<u8>);

/// `text` for a statement that this session sends.
pub(crate) fn utf8(text: &str) -> String {
    format!("_utf8mb4 {}", literal(text.as_bytes()))
}
