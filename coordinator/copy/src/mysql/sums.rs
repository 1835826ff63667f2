//! Row counts and checksums, computed inside the server.

use std::sync::Arc;

use cutover_database::Target;
use sqlx::mysql::MySqlConnection;

use super::catalog::Table;
use super::session::{number, rows, text};
use super::syntax::ident;
use crate::compare::{RangeSums, TableSum};
use crate::workers::Worker;
use crate::{CopyError, CopyProgress};

/// How a table is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// SUM of 64 bits of an MD5 per row: the same on every server. A sum, as XOR would cancel rows that are alike.
    Portable,
    /// CHECKSUM TABLE: several times faster, and the same only for one server version and one row format.
    Native,
}

pub(crate) struct Summer {
    pub(crate) conn: MySqlConnection,
    pub(crate) target: Target,
    pub(crate) progress: Option<Arc<dyn CopyProgress>>,
}

impl Worker for Summer {
    type Item = (Table, Method);
    type Output = (String, TableSum);

    async fn run(&mut self, (table, method): Self::Item) -> Result<Self::Output, CopyError> {
        let sum = match method {
            Method::Portable => portable(&mut self.conn, &self.target, &table, "").await?,
            Method::Native => native(&mut self.conn, &self.target, &table).await?,
        };
        if let Some(progress) = &self.progress {
            progress.table(&table.name, sum.rows, table.size, true);
        }
        Ok((table.name, sum))
    }
}

async fn native(conn: &mut MySqlConnection, target: &Target, table: &Table) -> Result<TableSum, CopyError> {
    let what = format!("summing table `{}`", table.name);
    let name = ident(&table.name);
    let counted = rows(conn, target, &what, &format!("SELECT COUNT(*) FROM {name}")).await?;
    let summed = rows(conn, target, &what, &format!("CHECKSUM TABLE {name} EXTENDED")).await?;
    let checksum = summed.first().map(|row| text(row, 1)).unwrap_or_default();
    Ok(TableSum {
        rows: counted.first().map_or(0, |row| number(row, 0)),
        checksum: format!("table:{checksum}"),
    })
}

async fn portable(
    conn: &mut MySqlConnection,
    target: &Target,
    table: &Table,
    condition: &str,
) -> Result<TableSum, CopyError> {
    let what = format!("summing table `{}`", table.name);
    // Digests have no comma in them, numbers and dates have none, and none of them is the letter N.
    let digests = table
        .columns
        .iter()
        .map(|column| format!("IFNULL({}, 'N')", column.digest()));
    let digests: Vec<String> = digests.collect();
    let sql = format!(
        "SELECT COUNT(*), SUM(CAST(CONV(LEFT(MD5(CONCAT_WS(',', {})), 16), 16, 10) AS UNSIGNED)) FROM {}{condition}",
        digests.join(", "),
        ident(&table.name)
    );
    let found = rows(conn, target, &what, &sql).await?;
    let row = found.first().map(Vec::as_slice).unwrap_or_default();
    Ok(TableSum {
        rows: number(row, 0),
        checksum: format!("md5:{}", text(row, 1)),
    })
}

/// Sums of key ranges of one table on one side.
pub(crate) struct Ranges {
    pub(crate) conn: MySqlConnection,
    pub(crate) target: Target,
    pub(crate) table: Table,
}

/// The leading key column by which a difference can be narrowed down.
pub(crate) fn range_key(table: &Table) -> Option<&str> {
    let first = table.columns.iter().find(|column| column.primary)?;
    first.is_integer().then_some(first.name.as_str())
}

impl RangeSums for Ranges {
    async fn bounds(&mut self) -> Result<Option<(i128, i128)>, CopyError> {
        let Some(key) = range_key(&self.table).map(ident) else {
            return Ok(None);
        };
        let sql = format!("SELECT MIN({key}), MAX({key}) FROM {}", ident(&self.table.name));
        let found = rows(&mut self.conn, &self.target, "narrowing a difference", &sql).await?;
        let row = found.first().map(Vec::as_slice).unwrap_or_default();
        Ok(text(row, 0).parse().ok().zip(text(row, 1).parse().ok()))
    }

    async fn sum(&mut self, low: i128, high: i128) -> Result<TableSum, CopyError> {
        let key = range_key(&self.table).map(ident).unwrap_or_default();
        let condition = format!(" WHERE {key} BETWEEN {low} AND {high}");
        portable(&mut self.conn, &self.target, &self.table, &condition).await
    }
}
