//! Row counts and checksums, computed inside the server.

use std::sync::Arc;

use cutover_database::Target;
use sqlx::postgres::PgConnection;

use super::catalog::Table;
use super::session::{ident, number, rows, text};
use crate::compare::{RangeSums, TableSum};
use crate::workers::Worker;
use crate::{CopyError, CopyProgress};

/// What of a row is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// The row itself (PostgreSQL 14), for types that are equal only when their bytes are.
    Record,
    /// Its text.
    Text,
}

impl Method {
    pub(crate) fn of(table: &Table, major: u32) -> Self {
        if major >= 14 && table.hashable {
            Method::Record
        } else {
            Method::Text
        }
    }
}

pub(crate) struct Summer {
    pub(crate) conn: PgConnection,
    pub(crate) target: Target,
    pub(crate) progress: Option<Arc<dyn CopyProgress>>,
}

impl Worker for Summer {
    type Item = (Table, Method);
    type Output = (String, TableSum);

    async fn run(&mut self, (table, method): Self::Item) -> Result<Self::Output, CopyError> {
        let sum = sum(&mut self.conn, &self.target, &table, method, "").await?;
        if let Some(progress) = &self.progress {
            progress.table(&table.label(), sum.rows, table.size, true);
        }
        Ok((table.label(), sum))
    }
}

async fn sum(
    conn: &mut PgConnection,
    target: &Target,
    table: &Table,
    method: Method,
    condition: &str,
) -> Result<TableSum, CopyError> {
    // A column of the same name would be taken for the row.
    let (hash, word) = match method {
        Method::Record => ("hash_record_extended(\"the row\", 0)", "record"),
        Method::Text => (
            "hashtextextended(\"the row\"::text COLLATE pg_catalog.\"C\", 0)",
            "text",
        ),
    };
    let sql = format!(
        "SELECT count(*)::text, coalesce(sum({hash}::numeric), 0)::text FROM ONLY {} AS \"the row\"{condition}",
        table.quoted()
    );
    let what = format!("summing table `{}`", table.label());
    let found = rows(conn, target, &what, &sql).await?;
    let row = found.first().map(Vec::as_slice).unwrap_or_default();
    Ok(TableSum {
        rows: number(row, 0),
        checksum: format!("{word}:{}", text(row, 1)),
    })
}

/// Sums of key ranges of one table on one side.
pub(crate) struct Ranges {
    pub(crate) conn: PgConnection,
    pub(crate) target: Target,
    pub(crate) table: Table,
    pub(crate) method: Method,
}

impl RangeSums for Ranges {
    async fn bounds(&mut self) -> Result<Option<(i128, i128)>, CopyError> {
        let Some(key) = self.table.key.as_deref().map(ident) else {
            return Ok(None);
        };
        let sql = format!(
            "SELECT min({key})::text, max({key})::text FROM ONLY {}",
            self.table.quoted()
        );
        let found = rows(&mut self.conn, &self.target, "narrowing a difference", &sql).await?;
        let row = found.first().map(Vec::as_slice).unwrap_or_default();
        Ok(text(row, 0).parse().ok().zip(text(row, 1).parse().ok()))
    }

    async fn sum(&mut self, low: i128, high: i128) -> Result<TableSum, CopyError> {
        let key = self.table.key.as_deref().map(ident).unwrap_or_default();
        let condition = format!(" WHERE {key} BETWEEN {low} AND {high}");
        sum(&mut self.conn, &self.target, &self.table, self.method, &condition).await
    }
}
