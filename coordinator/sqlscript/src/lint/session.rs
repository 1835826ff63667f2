//! What a script leaves in the connection, or expects there.

use super::{Findings, Rule, Severity};
use crate::code::Code;
use crate::dialect::Dialect;
use crate::script::{Statement, StatementKind};

/// Aggregates: without GROUP BY they give exactly one row.
const AGGREGATES: [&str; 8] = [
    "COUNT",
    "MAX",
    "MIN",
    "SUM",
    "AVG",
    "GROUP_CONCAT",
    "BIT_OR",
    "BIT_XOR",
];

pub(super) fn check(findings: &mut Findings, dialect: Dialect, statement: &Statement) {
    let code = statement.code();
    let first = code.first();
    if statement.kind == StatementKind::Transaction {
        findings.add(
            statement,
            first,
            (Severity::Warning, Rule::TransactionControl),
            format!(
                "{} takes the transaction out of the runner's hands",
                code.word(first)
            ),
            "remove it: statements are committed together with the record that they ran",
        );
    }
    match dialect {
        Dialect::MySql => mysql(findings, statement),
        Dialect::Mssql => mssql_assignment(findings, statement),
        Dialect::Postgres | Dialect::Oracle | Dialect::Db2 | Dialect::H2 | Dialect::Wso2Compat => {}
    }
    if code.is(first, "CREATE") && code.is_any(first + 1, &["TEMPORARY", "TEMP"]) {
        findings.add(
            statement,
            first,
            (Severity::Warning, Rule::TemporaryTable),
            "a temporary table is lost when the connection is".to_owned(),
            "use a plain table and drop it at the end, so that the script can be resumed",
        );
    }
}

fn mysql(findings: &mut Findings, statement: &Statement) {
    let code = statement.code();
    let first = code.first();
    let into = (first..code.len()).find(|index| code.is(*index, "INTO") && code.symbol(*index + 1, b'@'));
    if let Some(into) = into.filter(|_| code.is_any(first, &["SELECT", "WITH"]) && !gives_one_row(code)) {
        row_count(findings, statement, into);
    }
    if code.starts(first, &["CREATE", "TABLE"]) {
        timestamps(findings, statement);
    }
}

/// Whether the query cannot give more or less than one row.
fn gives_one_row(code: Code<'_>) -> bool {
    let first = code.first();
    let from = code.find(first, &["FROM"]);
    if from.is_none_or(|from| code.is(from + 1, "DUAL")) && code.find(first, &["WHERE", "HAVING"]).is_none() {
        return true;
    }
    let aggregate = code.is_any(first + 1, &AGGREGATES) && code.symbol(first + 2, b'(');
    aggregate && code.find(first, &["GROUP", "HAVING", "UNION", "OVER"]).is_none()
}

fn row_count(findings: &mut Findings, statement: &Statement, at: usize) {
    findings.add(
        statement,
        at,
        (Severity::Warning, Rule::SelectIntoRowCount),
        "the query may give no row or more than one; then the variable keeps its old value, or the statement fails"
            .to_owned(),
        "rehearse on a copy of the database; narrow the condition until exactly one row is left",
    );
}

/// `select @v = … from …` leaves the last of many rows, and the old value when there is none.
fn mssql_assignment(findings: &mut Findings, statement: &Statement) {
    let code = statement.code();
    for index in 0..code.len() {
        let assigns =
            code.is(index, "SELECT") && code.text(index + 1).starts_with('@') && code.symbol(index + 2, b'=');
        if !assigns {
            continue;
        }
        let end = code
            .outside_parentheses(index)
            .find(|at| code.symbol(*at, b';'))
            .unwrap_or(code.len());
        let reads = code.find(index, &["FROM"]).is_some_and(|from| from < end);
        let aggregate = code.is_any(index + 3, &AGGREGATES);
        if reads && !aggregate {
            row_count(findings, statement, index);
        }
    }
}

/// TIMESTAMP NOT NULL without a default.
fn timestamps(findings: &mut Findings, statement: &Statement) {
    let code = statement.code();
    for index in 1..code.len() {
        if !code.is(index, "TIMESTAMP")
            || code.name(index - 1).is_none()
            || code.is_any(index - 1, &["KEY", "INDEX"])
        {
            continue;
        }
        let end = (index..code.len())
            .find(|at| code.symbol(*at, b','))
            .unwrap_or(code.len());
        let not_null = (index..end).any(|at| code.starts(at, &["NOT", "NULL"]));
        let explicit = (index..end).any(|at| code.is_any(at, &["DEFAULT", "ON"]));
        if not_null && !explicit {
            let column = code.name(index - 1).unwrap_or_default();
            findings.add(
                statement,
                index,
                (Severity::Note, Rule::TimestampAutoUpdate),
                format!(
                    "with explicit_defaults_for_timestamp=OFF the server sets {column} to the current time on \
                     every UPDATE of its row"
                ),
                "check the server's setting; an UPDATE that must keep the time has to set the column to itself",
            );
        }
    }
}
