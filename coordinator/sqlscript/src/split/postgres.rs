//! PostgreSQL: as psql reads a file.

use crate::assemble::Assembler;
use crate::code::Code;
use crate::dialect::Dialect;
use crate::error::Fault;
use crate::lexer::{Lexer, Token, TokenKind};
use crate::script::PieceKind;

use super::refused_command;

/// psql commands that change nothing of what the script does to the database.
const HARMLESS: [&str; 9] = [
    "\\restrict",
    "\\unrestrict",
    "\\echo",
    "\\qecho",
    "\\warn",
    "\\timing",
    "\\pset",
    "\\encoding",
    "\\x",
];

pub(super) fn split(text: &str) -> Result<Assembler<'_>, Fault> {
    let mut reader = Reader {
        lexer: Lexer::new(text, Dialect::Postgres),
        out: Assembler::new(text, Dialect::Postgres),
        depth: Depth::default(),
    };
    loop {
        if reader.lexer.rest().starts_with('\\') {
            reader.meta_command()?;
            continue;
        }
        let Some(token) = reader.lexer.next(None)? else {
            break;
        };
        reader.take(token)?;
    }
    reader.at_end()?;
    Ok(reader.out)
}

struct Reader<'a> {
    lexer: Lexer<'a>,
    out: Assembler<'a>,
    depth: Depth,
}

/// What a `;` can stand inside of.
#[derive(Debug, Default)]
struct Depth {
    parentheses: usize,
    /// Where the outermost open parenthesis stands.
    opened: usize,
    blocks: usize,
}

impl Reader<'_> {
    fn take(&mut self, token: Token) -> Result<(), Fault> {
        if token.kind == TokenKind::Symbol(b';') && self.depth.parentheses == 0 && self.depth.blocks == 0 {
            refuse_copy_from_stdin(self.out.code())?;
            self.finish(Some(token.start..token.end));
            return Ok(());
        }
        self.out.push(token);
        match token.kind {
            TokenKind::Symbol(b'(') => {
                if self.depth.parentheses == 0 {
                    self.depth.opened = token.start;
                }
                self.depth.parentheses += 1;
            }
            TokenKind::Symbol(b')') => self.depth.parentheses = self.depth.parentheses.saturating_sub(1),
            TokenKind::Word => self.block_word(),
            TokenKind::Blank
            | TokenKind::LineComment
            | TokenKind::BlockComment
            | TokenKind::VersionOpen
            | TokenKind::VersionClose
            | TokenKind::Hint
            | TokenKind::Text
            | TokenKind::Name
            | TokenKind::Number
            | TokenKind::Symbol(_) => {}
        }
        Ok(())
    }

    /// Counts BEGIN … END in the SQL body of a routine, exactly where psql does.
    fn block_word(&mut self) {
        let code = self.out.code();
        let last = code.len() - 1;
        let kind = if code.starts(1, &["OR", "REPLACE"]) { 3 } else { 1 };
        if self.depth.parentheses > 0
            || !code.is(0, "CREATE")
            || !code.is_any(kind, &["FUNCTION", "PROCEDURE"])
        {
            return;
        }
        match code.word(last).as_str() {
            "BEGIN" => self.depth.blocks += 1,
            "CASE" if self.depth.blocks > 0 => self.depth.blocks += 1,
            "END" => self.depth.blocks = self.depth.blocks.saturating_sub(1),
            _ => {}
        }
    }

    fn finish(&mut self, terminator: Option<std::ops::Range<usize>>) {
        self.out.finish(terminator);
        self.depth = Depth::default();
        if let Some(code) = self.out.last() {
            follow_conforming_strings(code, &mut self.lexer);
        }
    }

    fn meta_command(&mut self) -> Result<(), Fault> {
        let at = self.lexer.at();
        let line = self.lexer.line();
        let mut words = line.split_whitespace();
        let command = words.next().unwrap_or("\\");
        let stops_on_error = command == "\\set" && words.next() == Some("ON_ERROR_STOP");
        if !self.out.is_between() || !(HARMLESS.contains(&command) || stops_on_error) {
            return Err(refused_command(at, command));
        }
        let span = self.lexer.advance(line.len());
        self.out.piece(PieceKind::ClientCommand, span);
        Ok(())
    }

    fn at_end(&mut self) -> Result<(), Fault> {
        if self.depth.parentheses > 0 {
            return Err(Fault::unterminated(self.depth.opened, "parenthesis"));
        }
        if self.depth.blocks > 0 {
            let at = self.out.code().token(0).map_or(0, |token| token.start);
            return Err(Fault::unterminated(at, "BEGIN ATOMIC … END body of the routine"));
        }
        refuse_copy_from_stdin(self.out.code())?;
        self.finish(None);
        Ok(())
    }
}

/// `COPY … FROM stdin` is followed by rows, not by SQL.
fn refuse_copy_from_stdin(code: Code<'_>) -> Result<(), Fault> {
    let from_stdin = code.is(0, "COPY")
        && code
            .find(1, &["FROM"])
            .is_some_and(|from| code.is_any(from + 1, &["STDIN", "PSTDIN"]));
    if !from_stdin {
        return Ok(());
    }
    Err(Fault::new(
        code.token(0).map_or(0, |token| token.start),
        "COPY … FROM stdin",
        "its rows follow in the script and are not SQL",
        "write the rows as INSERT statements, for instance with `pg_dump --inserts`",
    ))
}

/// A script that turns standard_conforming_strings off changes how its own literals read.
fn follow_conforming_strings(code: Code<'_>, lexer: &mut Lexer<'_>) {
    let Some(setting) = code.find_anywhere(1, &["STANDARD_CONFORMING_STRINGS"]) else {
        return;
    };
    if code.is(0, "SET") {
        let value = code.text(setting + 2).trim_matches('\'').to_ascii_lowercase();
        lexer.set_backslash_escapes(matches!(value.as_str(), "off" | "false" | "no" | "0"));
    } else if code.is(0, "RESET") {
        lexer.set_backslash_escapes(false);
    }
}
