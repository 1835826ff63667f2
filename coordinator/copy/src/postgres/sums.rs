//! Row counts and checksums, computed inside the server.

use std::sync::Arc;

use cutover_database::Target;
use sqlx::postgres::PgConnection;

use super::catalog::Table;
use super::session::{number, rows, text};
use crate::compare::TableSum;
use crate::workers::Worker;
use crate::{CopyError, CopyProgress};

/// A table and the expression that hashes its rows.
pub(crate) struct Summing {
    pub(crate) table: Table,
    pub(crate) hash: String,
}

pub(crate) struct Summer {
    pub(crate) conn: PgConnection,
    pub(crate) target: Target,
    pub(crate) progress: Option<Arc<dyn CopyProgress>>,
}

impl Worker for Summer {
    type Item = Summing;
    type Output = (String, TableSum);

    async fn run(&mut self, item: Summing) -> Result<(Self::Output, Vec<Summing>), CopyError> {
        let sum = sum(&mut self.conn, &self.target, &item).await?;
        if let Some(progress) = &self.progress {
            progress.table(&item.table.label(), sum.rows, item.table.size, true);
        }
        Ok(((item.table.label(), sum), Vec::new()))
    }
}

/// Count and sum of the hashes of all rows.
pub(crate) async fn sum(
    conn: &mut PgConnection,
    target: &Target,
    item: &Summing,
) -> Result<TableSum, CopyError> {
    let Summing { table, hash } = item;
    let word = if hash.starts_with("hash_record") {
        "record"
    } else {
        "text"
    };
    let sql = format!(
        "SELECT count(*)::text, coalesce(sum({hash}::numeric), 0)::text FROM ONLY {}",
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
