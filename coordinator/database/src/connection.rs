//! One connection to a target, asked in the text protocol, so that both engines read alike.

use std::time::Duration;

use futures::TryStreamExt;
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, Either, Row as _, raw_sql};

use crate::error::{DatabaseError, Kind};
use crate::sessions;
use crate::target::{Engine, Target};

/// A server that drops packets silently would hold a step for minutes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// A row as text; `NULL` is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row(Vec<Option<String>>);

impl Row {
    pub(crate) fn get(&self, column: usize) -> Option<&str> {
        self.0.get(column).and_then(|value| value.as_deref())
    }

    /// The text, empty for `NULL`.
    pub(crate) fn text(&self, column: usize) -> String {
        self.get(column).unwrap_or_default().to_owned()
    }

    pub(crate) fn number<N: std::str::FromStr>(&self, column: usize) -> Option<N> {
        self.get(column).and_then(|value| value.trim().parse().ok())
    }

    /// Whether PostgreSQL said `t` or MySQL said `1`.
    pub(crate) fn flag(&self, column: usize) -> bool {
        matches!(self.get(column), Some("t" | "1" | "true"))
    }

    pub(crate) fn columns(&self) -> &[Option<String>] {
        &self.0
    }
}

#[derive(Debug)]
pub(crate) enum Driver {
    MySql(MySqlConnection),
    Postgres(PgConnection),
}

/// An open connection and the target it belongs to.
#[derive(Debug)]
pub(crate) struct Connection {
    driver: Driver,
    target: Target,
    id: String,
}

impl Connection {
    pub(crate) async fn open(target: &Target) -> Result<Self, DatabaseError> {
        const ACTION: &str = "connect";
        let opened = tokio::time::timeout(CONNECT_TIMEOUT, async {
            Ok::<Driver, sqlx::Error>(match target.engine {
                Engine::MySql => Driver::MySql(target.mysql().await?),
                Engine::Postgres => Driver::Postgres(target.postgres().await?),
            })
        })
        .await;
        let driver = match opened {
            Ok(driver) => driver.map_err(|error| DatabaseError::driver(ACTION, target, error))?,
            Err(_elapsed) => {
                return Err(DatabaseError::new(
                    Kind::Unreachable,
                    ACTION,
                    target,
                    format!("no answer within {} seconds", CONNECT_TIMEOUT.as_secs()),
                    "check host, port and firewall",
                ));
            }
        };
        let mut connection = Connection {
            driver,
            target: target.clone(),
            id: String::new(),
        };
        connection.id = connection
            .scalar(ACTION, sessions::own_id_query(target.engine))
            .await?
            .unwrap_or_default();
        sessions::remember_past(target, &connection.id);
        Ok(connection)
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn engine(&self) -> Engine {
        self.target.engine
    }

    /// The server's identification of this session, see [`sessions::own_id_query`].
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Runs statements and returns every row, with the rows affected.
    pub(crate) async fn run(&mut self, sql: &str) -> Result<(Vec<Row>, u64), sqlx::Error> {
        let statement = raw_sql(AssertSqlSafe(sql.to_owned()));
        let mut rows = Vec::new();
        let mut affected = 0;
        match &mut self.driver {
            Driver::MySql(connection) => {
                let mut stream = statement.fetch_many(connection);
                while let Some(item) = stream.try_next().await? {
                    match item {
                        Either::Left(done) => affected += done.rows_affected(),
                        Either::Right(row) => rows.push(mysql_row(&row)?),
                    }
                }
            }
            Driver::Postgres(connection) => {
                let mut stream = statement.fetch_many(connection);
                while let Some(item) = stream.try_next().await? {
                    match item {
                        Either::Left(done) => affected += done.rows_affected(),
                        Either::Right(row) => rows.push(postgres_row(&row)?),
                    }
                }
            }
        }
        Ok((rows, affected))
    }

    /// Runs a foreign statement whose rows nobody looks at, without holding them.
    pub(crate) async fn run_discarding(&mut self, sql: &str) -> Result<u64, sqlx::Error> {
        let statement = raw_sql(AssertSqlSafe(sql.to_owned()));
        let (mut affected, mut returned) = (0, 0);
        match &mut self.driver {
            Driver::MySql(connection) => {
                let mut stream = statement.fetch_many(connection);
                while let Some(item) = stream.try_next().await? {
                    match item {
                        Either::Left(done) => affected += done.rows_affected(),
                        Either::Right(_) => returned += 1,
                    }
                }
            }
            Driver::Postgres(connection) => {
                let mut stream = statement.fetch_many(connection);
                while let Some(item) = stream.try_next().await? {
                    match item {
                        Either::Left(done) => affected += done.rows_affected(),
                        Either::Right(_) => returned += 1,
                    }
                }
            }
        }
        Ok(u64::max(affected, returned))
    }

    pub(crate) async fn rows(&mut self, action: &str, sql: &str) -> Result<Vec<Row>, DatabaseError> {
        match self.run(sql).await {
            Ok((rows, _)) => Ok(rows),
            Err(error) => Err(DatabaseError::driver(action, &self.target, error)),
        }
    }

    pub(crate) async fn execute(&mut self, action: &str, sql: &str) -> Result<u64, DatabaseError> {
        match self.run(sql).await {
            Ok((_, affected)) => Ok(affected),
            Err(error) => Err(DatabaseError::driver(action, &self.target, error)),
        }
    }

    /// First column of the first row.
    pub(crate) async fn scalar(&mut self, action: &str, sql: &str) -> Result<Option<String>, DatabaseError> {
        let rows = self.rows(action, sql).await?;
        Ok(rows.first().and_then(|row| row.get(0).map(str::to_owned)))
    }

    /// First column of every row.
    pub(crate) async fn column(&mut self, action: &str, sql: &str) -> Result<Vec<String>, DatabaseError> {
        let rows = self.rows(action, sql).await?;
        Ok(rows.iter().map(|row| row.text(0)).collect())
    }

    /// Says good-bye; a server that is gone already is no error.
    pub(crate) async fn close(self) {
        match self.driver {
            Driver::MySql(connection) => connection.close().await.ok(),
            Driver::Postgres(connection) => connection.close().await.ok(),
        };
    }
}

fn mysql_row(row: &MySqlRow) -> Result<Row, sqlx::Error> {
    (0..row.len())
        .map(|column| {
            let bytes: Option<&[u8]> = row.try_get_unchecked(column)?;
            Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
        })
        .collect::<Result<_, _>>()
        .map(Row)
}

fn postgres_row(row: &PgRow) -> Result<Row, sqlx::Error> {
    (0..row.len())
        .map(|column| {
            let text: Option<&str> = row.try_get_unchecked(column)?;
            Ok(text.map(str::to_owned))
        })
        .collect::<Result<_, _>>()
        .map(Row)
}
