//! Connection pools to the engines a datasource can name, really held.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, MySqlPool, PgPool, Row as _, SqlitePool};

use super::conf::Datasource;
use super::jdbc::Target;

/// A value for a `?` in a statement.
#[derive(Debug, Clone)]
pub(crate) enum Param {
    Int(i64),
    Text(String),
}

impl From<i64> for Param {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Param {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

/// A pool.
#[derive(Debug, Clone)]
pub(crate) enum Db {
    MySql(MySqlPool),
    Postgres(PgPool),
    Embedded(SqlitePool),
}

const MOST: u32 = 10;
const PATIENCE: Duration = Duration::from_secs(60);

macro_rules! pool {
    ($kind:ident, $size:expr) => {
        $kind::new()
            .max_connections(MOST.max($size))
            .min_connections($size)
            .acquire_timeout(PATIENCE)
            .idle_timeout(None)
            .max_lifetime(None)
    };
}

macro_rules! bound {
    ($sql:expr, $params:expr) => {
        $params
            .iter()
            .fold(sqlx::query(AssertSqlSafe($sql)), |query, param| match param {
                Param::Int(value) => query.bind(*value),
                Param::Text(value) => query.bind(value.clone()),
            })
    };
}

macro_rules! rows {
    ($pool:expr, $sql:expr, $params:expr) => {{
        let rows = bound!($sql, $params).fetch_all($pool).await?;
        rows.iter()
            .map(|row| {
                (0..row.len())
                    .map(|at| Ok(row.try_get::<Option<String>, _>(at)?.unwrap_or_default()))
                    .collect()
            })
            .collect()
    }};
}

macro_rules! hold {
    ($pool:expr, $size:expr) => {{
        let mut held = Vec::new();
        for _ in 0..$size {
            held.push($pool.acquire().await?);
        }
    }};
}

impl Db {
    /// Opens a pool and fills it with `size` connections.
    pub(crate) async fn open(home: &Path, source: &Datasource, size: u32) -> Result<Self> {
        match &source.target {
            Target::MySql { host, port, database } => {
                let options = MySqlConnectOptions::new()
                    .host(host)
                    .port(*port)
                    .database(database)
                    .username(&source.user)
                    .password(&source.password);
                let pool = pool!(MySqlPoolOptions, size).connect_with(options).await?;
                hold!(pool, size);
                Ok(Self::MySql(pool))
            }
            Target::Postgres { host, port, database } => {
                let options = PgConnectOptions::new_without_pgpass()
                    .host(host)
                    .port(*port)
                    .database(database)
                    .username(&source.user)
                    .password(&source.password)
                    .application_name("PostgreSQL JDBC Driver");
                let pool = pool!(PgPoolOptions, size).connect_with(options).await?;
                hold!(pool, size);
                Ok(Self::Postgres(pool))
            }
            Target::Embedded => {
                let file = home.join("repository/database/WSO2CARBON_DB.h2.db");
                let options = SqliteConnectOptions::new()
                    .filename(&file)
                    .create_if_missing(true);
                let pool = SqlitePoolOptions::new()
                    .max_connections(1)
                    .connect_with(options)
                    .await;
                let pool = pool.with_context(|| format!("open {}", file.display()))?;
                sqlx::raw_sql(super::schema::EMBEDDED).execute(&pool).await?;
                Ok(Self::Embedded(pool))
            }
        }
    }

    /// Runs a statement with `?` for its values and says how many rows it changed.
    pub(crate) async fn execute(&self, sql: &str, params: &[Param]) -> Result<u64> {
        Ok(match self {
            Self::MySql(pool) => bound!(sql.to_owned(), params)
                .execute(pool)
                .await?
                .rows_affected(),
            Self::Postgres(pool) => bound!(numbered(sql), params).execute(pool).await?.rows_affected(),
            Self::Embedded(pool) => bound!(sql.to_owned(), params)
                .execute(pool)
                .await?
                .rows_affected(),
        })
    }

    /// Rows of text columns; a statement casts what is not text. NULL comes as the empty string.
    pub(crate) async fn rows(&self, sql: &str, params: &[Param]) -> Result<Vec<Vec<String>>> {
        match self {
            Self::MySql(pool) => rows!(pool, sql.to_owned(), params),
            Self::Postgres(pool) => rows!(pool, numbered(sql), params),
            Self::Embedded(pool) => rows!(pool, sql.to_owned(), params),
        }
    }

    /// The single number a statement selects as text.
    pub(crate) async fn number(&self, sql: &str, params: &[Param]) -> Result<Option<i64>> {
        let rows = self.rows(sql, params).await?;
        let first = rows.first().and_then(|row| row.first());
        first
            .map(|text| {
                text.trim()
                    .parse()
                    .with_context(|| format!("{text} is not a number"))
            })
            .transpose()
    }

    /// Whether a table is there, and an error when the server cannot be asked.
    pub(crate) async fn has_table(&self, table: &str) -> Result<bool> {
        let probe = format!("SELECT CAST(1 AS CHAR(1)) FROM {table} WHERE 1 = 0");
        match self.rows(&probe, &[]).await {
            Ok(_) => Ok(true),
            Err(error) if is_refusal(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether a table has a column, and an error when the server cannot be asked.
    pub(crate) async fn has_column(&self, table: &str, column: &str) -> Result<bool> {
        let probe = format!("SELECT CAST({column} AS CHAR(20)) FROM {table} WHERE 1 = 0");
        match self.rows(&probe, &[]).await {
            Ok(_) => Ok(true),
            Err(error) if is_refusal(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Closes every connection.
    pub(crate) async fn close(&self) {
        match self {
            Self::MySql(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
            Self::Embedded(pool) => pool.close().await,
        }
    }
}

/// The server answered and said no, as against not answering.
fn is_refusal(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<sqlx::Error>()
        .is_some_and(|error| error.as_database_error().is_some())
}

/// `?` as `$1`, `$2`, …; our statements hold no `?` in a literal.
fn numbered(sql: &str) -> String {
    let mut out = String::new();
    for (at, part) in sql.split('?').enumerate() {
        if at > 0 {
            out.push_str(&format!("${at}"));
        }
        out.push_str(part);
    }
    out
}
