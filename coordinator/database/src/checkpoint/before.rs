//! What production's tables held before: a table that was dropped and made again is told by its rows.

use std::collections::BTreeMap;

use super::checker::Checker;
use super::outcome::{Outcome, tail};
use super::{Checkpoint, Verdict};
use crate::backup::BackupReceipt;
use crate::connection::Connection;
use crate::error::DatabaseError;
use crate::target::Target;

/// Rows per table, whatever the case of its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RowCounts(BTreeMap<String, u64>);

impl From<&BackupReceipt> for RowCounts {
    /// The rows at the time of a backup, which is before a migration of production.
    fn from(receipt: &BackupReceipt) -> Self {
        let plain = |name: &String| match receipt.engine {
            crate::target::Engine::MySql => name.to_lowercase(),
            crate::target::Engine::Postgres => name
                .split_once('.')
                .map_or(name.as_str(), |(_, table)| table)
                .to_lowercase(),
        };
        let tables = receipt.tables.iter();
        RowCounts(tables.map(|(name, table)| (plain(name), table.rows)).collect())
    }
}

impl RowCounts {
    /// Counts the tables that the checkpoints ask about, in a production that stays as it is.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn read(production: &Target, checkpoints: &[Checkpoint]) -> Result<Self, DatabaseError> {
        let mut connection = Connection::open(production).await?;
        let counted = async {
            let mut checker = Checker::new(&mut connection).await?;
            let mut counts = BTreeMap::new();
            for checkpoint in checkpoints {
                if let Checkpoint::NotDropped {
                    table,
                    at_least_rows_of_production: true,
                    ..
                } = checkpoint
                    && let Some(found) = checker.find_table(table)
                {
                    counts.insert(table.to_lowercase(), checker.count(&found, "").await?);
                }
            }
            Ok(RowCounts(counts))
        }
        .await;
        connection.close().await;
        counted
    }

    fn of(&self, table: &str) -> Option<u64> {
        self.0.get(&table.to_lowercase()).copied()
    }
}

/// `production` is `None` when its rows do not matter, and `Some(None)` when they do and are not known.
pub(super) async fn not_dropped(
    checker: &mut Checker<'_>,
    table: &str,
    at_least: Option<u64>,
    production: Option<Option<&RowCounts>>,
    explain: &str,
) -> Result<Outcome, DatabaseError> {
    let Some(found) = checker.find_table(table) else {
        let missing = checker.no_table(table, "not dropped");
        return Ok(Outcome {
            text: format!("{}{}", missing.text, tail(Verdict::Fail, explain)),
            ..missing
        });
    };
    let count = checker.count(&found, "").await?;
    let had = production.map(|counts| counts.and_then(|counts| counts.of(table)));
    let demanded = at_least.max(had.flatten());
    let expected = demanded.map_or_else(|| "exists".to_owned(), |rows| format!("at least {rows} rows"));
    let (verdict, said) = if demanded.is_some_and(|rows| count < rows) {
        (
            Verdict::Fail,
            format!("table {table} has {count} rows, expected {expected}"),
        )
    } else if had == Some(None) {
        let said = format!("table {table} has {count} rows, and how many production had is not known");
        (Verdict::Warn, said)
    } else {
        (
            Verdict::Pass,
            format!("table {table} was not dropped: it has {count} rows"),
        )
    };
    let text = format!("{said}{}", tail(verdict, explain));
    Ok(Outcome::new(verdict, expected, format!("{count} rows"), text))
}
