//! Connections to PostgreSQL.

use cutover_database::Target;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row as _};

use crate::CopyError;

/// Text forms that lose nothing, names that are always qualified, and no limit that cuts a long transfer off.
pub(crate) const SESSION: &[&str] = &[
    "SET statement_timeout=0; SET idle_in_transaction_session_timeout=0; SET lock_timeout='60s'",
    "SET DateStyle='ISO, YMD'; SET IntervalStyle='postgres'; SET TimeZone='UTC'; SET extra_float_digits=3",
    "SET bytea_output='hex'; SET client_encoding='UTF8'; SET row_security=off; SET search_path=''",
    "SET synchronous_commit=off; SET xmloption='content'; SET standard_conforming_strings=on",
];

pub(crate) async fn connect(target: &Target) -> Result<PgConnection, CopyError> {
    let mut conn = target.postgres().await.map_err(|source| CopyError::Connect {
        database: target.to_string(),
        source: source.into(),
    })?;
    run(&mut conn, target, "preparing the session", &SESSION.join("; ")).await?;
    Ok(conn)
}

pub(crate) async fn run(
    conn: &mut PgConnection,
    target: &Target,
    what: &str,
    sql: &str,
) -> Result<(), CopyError> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await;
    done.map(drop)
        .map_err(|error| CopyError::statement(what, target, error))
}

/// All rows of a query whose columns are all of type text.
pub(crate) async fn rows(
    conn: &mut PgConnection,
    target: &Target,
    what: &str,
    sql: &str,
) -> Result<Vec<Vec<Option<String>>>, CopyError> {
    let failed = |error| CopyError::statement(what, target, error);
    let found = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(conn).await;
    let found = found.map_err(failed)?;
    found.iter().map(texts).collect::<Result<_, _>>().map_err(failed)
}

fn texts(row: &PgRow) -> Result<Vec<Option<String>>, sqlx::Error> {
    (0..row.columns().len())
        .map(|index| row.try_get_unchecked::<Option<String>, _>(index))
        .collect()
}

pub(crate) fn text(row: &[Option<String>], index: usize) -> String {
    row.get(index).cloned().flatten().unwrap_or_default()
}

pub(crate) fn number<T: std::str::FromStr + Default>(row: &[Option<String>], index: usize) -> T {
    text(row, index).parse().unwrap_or_default()
}

/// `name` quoted as an identifier.
pub(crate) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `text` as a string literal; standard_conforming_strings is on.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
