//! Statements that reach beyond the database the script is run on.

use super::{Findings, Rule, Severity};
use crate::code::Code;
use crate::dialect::Dialect;
use crate::script::Statement;

/// Qualifiers that name the database itself, or its own catalog.
const OWN: [&str; 7] = [
    "INFORMATION_SCHEMA",
    "PERFORMANCE_SCHEMA",
    "PG_CATALOG",
    "PUBLIC",
    "DBO",
    "SYS",
    "SYSCAT",
];

/// Functions in whose arguments FROM is no clause.
const WITH_FROM: [&str; 5] = ["EXTRACT", "TRIM", "SUBSTRING", "SUBSTR", "OVERLAY"];

pub(super) fn check(findings: &mut Findings, dialect: Dialect, statement: &Statement) {
    let code = statement.code();
    if code.is(code.first(), "USE") {
        findings.add(
            statement,
            code.first(),
            (Severity::Error, Rule::UseDatabase),
            format!(
                "USE {} turns the connection to a database the script names itself",
                code.text(code.first() + 1)
            ),
            "remove the line; the plan says which database the script is run on",
        );
    }
    for index in 0..code.len() {
        let at = object(code, index);
        if let Some((at, qualifier)) = at.and_then(|at| Some((at, qualifier(dialect, code, at)?))) {
            findings.add(
                statement,
                at,
                (Severity::Warning, Rule::OtherSchema),
                format!("{qualifier} is named as schema or database, whatever the script is run on"),
                "remove the qualifier, so that the copy is changed and not the database of that name",
            );
        }
    }
}

/// Where the name of a table stands that the word at `index` announces.
fn object(code: Code<'_>, index: usize) -> Option<usize> {
    let next = index + 1;
    match code.word(index).as_str() {
        "FROM" if in_function(code, index) || (index > 0 && code.is(index - 1, "DISTINCT")) => None,
        "FROM" | "JOIN" | "REFERENCES" | "UPDATE" => Some(next),
        "INTO"
            if index > 0 && code.is_any(index - 1, &["INSERT", "IGNORE", "REPLACE", "MERGE", "DELAYED"]) =>
        {
            Some(next)
        }
        "TABLE" | "VIEW" | "TRIGGER" | "PROCEDURE" | "FUNCTION" | "SEQUENCE" | "TRUNCATE" => {
            let not = if code.starts(next, &["IF", "NOT", "EXISTS"]) {
                3
            } else {
                0
            };
            let exists = if code.starts(next, &["IF", "EXISTS"]) {
                2
            } else {
                0
            };
            Some(next + not + exists)
        }
        "ON" => is_object_of_create(code, index).then_some(next),
        _ => None,
    }
}

/// `CREATE INDEX … ON t` and `CREATE TRIGGER … ON t`; elsewhere ON announces a condition.
fn is_object_of_create(code: Code<'_>, on: usize) -> bool {
    let first = code.first();
    let creates = code.is(first, "CREATE")
        && code
            .find(first, &["INDEX", "TRIGGER"])
            .is_some_and(|kind| kind < on);
    creates && code.find(first, &["ON"]) == Some(on)
}

/// Whether the FROM at `index` belongs to EXTRACT(… FROM …) and its like.
fn in_function(code: Code<'_>, index: usize) -> bool {
    let mut depth = 0_usize;
    for before in (0..index).rev() {
        if code.symbol(before, b')') {
            depth += 1;
        } else if code.symbol(before, b'(') {
            if depth == 0 {
                return before > 0 && code.is_any(before - 1, &WITH_FROM);
            }
            depth -= 1;
        }
    }
    false
}

/// The qualifier of the name at `at`, when it has one that is not the database's own.
fn qualifier(dialect: Dialect, code: Code<'_>, at: usize) -> Option<String> {
    let qualified = code.symbol(at + 1, b'.') && code.name(at + 2).is_some();
    let name = code.name(at).filter(|_| qualified)?;
    // `server.database.schema.table`: the middle names decide, and dbo alone does not make it local.
    let longer = dialect == Dialect::Mssql && code.symbol(at + 3, b'.');
    let own = OWN.iter().any(|own| own.eq_ignore_ascii_case(&name));
    (longer || !own).then_some(name)
}
