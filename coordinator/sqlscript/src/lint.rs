//! Warns about what makes a script dangerous to run, or impossible to run twice.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::dialect::Dialect;
use crate::position;
use crate::script::{Script, Statement};

mod destroy;
mod insert;
mod oracle;
mod schema;
mod session;
mod terminator;
#[cfg(test)]
mod tests;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Can go wrong on some databases.
    Warning,
    /// Goes wrong, or reaches beyond the database the script is for.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A table is dropped.
    DropTable,
    /// A column is dropped.
    DropColumn,
    /// A whole database or schema is dropped.
    DropDatabase,
    /// A table is emptied.
    Truncate,
    /// An INSERT that adds its rows again when it is run again.
    InsertNotRerunnable,
    /// A query into a variable that need not give exactly one row.
    SelectIntoRowCount,
    /// An object of another schema or database.
    OtherSchema,
    /// The connection turns to another database.
    UseDatabase,
    /// The script opens or closes transactions itself.
    TransactionControl,
    /// A temporary table, which a new connection does not have.
    TemporaryTable,
    /// A TIMESTAMP column that MySQL may set by itself on every UPDATE.
    TimestampAutoUpdate,
    /// A PL/SQL loop closed more often than opened.
    OracleEndLoopTwice,
    /// A `/` that makes SQL*Plus run the last statement again.
    OracleSlashAfterStatement,
    /// Rows changed and never committed.
    OracleMissingCommit,
    /// A `;` in the middle of a statement of a script that ends its statements otherwise.
    StrayTerminator,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 15] = [
        Self::DropTable,
        Self::DropColumn,
        Self::DropDatabase,
        Self::Truncate,
        Self::InsertNotRerunnable,
        Self::SelectIntoRowCount,
        Self::OtherSchema,
        Self::UseDatabase,
        Self::TransactionControl,
        Self::TemporaryTable,
        Self::TimestampAutoUpdate,
        Self::OracleEndLoopTwice,
        Self::OracleSlashAfterStatement,
        Self::OracleMissingCommit,
        Self::StrayTerminator,
    ];

    /// The name used in files and on screen.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DropTable => "drop-table",
            Self::DropColumn => "drop-column",
            Self::DropDatabase => "drop-database",
            Self::Truncate => "truncate",
            Self::InsertNotRerunnable => "insert-not-rerunnable",
            Self::SelectIntoRowCount => "select-into-row-count",
            Self::OtherSchema => "other-schema",
            Self::UseDatabase => "use-database",
            Self::TransactionControl => "transaction-control",
            Self::TemporaryTable => "temporary-table",
            Self::TimestampAutoUpdate => "timestamp-auto-update",
            Self::OracleEndLoopTwice => "oracle-end-loop-twice",
            Self::OracleSlashAfterStatement => "oracle-slash-after-statement",
            Self::OracleMissingCommit => "oracle-missing-commit",
            Self::StrayTerminator => "stray-terminator",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Something to know before a script is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// How much it matters.
    pub severity: Severity,
    /// What it is about.
    pub rule: Rule,
    /// What was found, and what it leads to.
    pub message: String,
    /// What can be done.
    pub remedy: String,
}

/// Everything worth knowing about a script before it is run, in the order of the file.
#[must_use]
pub fn lint(script: &Script) -> Vec<Finding> {
    let mut findings = Findings::default();
    for statement in &script.statements {
        destroy::check(&mut findings, statement);
        insert::check(&mut findings, script.dialect, statement);
        schema::check(&mut findings, script.dialect, statement);
        session::check(&mut findings, script.dialect, statement);
        terminator::check(&mut findings, script.dialect, statement);
    }
    if script.dialect == Dialect::Oracle {
        oracle::check(&mut findings, script);
    }
    findings
        .found
        .sort_by_key(|finding| (finding.line, finding.column, finding.rule));
    findings.found
}

/// Collects findings.
#[derive(Debug, Default)]
struct Findings {
    found: Vec<Finding>,
}

impl Findings {
    /// A finding at the token `index` of a statement.
    fn add(
        &mut self,
        statement: &Statement,
        index: usize,
        (severity, rule): (Severity, Rule),
        message: String,
        remedy: &str,
    ) {
        let offset = statement.code().token(index).map_or(0, |token| token.start);
        let (line, column) = place(statement, offset);
        self.found.push(Finding {
            line,
            column,
            severity,
            rule,
            message,
            remedy: remedy.to_owned(),
        });
    }
}

/// Line and column in the file of an offset in a statement's text.
fn place(statement: &Statement, offset: usize) -> (usize, usize) {
    match position::locate(&statement.text, offset) {
        (1, column) => (statement.line, statement.column + column - 1),
        (line, column) => (statement.line + line - 1, column),
    }
}
