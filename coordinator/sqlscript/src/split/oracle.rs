//! Oracle: as SQL*Plus reads a file.

use crate::assemble::Assembler;
use crate::code::Code;
use crate::dialect::Dialect;
use crate::error::Fault;
use crate::lexer::{Lexer, TokenKind};
use crate::script::PieceKind;

use super::refused_command;

/// SQL*Plus commands that change nothing of what the script does to the database.
const HARMLESS: [&str; 18] = [
    "REM", "REMARK", "PROMPT", "SPOOL", "SHOW", "TTITLE", "BTITLE", "COLUMN", "COL", "CLEAR", "TIMING",
    "PAUSE", "WHENEVER", "DESC", "DESCRIBE", "BREAK", "COMPUTE", "PRINT",
];

/// SQL*Plus commands that need SQL*Plus.
const REFUSED: [&str; 18] = [
    "START", "CONNECT", "CONN", "HOST", "ACCEPT", "VARIABLE", "VAR", "EXEC", "EXECUTE", "DEFINE", "DEF",
    "UNDEFINE", "EXIT", "QUIT", "RUN", "GET", "INPUT", "PASSWORD",
];

pub(super) fn split(text: &str) -> Result<Assembler<'_>, Fault> {
    let mut lexer = Lexer::new(text, Dialect::Oracle);
    let mut out = Assembler::new(text, Dialect::Oracle);
    while !lexer.at_end() {
        if lexer.rest().starts_with('/') && lexer.at_line_start() && lexer.line().trim_end() == "/" {
            let span = lexer.advance(1);
            slash(&mut out, span);
        } else if out.is_between() && sqlplus_command(&mut lexer, &mut out)? {
            continue;
        } else if let Some(token) = lexer.next(None)? {
            if token.kind == TokenKind::Symbol(b';') && !is_plsql(out.code()) {
                out.finish(Some(token.start..token.end));
            } else {
                out.push(token);
            }
        }
    }
    if is_plsql(out.code()) {
        let at = out.code().token(0).map_or(0, |token| token.start);
        return Err(Fault::new(
            at,
            "PL/SQL block that starts here is not ended by a line with only `/`",
            "SQL*Plus would never run it, and what follows it would be taken for its body",
            "put a line with a single `/` after the block",
        ));
    }
    out.finish(None);
    Ok(out)
}

/// `/` runs the statement that is open; with none open, SQL*Plus would run the last one a second time.
fn slash(out: &mut Assembler<'_>, span: std::ops::Range<usize>) {
    if out.is_between() {
        out.piece(PieceKind::ClientCommand, span);
    } else {
        out.finish(Some(span));
    }
}

/// Whether the statement is PL/SQL, in which `;` ends nothing.
fn is_plsql(code: Code<'_>) -> bool {
    let first = code.first();
    if code.is_any(first, &["DECLARE", "BEGIN"]) || (code.symbol(first, b'<') && code.symbol(first + 1, b'<'))
    {
        return true;
    }
    if code.is(first, "WITH") {
        return code.is_any(first + 1, &["FUNCTION", "PROCEDURE"]);
    }
    let mut kind = first + 1;
    while code.is_any(
        kind,
        &[
            "OR",
            "REPLACE",
            "EDITIONABLE",
            "NONEDITIONABLE",
            "AND",
            "COMPILE",
            "RESOLVE",
            "NOFORCE",
        ],
    ) {
        kind += 1;
    }
    code.is(first, "CREATE")
        && code.is_any(
            kind,
            &[
                "PROCEDURE",
                "FUNCTION",
                "PACKAGE",
                "TRIGGER",
                "TYPE",
                "LIBRARY",
                "JAVA",
            ],
        )
}

/// Takes a SQL*Plus command that fills the rest of the line; tells whether there was one.
fn sqlplus_command(lexer: &mut Lexer<'_>, out: &mut Assembler<'_>) -> Result<bool, Fault> {
    let line = lexer.line();
    let word: String = line
        .chars()
        .take_while(|c| c.is_ascii_alphabetic())
        .collect::<String>()
        .to_ascii_uppercase();
    if line.starts_with(['@', '!']) || REFUSED.contains(&word.as_str()) {
        let command = line.split_whitespace().next().unwrap_or(line);
        return Err(refused_command(lexer.at(), command));
    }
    if !(HARMLESS.contains(&word.as_str()) || word == "SET" && !is_sql_set(line)) {
        return Ok(false);
    }
    let span = lexer.advance(line.len());
    out.piece(PieceKind::ClientCommand, span);
    Ok(true)
}

/// SET ROLE, SET TRANSACTION and SET CONSTRAINTS are SQL; every other SET is SQL*Plus.
fn is_sql_set(line: &str) -> bool {
    let second = line.split_whitespace().nth(1).unwrap_or("").to_ascii_uppercase();
    ["ROLE", "TRANSACTION", "CONSTRAINT", "CONSTRAINTS"]
        .iter()
        .any(|word| second.starts_with(word))
}
