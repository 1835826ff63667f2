//! Row counts and checksums, computed inside the server.

use std::sync::Arc;

use cutover_database::Target;
use sqlx::mysql::MySqlConnection;

use super::catalog::Table;
use super::session::{number, rows, text};
use super::syntax::ident;
use crate::compare::TableSum;
use crate::workers::Worker;
use crate::{CopyError, CopyProgress, rowhash};

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

    async fn run(
        &mut self,
        (table, method): Self::Item,
    ) -> Result<(Self::Output, Vec<Self::Item>), CopyError> {
        let sum = match method {
            Method::Portable => portable(&mut self.conn, &self.target, &table).await?,
            Method::Native => native(&mut self.conn, &self.target, &table).await?,
        };
        if let Some(progress) = &self.progress {
            progress.table(&table.name, sum.rows, table.size, true);
        }
        Ok(((table.name, sum), Vec::new()))
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

async fn portable(conn: &mut MySqlConnection, target: &Target, table: &Table) -> Result<TableSum, CopyError> {
    let what = format!("summing table `{}`", table.name);
    let hash = rowhash::own_hash(&table.shape);
    let sql = format!(
        "SELECT COUNT(*), COALESCE(SUM({hash}), 0) FROM {}",
        ident(&table.name)
    );
    let found = rows(conn, target, &what, &sql).await?;
    let row = found.first().map(Vec::as_slice).unwrap_or_default();
    Ok(TableSum {
        rows: number(row, 0),
        checksum: format!("md5:{}", text(row, 1)),
    })
}
