//! Checkpoints: what must hold in a database after its migration. Guides name them as data.

mod before;
mod checker;
mod domains;
mod keys;
mod outcome;
pub(crate) mod sequences;

use crate::connection::Connection;
use crate::error::DatabaseError;
use crate::target::Target;

pub use before::RowCounts;
pub(crate) use checker::Checker;
use keys::Relation;

pub(crate) const ACTION: &str = "check the database";

/// Something that must hold. Names are written as in Carbon's scripts; PostgreSQL folds them to lower case.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Checkpoint {
    /// A table exists.
    Table {
        /// Its name.
        name: String,
    },
    /// A column exists.
    Column {
        /// Table.
        table: String,
        /// Column.
        column: String,
    },
    /// A table has the rows it must have.
    Rows {
        /// Table.
        table: String,
        /// How many.
        count: RowRule,
    },
    /// A column is never `NULL`.
    NullCount {
        /// Table.
        table: String,
        /// Column.
        column: String,
        /// Rows with `NULL` are shown, and do not stop the upgrade.
        #[serde(default)]
        warn_only: bool,
        /// What such rows mean and how to repair them.
        #[serde(default)]
        explain: String,
    },
    /// Every sequence, and every table in which a product counts its ids, is ahead of the ids it gives out.
    Sequences {
        /// One that is behind is shown, and does not stop the upgrade.
        #[serde(default)]
        warn_only: bool,
        /// What that means and how to repair it.
        #[serde(default)]
        explain: String,
    },
    /// A table that a creation script would drop is there, with the rows it had.
    NotDropped {
        /// Its name.
        table: String,
        /// It has so many rows or more.
        #[serde(default)]
        at_least_rows: Option<u64>,
        /// It has as many rows as production had, or more.
        #[serde(default)]
        at_least_rows_of_production: bool,
        /// What fewer rows mean.
        #[serde(default)]
        explain: String,
    },
    /// No row breaks a foreign key of the schema; a load with the checks off can leave some that do.
    ForeignKeys {
        /// Such rows are shown, and do not stop the upgrade.
        #[serde(default)]
        warn_only: bool,
        /// What they mean and how to repair them.
        #[serde(default)]
        explain: String,
    },
    /// Every value of a column is there in another table, though no foreign key says so.
    Orphans {
        /// Table.
        table: String,
        /// Column.
        column: String,
        /// The other table.
        of_table: String,
        /// Its column.
        of_column: String,
        /// Values that need not be there, such as the super tenant's id.
        #[serde(default)]
        except: Vec<i64>,
        /// Rows without are shown, and do not stop the upgrade.
        #[serde(default)]
        warn_only: bool,
        /// What they mean and how to repair them.
        #[serde(default)]
        explain: String,
    },
    /// Each tenant, the super tenant included, has each of `PRIMARY`, `SYSTEM` and `INTERNAL` exactly once.
    TenantDomains {
        /// What a missing or doubled one means.
        #[serde(default)]
        explain: String,
    },
}

/// How many rows a table must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowRule {
    /// `PRIMARY`, `SYSTEM` and `INTERNAL` for the super tenant and each row of `UM_TENANT`. Domains of other
    /// names belong to secondary user stores and are not counted.
    DomainsPerTenant,
    /// Exactly so many.
    Exactly(u64),
    /// So many or more.
    AtLeast(u64),
}

/// What came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds.
    Pass,
    /// Worth a look; the upgrade may go on.
    Warn,
    /// It does not hold; the new version must not start.
    Fail,
}

/// A checkpoint with what was found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CheckResult {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// What must hold.
    pub expected: String,
    /// What does.
    pub found: String,
    /// Pass, warn or fail.
    pub verdict: Verdict,
    /// One sentence for the operator.
    pub text: String,
}

/// Checks all of them, whatever their results.
///
/// # Errors
/// The database cannot be read; a checkpoint that does not hold is a result, not an error.
pub async fn check(target: &Target, checkpoints: &[Checkpoint]) -> Result<Vec<CheckResult>, DatabaseError> {
    check_with(target, checkpoints, None).await
}

/// The same, with the rows that production's tables had before.
///
/// # Errors
/// As [`check`].
pub async fn check_with(
    target: &Target,
    checkpoints: &[Checkpoint],
    before: Option<&RowCounts>,
) -> Result<Vec<CheckResult>, DatabaseError> {
    let mut connection = Connection::open(target).await?;
    let checked = check_all(&mut connection, checkpoints, before).await;
    connection.close().await;
    checked
}

async fn check_all(
    connection: &mut Connection,
    checkpoints: &[Checkpoint],
    before: Option<&RowCounts>,
) -> Result<Vec<CheckResult>, DatabaseError> {
    let mut checker = Checker::new(connection).await?;
    let mut results = Vec::with_capacity(checkpoints.len());
    for checkpoint in checkpoints {
        let outcome = match checkpoint {
            Checkpoint::Table { name } => checker.table(name),
            Checkpoint::Column { table, column } => checker.column(table, column),
            Checkpoint::Rows { table, count } => checker.rows(table, *count).await?,
            Checkpoint::NullCount {
                table,
                column,
                warn_only,
                explain,
            } => checker.nulls(table, column, *warn_only, explain).await?,
            Checkpoint::Sequences { warn_only, explain } => {
                sequences::judge(&mut checker, *warn_only, explain).await?
            }
            Checkpoint::NotDropped {
                table,
                at_least_rows,
                at_least_rows_of_production,
                explain,
            } => {
                let known = at_least_rows_of_production.then_some(before);
                before::not_dropped(&mut checker, table, *at_least_rows, known, explain).await?
            }
            Checkpoint::ForeignKeys { warn_only, explain } => {
                keys::declared(&mut checker, *warn_only, explain).await?
            }
            Checkpoint::Orphans {
                table,
                column,
                of_table,
                of_column,
                except,
                warn_only,
                explain,
            } => {
                let relation = Relation {
                    table,
                    column,
                    of_table,
                    of_column,
                    except,
                };
                keys::orphans(&mut checker, &relation, *warn_only, explain).await?
            }
            Checkpoint::TenantDomains { explain } => domains::judge(&mut checker, explain).await?,
        };
        results.push(outcome.result(checkpoint.clone()));
    }
    Ok(results)
}
