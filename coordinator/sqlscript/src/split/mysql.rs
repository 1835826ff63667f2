//! MySQL and MariaDB: as the `mysql` client reads a file, and stored programs without DELIMITER besides.

use crate::assemble::Assembler;
use crate::compound::Compound;
use crate::dialect::Dialect;
use crate::error::Fault;
use crate::lexer::{Lexer, TokenKind};
use crate::script::PieceKind;

use super::refused_command;

/// The command that changes what ends a statement.
const COMMAND: &str = "DELIMITER";

/// Words at a statement's start that the client takes as its own commands.
const CLIENT_WORDS: [&str; 22] = [
    "SOURCE",
    "SYSTEM",
    "TEE",
    "NOTEE",
    "PAGER",
    "NOPAGER",
    "CONNECT",
    "CHARSET",
    "EXIT",
    "QUIT",
    "EDIT",
    "REHASH",
    "PROMPT",
    "STATUS",
    "EGO",
    "GO",
    "CLEAR",
    "PRINT",
    "WARNINGS",
    "NOWARNING",
    "RESETCONNECTION",
    "SSL_SESSION_DATA_PRINT",
];

pub(super) fn split(text: &str) -> Result<Assembler<'_>, Fault> {
    let mut reader = Reader {
        lexer: Lexer::new(text, Dialect::MySql),
        out: Assembler::new(text, Dialect::MySql),
        delimiter: ";".to_owned(),
        compound: Compound::default(),
    };
    while !reader.lexer.at_end() {
        reader.step()?;
    }
    reader.at_end()?;
    Ok(reader.out)
}

struct Reader<'a> {
    lexer: Lexer<'a>,
    out: Assembler<'a>,
    delimiter: String,
    compound: Compound,
}

impl Reader<'_> {
    fn step(&mut self) -> Result<(), Fault> {
        if self.lexer.rest().starts_with('\\') && !self.lexer.rest().starts_with("\\N") {
            return self.backslash();
        }
        if self.lexer.rest().starts_with(self.delimiter.as_str()) {
            return self.delimiter();
        }
        if self.is_delimiter_command() {
            return self.delimiter_command(COMMAND.len());
        }
        self.lexer.set_between_statements(self.out.is_between());
        let Some(token) = self.lexer.next(Some(&self.delimiter))? else {
            return Ok(());
        };
        if token.kind == TokenKind::Blank && self.ends_use(token.start..token.end) {
            self.finish(None);
        }
        let begins = self.out.is_between() && token.kind == TokenKind::Word;
        self.out.push(token);
        if begins && CLIENT_WORDS.contains(&self.out.code().word(0).as_str()) {
            return Err(refused_command(
                token.start,
                &self.out.code().word(0).to_ascii_lowercase(),
            ));
        }
        Ok(())
    }

    fn finish(&mut self, terminator: Option<std::ops::Range<usize>>) {
        self.out.finish(terminator);
        self.compound = Compound::default();
        self.follow_sql_mode();
    }

    fn delimiter(&mut self) -> Result<(), Fault> {
        if let Some(open) = self.lexer.version_comment() {
            return Err(Fault::new(
                open,
                "delimiter inside the version comment opened here",
                "the statement would be cut in the middle of the comment",
                "close the comment before the delimiter, or set another DELIMITER",
            ));
        }
        if self.delimiter == ";"
            && Compound::applies(self.out.code())
            && self.compound.is_open(self.out.code())
        {
            // Part of the body. A lexer told no delimiter reads `;` as a symbol.
            if let Some(token) = self.lexer.next(None)? {
                self.out.push(token);
            }
            return Ok(());
        }
        let span = self.lexer.advance(self.delimiter.len());
        self.finish(Some(span));
        Ok(())
    }

    /// `\G`, `\g`, `\d x`; the client's other backslash commands are refused.
    fn backslash(&mut self) -> Result<(), Fault> {
        let rest = self.lexer.rest();
        if rest.starts_with("\\G") || rest.starts_with("\\g") {
            let span = self.lexer.advance(2);
            self.finish(Some(span));
            return Ok(());
        }
        if rest.starts_with("\\d") {
            return self.delimiter_command(2);
        }
        Err(refused_command(
            self.lexer.at(),
            &rest.chars().take(2).collect::<String>(),
        ))
    }

    /// Whether the client would take what follows as a DELIMITER command. Inside an open statement only
    /// when the argument is a mark, so that a column called `delimiter` stays a column.
    fn is_delimiter_command(&self) -> bool {
        // The line is only looked for behind the word: finding its end for every token is slow in a long one.
        let word = self.lexer.rest().get(..COMMAND.len());
        if !word.is_some_and(|word| word.eq_ignore_ascii_case(COMMAND)) {
            return false;
        }
        let argument = self.lexer.line().get(COMMAND.len()..).unwrap_or("");
        if !(argument.is_empty() || argument.starts_with([' ', '\t'])) {
            return false;
        }
        let argument = argument.trim();
        let mark = !argument.is_empty()
            && !argument.contains(|c: char| c.is_alphanumeric() || " (),`'\"".contains(c));
        self.out.is_between() || (mark && self.lexer.at_line_start())
    }

    fn delimiter_command(&mut self, word: usize) -> Result<(), Fault> {
        let at = self.lexer.at();
        let line = self.lexer.line();
        let argument = line.get(word..).unwrap_or("").trim();
        let new = match argument.chars().next() {
            Some(quote @ ('\'' | '"' | '`')) => argument.get(1..).and_then(|rest| rest.split(quote).next()),
            Some(_) | None => argument.split_whitespace().next(),
        };
        let Some(new) = new.filter(|new| !new.is_empty() && !new.contains('\\')) else {
            return Err(Fault::new(
                at,
                "DELIMITER without a usable argument",
                "the end of the statements that follow would be unknown",
                "name the delimiter after the word, as in `DELIMITER $$`; it cannot hold a backslash",
            ));
        };
        self.finish(None);
        let span = self.lexer.advance(line.len());
        self.delimiter = new.to_owned();
        self.out.piece(PieceKind::ClientCommand, span);
        Ok(())
    }

    /// `USE name` ends with its line, even without a delimiter.
    fn ends_use(&self, blank: std::ops::Range<usize>) -> bool {
        let code = self.out.code();
        code.len() == 2 && code.is(0, "USE") && self.out.slice(blank).contains('\n')
    }

    /// A script that sets NO_BACKSLASH_ESCAPES changes how its own literals read.
    fn follow_sql_mode(&mut self) {
        let Some(code) = self.out.last() else { return };
        let sets_mode = code.is(code.first(), "SET") && code.find_anywhere(0, &["SQL_MODE"]).is_some();
        if !sets_mode {
            return;
        }
        let off = (0..code.len()).any(|index| {
            code.token(index)
                .is_some_and(|token| token.kind == TokenKind::Text)
                && code
                    .text(index)
                    .to_ascii_uppercase()
                    .contains("NO_BACKSLASH_ESCAPES")
        });
        self.lexer.set_backslash_escapes(!off);
    }

    fn at_end(&mut self) -> Result<(), Fault> {
        let code = self.out.code();
        let unclosed = self.delimiter == ";" && Compound::applies(code) && self.compound.is_open(code);
        if unclosed {
            let at = code.token(0).map_or(0, |token| token.start);
            return Err(Fault::unterminated(at, "BEGIN … END body of the stored program"));
        }
        self.lexer.next(None)?;
        self.finish(None);
        Ok(())
    }
}
