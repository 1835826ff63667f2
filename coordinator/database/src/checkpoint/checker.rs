//! Looking into the database for the checkpoints.

use std::collections::BTreeSet;

use super::outcome::{Outcome, none_of, tail};
use super::{ACTION, RowRule, Verdict};
use crate::connection::Connection;
use crate::error::DatabaseError;
use crate::facts;
use crate::literal;
use crate::target::Engine;

/// One connection with the names of its tables and columns.
pub(crate) struct Checker<'c> {
    pub(crate) connection: &'c mut Connection,
    columns: BTreeSet<(String, String)>,
    /// Whether the server takes `UM_DOMAIN` and `um_domain` for one table.
    folds: bool,
}

impl<'c> Checker<'c> {
    pub(crate) async fn new(connection: &'c mut Connection) -> Result<Self, DatabaseError> {
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
    /// How many tables there are.
    pub(crate) fn tables(&self) -> u64 {
        let names: BTreeSet<&str> = self.columns.iter().map(|(table, _)| table.as_str()).collect();
        names.len() as u64
    }

    pub(crate) fn find_table(&self, name: &str) -> Option<String> {
        let folded = name.to_lowercase();
        let matches = |table: &&String| match self.connection.engine() {
            // A quoted "UM_DOMAIN" is not what Carbon's unquoted statements reach.
            Engine::Postgres => **table == folded,
            Engine::MySql => **table == name || (self.folds && table.to_lowercase() == folded),
        };
        self.columns.iter().map(|(table, _)| table).find(matches).cloned()
    }

    /// A table whose name stood in quotes.
    pub(crate) fn find_exactly(&self, name: &str) -> Option<String> {
        match self.connection.engine() {
            Engine::MySql => self.find_table(name),
            Engine::Postgres => self
                .columns
                .iter()
                .map(|(table, _)| table)
                .find(|table| *table == name)
                .cloned(),
        }
    }

    /// Column names are folded by MySQL always.
    pub(crate) fn find_column(&self, table: &str, name: &str) -> Option<String> {
        let found = self.columns.iter().find(|(owner, column)| {
            owner == table
                && match self.connection.engine() {
                    Engine::Postgres => *column == name.to_lowercase(),
                    Engine::MySql => column.eq_ignore_ascii_case(name),
                }
        });
        found.map(|(_, column)| column.clone())
    }

    pub(super) fn table(&self, name: &str) -> Outcome {
        match self.find_table(name) {
            Some(_) => Outcome::new(Verdict::Pass, "exists", "exists", format!("table {name} exists")),
            None => self.no_table(name, "exists"),
        }
    }

    pub(super) fn no_table(&self, name: &str, expected: &str) -> Outcome {
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

    pub(super) fn column(&self, table: &str, column: &str) -> Outcome {
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

    pub(super) async fn rows(&mut self, table: &str, rule: RowRule) -> Result<Outcome, DatabaseError> {
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

    pub(super) async fn nulls(
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
        let verdict = none_of(count, warn_only);
        let text = format!(
            "{count} rows of {table} have no {column}{}",
            tail(verdict, explain)
        );
        Ok(Outcome::new(verdict, "0", count.to_string(), text))
    }

    pub(crate) async fn count(&mut self, table: &str, condition: &str) -> Result<u64, DatabaseError> {
        let table = literal::name(self.connection.engine(), table);
        let count = self
            .connection
            .scalar(ACTION, &format!("SELECT COUNT(*) FROM {table} {condition}"))
            .await?;
        Ok(count.and_then(|count| count.parse().ok()).unwrap_or_default())
    }
}
