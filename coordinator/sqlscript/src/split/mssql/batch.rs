//! Scripts without GO: where one statement ends and the next begins.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::assemble::Assembler;
use crate::code::Code;
use crate::dialect::Dialect;
use crate::lexer::{Token, TokenKind};

use super::{push_all, slice};

/// Words that begin a statement wherever they stand after a blank line.
const VERBS: [&str; 17] = [
    "CREATE", "ALTER", "DROP", "INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "IF", "DECLARE", "EXEC",
    "EXECUTE", "PRINT", "USE", "GRANT", "BEGIN", "SET",
];

/// Cuts the tokens of a whole file and puts statements that share variables together again.
pub(super) fn split<'a>(text: &'a str, tokens: &[Token]) -> Assembler<'a> {
    let cuts = Cutter {
        text,
        tokens,
        cuts: Vec::new(),
        code: Vec::new(),
        parentheses: 0,
        blocks: 0,
    }
    .run();
    let mut out = Assembler::new(text, Dialect::Mssql);
    let mut from = 0;
    for Cut { before, after } in join(text, tokens, &cuts) {
        push_all(&mut out, tokens, from..before);
        let span = tokens
            .get(before..after)
            .and_then(|mark| Some(mark.first()?.start..mark.last()?.end));
        out.finish(span);
        from = after;
    }
    push_all(&mut out, tokens, from..tokens.len());
    out.finish(None);
    out
}

/// A place where a statement ends: the tokens up to `before` are its own, those up to `after` its terminator.
#[derive(Debug, Clone, Copy)]
struct Cut {
    before: usize,
    after: usize,
}

struct Cutter<'a> {
    text: &'a str,
    tokens: &'a [Token],
    cuts: Vec<Cut>,
    /// Significant tokens of the statement that is open.
    code: Vec<Token>,
    parentheses: usize,
    blocks: usize,
}

impl Cutter<'_> {
    fn run(mut self) -> Vec<Cut> {
        for index in 0..self.tokens.len() {
            self.step(index);
        }
        self.cuts
    }

    fn step(&mut self, index: usize) {
        let Some(token) = self.tokens.get(index).copied() else {
            return;
        };
        if !token.kind.is_significant() {
            return;
        }
        if self.is_outermost() && token.kind == TokenKind::Symbol(b';') && !self.continues(index) {
            self.cut(index, index + 1);
            return;
        }
        if self.is_outermost() && token.kind == TokenKind::Word && self.begins_next(index) {
            self.cut(index, index);
        }
        self.code.push(token);
        self.count(token);
    }

    fn is_outermost(&self) -> bool {
        self.parentheses == 0 && self.blocks == 0
    }

    fn cut(&mut self, before: usize, after: usize) {
        self.cuts.push(Cut { before, after });
        self.code.clear();
    }

    fn count(&mut self, token: Token) {
        match token.kind {
            TokenKind::Symbol(b'(') => self.parentheses += 1,
            TokenKind::Symbol(b')') => self.parentheses = self.parentheses.saturating_sub(1),
            TokenKind::Word => self.blocks = self.blocks_after_word(),
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
    }

    /// How many blocks are open after the word read last.
    fn blocks_after_word(&self) -> usize {
        let code = self.code();
        let last = code.len() - 1;
        let transaction = last > 0
            && code.is(last - 1, "BEGIN")
            && code.is_any(
                last,
                &["TRAN", "TRANSACTION", "DISTRIBUTED", "DIALOG", "CONVERSATION"],
            );
        if code.is_any(last, &["BEGIN", "CASE"]) {
            self.blocks + 1
        } else if code.is(last, "END") || transaction {
            self.blocks.saturating_sub(1)
        } else {
            self.blocks
        }
    }

    fn code(&self) -> Code<'_> {
        Code::new(self.text, &self.code)
    }

    /// A module's body goes on to the end of its batch; IF … ; ELSE … is one statement.
    fn continues(&self, semicolon: usize) -> bool {
        let rest = self.tokens.get(semicolon + 1..).unwrap_or_default();
        let next = rest.iter().find(|token| token.kind.is_significant());
        let before_else = next.is_some_and(|token| slice(self.text, token).eq_ignore_ascii_case("ELSE"));
        is_module(self.code()) || (before_else && self.code().is(0, "IF"))
    }

    /// Whether the word at `index` begins another statement although no `;` stands before it.
    fn begins_next(&self, index: usize) -> bool {
        let code = self.code();
        let word = self.tokens.get(index).map_or("", |token| slice(self.text, token));
        let verb = VERBS.iter().any(|verb| verb.eq_ignore_ascii_case(word));
        let breaks = self.line_breaks_before(index);
        if code.len() == 0 || breaks == 0 || !verb || is_module(code) {
            return false;
        }
        if adds_column(code) && !code.is(code.len() - 1, "ON") {
            return true;
        }
        breaks > 1 && is_complete(code, word)
    }

    fn line_breaks_before(&self, index: usize) -> usize {
        self.tokens
            .get(..index)
            .unwrap_or_default()
            .iter()
            .rev()
            .take_while(|token| !token.kind.is_significant())
            .filter(|token| token.kind == TokenKind::Blank)
            .map(|token| slice(self.text, token).matches('\n').count())
            .max()
            .unwrap_or(0)
    }
}

/// CREATE PROCEDURE, FUNCTION, TRIGGER and VIEW take all that follows for their body.
fn is_module(code: Code<'_>) -> bool {
    let kind = if code.starts(1, &["OR", "ALTER"]) { 3 } else { 1 };
    code.is_any(0, &["CREATE", "ALTER"])
        && code.is_any(kind, &["PROCEDURE", "PROC", "FUNCTION", "TRIGGER", "VIEW"])
}

/// A column added by ALTER TABLE is not known to the rest of its batch, so the batch ends there.
fn adds_column(code: Code<'_>) -> bool {
    code.starts(0, &["ALTER", "TABLE"])
        && code
            .find(2, &["ADD"])
            .is_some_and(|add| code.len() > add + 2 && !code.is(add + 1, "CONSTRAINT"))
}

/// Whether what was read is a whole statement, so that `verb` after a blank line begins the next one.
fn is_complete(code: Code<'_>, verb: &str) -> bool {
    let verb_is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(verb));
    match code.word(0).as_str() {
        "IF" | "WHILE" => {
            let body = code.find(1, &VERBS).or_else(|| code.find(1, &["SELECT"]));
            body.is_some_and(|body| code.len() > body + 1) && !code.is(code.len() - 1, "ELSE")
        }
        "MERGE" => false,
        "WITH" | "ALTER" => code
            .find(
                1,
                &["SELECT", "INSERT", "UPDATE", "DELETE", "ADD", "DROP", "ALTER"],
            )
            .is_some(),
        "INSERT" => !verb_is(&["EXEC", "EXECUTE"]) || code.find(1, &["VALUES", "SELECT"]).is_some(),
        "UPDATE" => !verb_is(&["SET"]) || code.find(1, &["SET"]).is_some(),
        _ => code.len() > 1,
    }
}

/// Drops the cuts between a variable's declaration and its last use.
fn join(text: &str, tokens: &[Token], cuts: &[Cut]) -> Vec<Cut> {
    let statements: Vec<Range<usize>> = cuts
        .iter()
        .scan(0, |from, cut| {
            Some(std::mem::replace(from, cut.after)..cut.before)
        })
        .chain(std::iter::once(
            cuts.last().map_or(0, |cut| cut.after)..tokens.len(),
        ))
        .collect();
    let mut kept = Vec::new();
    let mut open_until = 0;
    for (index, statement) in statements.iter().enumerate() {
        let declared = declared(text, tokens, statement);
        if !declared.is_empty() {
            let uses =
                |range: &Range<usize>| variables(text, tokens, range).any(|name| declared.contains(&name));
            let last = statements.iter().rposition(uses).unwrap_or(index);
            open_until = open_until.max(last);
        }
        if index >= open_until {
            kept.extend(cuts.get(index));
        }
    }
    kept
}

fn variables<'a>(
    text: &'a str,
    tokens: &'a [Token],
    range: &Range<usize>,
) -> impl Iterator<Item = String> + use<'a> {
    tokens
        .get(range.clone())
        .unwrap_or_default()
        .iter()
        .filter(|token| token.kind == TokenKind::Word)
        .map(|token| slice(text, token).to_ascii_lowercase())
        .filter(|word| word.starts_with('@') && !word.starts_with("@@"))
}

fn declared(text: &str, tokens: &[Token], range: &Range<usize>) -> BTreeSet<String> {
    let declares = tokens
        .get(range.clone())
        .unwrap_or_default()
        .iter()
        .any(|token| token.kind == TokenKind::Word && slice(text, token).eq_ignore_ascii_case("DECLARE"));
    if declares {
        variables(text, tokens, range).collect()
    } else {
        BTreeSet::new()
    }
}
