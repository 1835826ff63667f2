//! Defects of Oracle scripts.

use super::{Finding, Findings, Rule, Severity};
use crate::position;
use crate::script::{PieceKind, Script, Statement, StatementKind};

pub(super) fn check(findings: &mut Findings, script: &Script) {
    slashes(findings, script);
    script
        .statements
        .iter()
        .for_each(|statement| end_loop(findings, statement));
    missing_commit(findings, script);
}

/// A `/` with no statement open: SQL*Plus runs the last one again.
fn slashes(findings: &mut Findings, script: &Script) {
    let file: String = script.pieces.iter().map(|piece| piece.text.as_str()).collect();
    let lone = script
        .pieces
        .iter()
        .filter(|piece| piece.kind == PieceKind::ClientCommand && piece.text == "/");
    for piece in lone {
        let (line, column) = position::locate(&file, piece.span.start);
        findings.found.push(Finding {
            line,
            column,
            severity: Severity::Warning,
            rule: Rule::OracleSlashAfterStatement,
            message: "`/` stands alone after a finished statement; SQL*Plus would run that statement again"
                .to_owned(),
            remedy: "remove the line; it is not obeyed here".to_owned(),
        });
    }
}

/// `end loop;` more often than `loop` was opened, where `end;` was meant.
fn end_loop(findings: &mut Findings, statement: &Statement) {
    let code = statement.code();
    let mut open = 0_usize;
    for index in (0..code.len()).filter(|index| code.is(*index, "LOOP")) {
        if index == 0 || !code.is(index - 1, "END") {
            open += 1;
        } else if open > 0 {
            open -= 1;
        } else {
            findings.add(
                statement,
                index - 1,
                (Severity::Error, Rule::OracleEndLoopTwice),
                "`end loop` closes a loop that is not open, which is invalid PL/SQL".to_owned(),
                "replace it by `end;`, which closes the block",
            );
        }
    }
}

/// Oracle commits with each DDL statement; rows changed after the last one need a COMMIT.
fn missing_commit(findings: &mut Findings, script: &Script) {
    let last_commit = script
        .statements
        .iter()
        .rposition(|statement| match statement.kind {
            StatementKind::Ddl => true,
            StatementKind::Transaction => statement.code().is(0, "COMMIT"),
            StatementKind::Session | StatementKind::Query | StatementKind::Dml | StatementKind::Other => {
                false
            }
        });
    let after = last_commit.map_or(0, |last| last + 1);
    let pending = script
        .statements
        .iter()
        .skip(after)
        .find(|statement| statement.kind == StatementKind::Dml);
    if let Some(statement) = pending {
        findings.add(
            statement,
            0,
            (Severity::Note, Rule::OracleMissingCommit),
            "rows changed from here on are not committed by the script".to_owned(),
            "nothing to do when the script is run here; a client without autocommit needs COMMIT at the end",
        );
    }
}
