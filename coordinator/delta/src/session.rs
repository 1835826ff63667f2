//! A connection that reads either engine in the text protocol: every value is the bytes the server sent.

use cutover_database::{Engine, Target};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row as _};

use crate::DeltaError;

/// A row of an answer; `NULL` is `None`.
pub(crate) type Row = Vec<Option<Vec<u8>>>;

/// Text forms that lose nothing, and no limit that cuts a long transfer off. Without a character set for answers,
/// MySQL sends text in the bytes it is stored in.
const MYSQL: &[&str] = &[
    "SET NAMES utf8mb4",
    // A snapshot is one only at this level, whatever the server's default.
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET SESSION character_set_results=NULL, time_zone='+00:00', sql_mode='NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION,ALLOW_INVALID_DATES'",
    "SET SESSION net_write_timeout=3600, net_read_timeout=3600, wait_timeout=86400, foreign_key_checks=1, autocommit=1",
];
/// Settings that only some servers have.
const MYSQL_OPTIONAL: &[&str] = &[
    "SET SESSION max_statement_time=0",
    "SET SESSION max_execution_time=0",
    "SET SESSION information_schema_stats_expiry=0",
    "SET SESSION lock_wait_timeout=60",
    "SET SESSION innodb_lock_wait_timeout=60",
];
const POSTGRES: &str = "SET statement_timeout=0; SET idle_in_transaction_session_timeout=0; SET lock_timeout='60s'; \
    SET DateStyle='ISO, YMD'; SET IntervalStyle='postgres'; SET TimeZone='UTC'; SET extra_float_digits=3; \
    SET bytea_output='hex'; SET client_encoding='UTF8'; SET row_security=off; SET search_path=''; \
    SET xmloption='content'; SET standard_conforming_strings=on";

enum Driver {
    MySql(Box<MySqlConnection>),
    Postgres(Box<PgConnection>),
}

/// An open connection.
pub(crate) struct Session {
    driver: Driver,
    label: String,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) async fn open(target: &Target) -> Result<Self, DeltaError> {
        let refused = |source: sqlx::Error| DeltaError::Connect {
            database: target.to_string(),
            source: source.into(),
        };
        let driver = match target.engine {
            Engine::MySql => Driver::MySql(Box::new(target.mysql().await.map_err(refused)?)),
            Engine::Postgres => Driver::Postgres(Box::new(target.postgres().await.map_err(refused)?)),
        };
        let mut session = Session {
            driver,
            label: target.to_string(),
        };
        match target.engine {
            Engine::MySql => {
                for sql in MYSQL {
                    session.run("preparing the session", *sql).await?;
                }
                for sql in MYSQL_OPTIONAL {
                    if let Err(error) = session.run("preparing the session", *sql).await {
                        tracing::trace!(%error, sql, "session setting not known to this server");
                    }
                }
            }
            Engine::Postgres => drop(session.run("preparing the session", POSTGRES).await?),
        }
        Ok(session)
    }

    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// Runs a statement and says how many rows it changed.
    pub(crate) async fn run(&mut self, what: &str, sql: impl Into<String>) -> Result<u64, DeltaError> {
        let sql = AssertSqlSafe(sql.into());
        let done = match &mut self.driver {
            Driver::MySql(conn) => {
                let done = sqlx::raw_sql(sql).execute(&mut **conn).await;
                done.map(|done| done.rows_affected())
            }
            Driver::Postgres(conn) => {
                let done = sqlx::raw_sql(sql).execute(&mut **conn).await;
                done.map(|done| done.rows_affected())
            }
        };
        done.map_err(|error| DeltaError::statement(what, &self.label, error))
    }

    /// The rows of a query as they come in.
    pub(crate) fn stream(
        &mut self,
        what: impl Into<String>,
        sql: String,
    ) -> BoxStream<'_, Result<Row, DeltaError>> {
        let (what, label) = (what.into(), self.label.clone());
        let failed = move |error: sqlx::Error| DeltaError::statement(what.clone(), &label, error);
        let sql = AssertSqlSafe(sql);
        match &mut self.driver {
            Driver::MySql(conn) => sqlx::raw_sql(sql)
                .fetch(&mut **conn)
                .map(|row| mysql_values(&row?))
                .map_err(failed)
                .boxed(),
            Driver::Postgres(conn) => sqlx::raw_sql(sql)
                .fetch(&mut **conn)
                .map(|row| postgres_values(&row?))
                .map_err(failed)
                .boxed(),
        }
    }

    /// The rows of a query on MySQL as the driver holds them: nothing is copied, whatever their size.
    pub(crate) fn mysql_stream(
        &mut self,
        what: impl Into<String>,
        sql: String,
    ) -> BoxStream<'_, Result<MySqlRow, DeltaError>> {
        let (what, label) = (what.into(), self.label.clone());
        match &mut self.driver {
            Driver::MySql(conn) => sqlx::raw_sql(AssertSqlSafe(sql))
                .fetch(&mut **conn)
                .map_err(move |error| DeltaError::statement(what.clone(), &label, error))
                .boxed(),
            Driver::Postgres(_) => {
                let error = DeltaError::local(what, "the connection is not one to MySQL");
                futures::stream::once(async { Err(error) }).boxed()
            }
        }
    }

    pub(crate) async fn rows(&mut self, what: &str, sql: impl Into<String>) -> Result<Vec<Row>, DeltaError> {
        self.stream(what, sql.into()).try_collect().await
    }

    /// MySQL's connection, for values that come in pieces.
    pub(crate) fn mysql(&mut self) -> Option<&mut MySqlConnection> {
        match &mut self.driver {
            Driver::MySql(conn) => Some(&mut **conn),
            Driver::Postgres(_) => None,
        }
    }

    /// PostgreSQL's connection, for COPY.
    pub(crate) fn postgres(&mut self) -> Option<&mut PgConnection> {
        match &mut self.driver {
            Driver::Postgres(conn) => Some(&mut **conn),
            Driver::MySql(_) => None,
        }
    }
}

/// The value as the server sent it.
pub(crate) fn mysql_value(row: &MySqlRow, index: usize) -> Result<Option<&[u8]>, sqlx::Error> {
    row.try_get_unchecked::<Option<&[u8]>, _>(index)
}

fn mysql_values(row: &MySqlRow) -> Result<Row, sqlx::Error> {
    let value = |index| Ok(mysql_value(row, index)?.map(<[u8]>::to_vec));
    (0..row.columns().len()).map(value).collect()
}

fn postgres_values(row: &PgRow) -> Result<Row, sqlx::Error> {
    let value = |index| {
        let raw = row.try_get_raw(index)?;
        if sqlx::ValueRef::is_null(&raw) {
            return Ok(None);
        }
        let bytes = raw.as_bytes().map_err(sqlx::Error::Decode)?;
        Ok(Some(bytes.to_vec()))
    };
    (0..row.columns().len()).map(value).collect()
}

/// Column `index` as text; NULL and absence as "".
pub(crate) fn text(row: &Row, index: usize) -> String {
    let value = row.get(index).and_then(Option::as_deref).unwrap_or_default();
    String::from_utf8_lossy(value).into_owned()
}

/// Column `index` as a number; anything else as 0.
pub(crate) fn number<T: std::str::FromStr + Default>(row: &Row, index: usize) -> T {
    text(row, index).parse().unwrap_or_default()
}
