//! Checkpoints: what must hold in a database after its migration. Guides name them as data.

use std::collections::BTreeSet;

use crate::connection::Connection;
use crate::error::DatabaseError;
use crate::facts;
use crate::literal;
use crate::target::{Engine, Target};

const ACTION: &str = "check the database";

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
    let mut connection = Connection::open(target).await?;
    let checked = check_all(&mut connection, checkpoints).await;
    connection.close().await;
    checked
}

async fn check_all(
    connection: &mut Connection,
    checkpoints: &[Checkpoint],
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
        };
        results.push(outcome.result(checkpoint.clone()));
    }
    Ok(results)
}

struct Outcome {
    expected: String,
    found: String,
    verdict: Verdict,
    text: String,
}

impl Outcome {
    fn new(verdict: Verdict, expected: impl Into<String>, found: impl Into<String>, text: String) -> Self {
        Outcome {
            expected: expected.into(),
            found: found.into(),
            verdict,
            text,
        }
    }

    fn result(self, checkpoint: Checkpoint) -> CheckResult {
        let Outcome {
            expected,
            found,
            verdict,
            text,
        } = self;
        CheckResult {
            checkpoint,
            expected,
            found,
            verdict,
            text,
        }
    }
}

struct Checker<'c> {
    connection: &'c mut Connection,
    columns: BTreeSet<(String, String)>,
    /// Whether the server takes `UM_DOMAIN` and `um_domain` for one table.
    folds: bool,
}

impl<'c> Checker<'c> {
    async fn new(connection: &'c mut Connection) -> Result<Self, DatabaseError> {
        let columns = facts::columns(connection).await?;
        let folds = match connection.engine() {
            Engine::Postgres => true,
            Engine::MySql => {
                connection
                    .scalar(ACTION, "SELECT @@lower_case_table_names")
                    .await?
                    .as_deref()
                    != Some("0")
            }
        };
        Ok(Checker {
            connection,
            columns,
            folds,
        })
    }

    /// The table's name as the server has it.
    fn find_table(&self, name: &str) -> Option<String> {
        let folded = name.to_lowercase();
        let matches = |table: &&String| match self.connection.engine() {
            // A quoted "UM_DOMAIN" is not what Carbon's unquoted statements reach.
            Engine::Postgres => **table == folded,
            Engine::MySql => **table == name || (self.folds && table.to_lowercase() == folded),
        };
        self.columns.iter().map(|(table, _)| table).find(matches).cloned()
    }

    /// Column names are folded by MySQL always.
    fn find_column(&self, table: &str, name: &str) -> Option<String> {
        let found = self.columns.iter().find(|(owner, column)| {
            owner == table
                && match self.connection.engine() {
                    Engine::Postgres => *column == name.to_lowercase(),
                    Engine::MySql => column.eq_ignore_ascii_case(name),
                }
        });
        found.map(|(_, column)| column.clone())
    }

    fn table(&self, name: &str) -> Outcome {
        match self.find_table(name) {
            Some(_) => Outcome::new(Verdict::Pass, "exists", "exists", format!("table {name} exists")),
            None => self.no_table(name, "exists"),
        }
    }

    fn no_table(&self, name: &str, expected: &str) -> Outcome {
        let other = self
            .columns
            .iter()
            .map(|(table, _)| table)
            .find(|table| table.eq_ignore_ascii_case(name));
        let hint = other.map_or_else(
            || "was the migration script run on this database?".to_owned(),
            |other| format!("a table `{other}` exists, but this server tells names apart by case"),
        );
        Outcome::new(
            Verdict::Fail,
            expected,
            "missing",
            format!("table {name} is missing; {hint}"),
        )
    }

    fn column(&self, table: &str, column: &str) -> Outcome {
        let Some(owner) = self.find_table(table) else {
            return self.no_table(table, "exists");
        };
        match self.find_column(&owner, column) {
            Some(_) => Outcome::new(
                Verdict::Pass,
                "exists",
                "exists",
                format!("column {table}.{column} exists"),
            ),
            None => Outcome::new(
                Verdict::Fail,
                "exists",
                "missing",
                format!("column {table}.{column} is missing; did the migration script run to its end?"),
            ),
        }
    }

    async fn rows(&mut self, table: &str, rule: RowRule) -> Result<Outcome, DatabaseError> {
        let Some(found) = self.find_table(table) else {
            return Ok(self.no_table(table, "rows"));
        };
        if rule == RowRule::DomainsPerTenant {
            return self.domains(table, &found).await;
        }
        let count = self.count(&found, "").await?;
        let (holds, expected) = match rule {
            RowRule::Exactly(number) => (count == number, number.to_string()),
            RowRule::AtLeast(number) => (count >= number, format!("at least {number}")),
            RowRule::DomainsPerTenant => (false, String::new()),
        };
        let verdict = if holds { Verdict::Pass } else { Verdict::Fail };
        let text = format!("table {table} has {count} rows, expected {expected}");
        Ok(Outcome::new(verdict, expected, count.to_string(), text))
    }

    async fn domains(&mut self, table: &str, found: &str) -> Result<Outcome, DatabaseError> {
        let Some(tenant_table) = self.find_table("UM_TENANT") else {
            return Ok(self.no_table("UM_TENANT", "3 rows for each tenant"));
        };
        let Some(name) = self.find_column(found, "UM_DOMAIN_NAME") else {
            return Ok(self.column(table, "UM_DOMAIN_NAME"));
        };
        let tenants = self.count(&tenant_table, "").await?;
        let name = literal::name(self.connection.engine(), &name);
        let built_in = format!("WHERE {name} IN ('PRIMARY', 'SYSTEM', 'INTERNAL')");
        let count = self.count(found, &built_in).await?;
        let others = self.count(found, "").await? - count;
        let expected = 3 * (1 + tenants);
        let extra = match others {
            0 => String::new(),
            others => format!(" and {others} of secondary user stores or without name"),
        };
        let means = match count.cmp(&expected) {
            std::cmp::Ordering::Equal => String::new(),
            std::cmp::Ordering::Less => "; a tenant without its domains cannot log in".to_owned(),
            std::cmp::Ordering::Greater => "; the migration's INSERTs ran more than once".to_owned(),
        };
        let verdict = if count == expected {
            Verdict::Pass
        } else {
            Verdict::Fail
        };
        let text = format!(
            "table {table} has {count} built-in domains{extra}, expected {expected}: 3 x (1 + {tenants} tenants){means}"
        );
        Ok(Outcome::new(
            verdict,
            expected.to_string(),
            count.to_string(),
            text,
        ))
    }

    async fn nulls(
        &mut self,
        table: &str,
        column: &str,
        warn_only: bool,
        explain: &str,
    ) -> Result<Outcome, DatabaseError> {
        let (Some(owner), Verdict::Pass) = (self.find_table(table), self.column(table, column).verdict)
        else {
            return Ok(self.column(table, column));
        };
        let name = self
            .find_column(&owner, column)
            .unwrap_or_else(|| column.to_owned());
        let null = format!("WHERE {} IS NULL", literal::name(self.connection.engine(), &name));
        let count = self.count(&owner, &null).await?;
        let verdict = match (count, warn_only) {
            (0, _) => Verdict::Pass,
            (_, true) => Verdict::Warn,
            (_, false) => Verdict::Fail,
        };
        let means = if count == 0 || explain.is_empty() {
            String::new()
        } else {
            format!("; {explain}")
        };
        let text = format!("{count} rows of {table} have no {column}{means}");
        Ok(Outcome::new(verdict, "0", count.to_string(), text))
    }

    async fn count(&mut self, table: &str, condition: &str) -> Result<u64, DatabaseError> {
        let table = literal::name(self.connection.engine(), table);
        let count = self
            .connection
            .scalar(ACTION, &format!("SELECT COUNT(*) FROM {table} {condition}"))
            .await?;
        Ok(count.and_then(|count| count.parse().ok()).unwrap_or_default())
    }
}
