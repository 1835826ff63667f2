//! INSERT statements that cannot be repeated.

use super::{Findings, Rule, Severity};
use crate::code::Code;
use crate::dialect::Dialect;
use crate::script::Statement;

pub(super) fn check(findings: &mut Findings, dialect: Dialect, statement: &Statement) {
    let code = statement.code();
    let first = code.first();
    let at = match dialect {
        Dialect::Mssql => code.find(first, &["INSERT"]),
        Dialect::MySql
        | Dialect::Postgres
        | Dialect::Oracle
        | Dialect::Db2
        | Dialect::H2
        | Dialect::Wso2Compat => Some(first).filter(|first| code.is(*first, "INSERT")),
    };
    let Some(at) = at.filter(|at| !is_repeatable(code, *at)) else {
        return;
    };
    let table = code.find(at, &["INTO"]).map_or(at + 1, |into| into + 1);
    findings.add(
        statement,
        at,
        (Severity::Note, Rule::InsertNotRerunnable),
        format!("INSERT INTO {} adds its rows again each time it is run", code.name(table).unwrap_or_default()),
        "never restart the script from its beginning: resume at the statement that failed, or restore the backup",
    );
}

/// Whether a second run adds nothing.
fn is_repeatable(code: Code<'_>, at: usize) -> bool {
    let ignores = code.is(at + 1, "IGNORE") || code.starts(at + 1, &["OR", "IGNORE"]);
    let guarded = (at..code.len()).any(|index| {
        code.starts(index, &["ON", "DUPLICATE"])
            || code.starts(index, &["ON", "CONFLICT"])
            || code.starts(index, &["NOT", "EXISTS"])
            || code.starts(index, &["NOT", "IN"])
            || code.is(index, "EXCEPT")
    });
    let conditional = at > 0 && code.is(0, "IF");
    ignores || guarded || conditional
}
