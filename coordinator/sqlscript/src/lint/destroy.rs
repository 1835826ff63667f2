//! What removes data: DROP and TRUNCATE.

use super::{Findings, Rule, Severity};
use crate::code::Code;
use crate::script::Statement;
use crate::tables;

pub(super) fn check(findings: &mut Findings, statement: &Statement) {
    let code = statement.code();
    for index in 0..code.len() {
        let begins = index == code.first() || (index > 0 && follows(code, index));
        if begins && code.is(index, "DROP") {
            drop(findings, statement, index);
        } else if begins && code.is(index, "TRUNCATE") {
            truncate(findings, statement, index);
        }
    }
    columns(findings, statement);
}

/// Whether a statement can begin at `index` because of what stands before it.
fn follows(code: Code<'_>, index: usize) -> bool {
    code.symbol(index - 1, b';')
        || code.is_any(index - 1, &["THEN", "ELSE", "BEGIN", "DO", "LOOP"])
        || (code.is_any(0, &["IF", "WHILE"]) && code.symbol(index - 1, b')'))
}

fn drop(findings: &mut Findings, statement: &Statement, at: usize) {
    let code = statement.code();
    if code.is_any(at + 1, &["DATABASE", "SCHEMA", "USER", "TABLESPACE"]) {
        findings.add(
            statement,
            at,
            (Severity::Error, Rule::DropDatabase),
            format!("DROP {} removes more than a migration may", code.word(at + 1)),
            "take the statement out of the script",
        );
        return;
    }
    let temporary = code.is(at + 1, "TEMPORARY");
    if !code.is(at + 1, "TABLE") || temporary {
        return;
    }
    let name = table_names(code, at + 2);
    findings.add(
        statement,
        at,
        (Severity::Warning, Rule::DropTable),
        format!("DROP TABLE {name} loses the rows the table holds"),
        "check that the table is empty or no longer needed; the plan must allow it by name if it is not empty",
    );
}

fn truncate(findings: &mut Findings, statement: &Statement, at: usize) {
    let code = statement.code();
    let name = table_names(code, if code.is(at + 1, "TABLE") { at + 2 } else { at + 1 });
    findings.add(
        statement,
        at,
        (Severity::Warning, Rule::Truncate),
        format!("TRUNCATE {name} loses the rows the table holds"),
        "check that the table is empty or no longer needed; the plan must allow it by name if it is not empty",
    );
}

fn columns(findings: &mut Findings, statement: &Statement) {
    for (at, name) in statement.columns_dropped() {
        findings.add(
            statement,
            at,
            (Severity::Warning, Rule::DropColumn),
            format!("dropping the column {name} loses its values"),
            "check that nothing needs the values any more",
        );
    }
}

/// The names from `at` on, for people.
fn table_names(code: Code<'_>, at: usize) -> String {
    let names: Vec<String> = tables::list(code, at)
        .into_iter()
        .map(|table| table.name)
        .collect();
    names.join(", ")
}
