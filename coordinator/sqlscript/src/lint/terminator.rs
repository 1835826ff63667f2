//! Statements that hold another one, because a script mixes terminators.

use super::{Findings, Rule, Severity};
use crate::dialect::Dialect;
use crate::script::Statement;

pub(super) fn check(findings: &mut Findings, dialect: Dialect, statement: &Statement) {
    let applies = match dialect {
        Dialect::Db2 | Dialect::Wso2Compat => true,
        Dialect::MySql | Dialect::Postgres | Dialect::Oracle | Dialect::Mssql | Dialect::H2 => false,
    };
    let code = statement.code();
    if !applies || code.find_anywhere(0, &["BEGIN"]).is_some() {
        return;
    }
    // One finding for a statement is enough: the first terminator that does not count says it all.
    let mut before_last = 0..code.len().saturating_sub(1);
    if let Some(index) = before_last.find(|index| code.symbol(*index, b';')) {
        findings.add(
            statement,
            index,
            (Severity::Error, Rule::StrayTerminator),
            "`;` does not end a statement here, so what follows is sent together with what stands before"
                .to_owned(),
            "put the terminator that the script uses in its place",
        );
    }
}
