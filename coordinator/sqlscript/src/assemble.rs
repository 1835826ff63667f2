//! Collects tokens into pieces and statements.

use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::classify;
use crate::code::Code;
use crate::dialect::Dialect;
use crate::lexer::{self, Token, TokenKind};
use crate::position::Walker;
use crate::script::{Piece, PieceKind, Script, Statement};
use crate::session::SessionUse;

/// A statement found, before it is numbered and classified.
#[derive(Debug)]
struct Draft {
    span: Range<usize>,
    /// What to execute when it is not simply the file's text.
    text: Option<String>,
    /// Significant tokens, as offsets into the file.
    tokens: Vec<Token>,
}

/// Builds a script from left to right; every byte of the text passes through here once.
#[derive(Debug)]
pub(crate) struct Assembler<'a> {
    text: &'a str,
    dialect: Dialect,
    pieces: Vec<(PieceKind, Range<usize>)>,
    drafts: Vec<Draft>,
    /// Tokens of the statement that is open, from its first significant one.
    open: Vec<Token>,
    /// The significant ones among them.
    code: Vec<Token>,
}

impl<'a> Assembler<'a> {
    pub(crate) const fn new(text: &'a str, dialect: Dialect) -> Self {
        Self {
            text,
            dialect,
            pieces: Vec::new(),
            drafts: Vec::new(),
            open: Vec::new(),
            code: Vec::new(),
        }
    }

    /// Whether no statement is open.
    pub(crate) const fn is_between(&self) -> bool {
        self.open.is_empty()
    }

    /// The statement that is open, as far as it was read.
    pub(crate) fn code(&self) -> Code<'_> {
        Code::new(self.text, &self.code)
    }

    /// The statement that was finished last.
    pub(crate) fn last(&self) -> Option<Code<'_>> {
        self.drafts
            .last()
            .map(|draft| Code::new(self.text, &draft.tokens))
    }

    pub(crate) fn slice(&self, span: Range<usize>) -> &'a str {
        slice(self.text, &span)
    }

    pub(crate) fn push(&mut self, token: Token) {
        if token.kind.is_significant() {
            self.code.push(token);
            self.open.push(token);
        } else if self.open.is_empty() {
            self.pieces.push((gap(token.kind), token.start..token.end));
        } else {
            self.open.push(token);
        }
    }

    /// Ends the open statement, if there is one, before the terminator at `terminator`.
    pub(crate) fn finish(&mut self, terminator: Option<Range<usize>>) {
        let trailing = self
            .open
            .iter()
            .rposition(|token| token.kind.is_significant())
            .map_or(0, |last| last + 1);
        let after = self.open.split_off(trailing.min(self.open.len()));
        if let (Some(first), Some(last)) = (self.open.first(), self.open.last()) {
            let span = first.start..last.end;
            self.pieces
                .push((PieceKind::Statement(self.drafts.len()), span.clone()));
            self.drafts.push(Draft {
                span,
                text: None,
                tokens: std::mem::take(&mut self.code),
            });
        }
        self.open.clear();
        self.pieces.extend(
            after
                .iter()
                .map(|token| (gap(token.kind), token.start..token.end)),
        );
        self.pieces
            .extend(terminator.map(|span| (PieceKind::Terminator, span)));
    }

    /// A statement whose executable text differs from the file's.
    pub(crate) fn rewritten(&mut self, span: Range<usize>, text: String) {
        self.pieces
            .push((PieceKind::Statement(self.drafts.len()), span.clone()));
        self.drafts.push(Draft {
            span,
            text: Some(text),
            tokens: Vec::new(),
        });
    }

    pub(crate) fn piece(&mut self, kind: PieceKind, span: Range<usize>) {
        self.pieces.push((kind, span));
    }

    pub(crate) fn into_script(self) -> Script {
        let mut walker = Walker::new(self.text);
        let (text, dialect) = (self.text, self.dialect);
        let statements = self
            .drafts
            .into_iter()
            .enumerate()
            .map(|(index, draft)| {
                let (line, column) = walker.locate(draft.span.start);
                statement(text, dialect, index, draft, (line, column))
            })
            .collect();
        let pieces = self.pieces.into_iter().filter(|(_, span)| !span.is_empty());
        let mut walker = Walker::new(self.text);
        Script {
            dialect,
            sha256: sha256(text),
            statements,
            pieces: pieces
                .map(|(kind, span)| {
                    let (line, column) = walker.locate(span.start);
                    Piece {
                        kind,
                        text: slice(text, &span).to_owned(),
                        span,
                        line,
                        column,
                    }
                })
                .collect(),
        }
    }
}

fn statement(
    file: &str,
    dialect: Dialect,
    index: usize,
    draft: Draft,
    (line, column): (usize, usize),
) -> Statement {
    let (text, tokens) = match draft.text {
        Some(text) => {
            let tokens = lexer::significant(&text, dialect);
            (text, tokens)
        }
        None => (
            slice(file, &draft.span).to_owned(),
            relative(draft.tokens, draft.span.start),
        ),
    };
    let code = Code::new(&text, &tokens);
    let kind = classify::kind(dialect, code);
    let refuses_transaction = classify::refuses_transaction(dialect, code);
    let session = SessionUse::of(dialect, code);
    let sha256 = sha256(&text);
    Statement {
        index,
        span: draft.span,
        line,
        column,
        sha256,
        kind,
        session,
        refuses_transaction,
        tokens,
        text,
    }
}

fn relative(mut tokens: Vec<Token>, start: usize) -> Vec<Token> {
    for token in &mut tokens {
        token.start -= start;
        token.end -= start;
    }
    tokens
}

fn slice<'a>(text: &'a str, span: &Range<usize>) -> &'a str {
    text.get(span.clone()).unwrap_or("")
}

fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

const fn gap(kind: TokenKind) -> PieceKind {
    match kind {
        TokenKind::LineComment | TokenKind::BlockComment => PieceKind::Comment,
        TokenKind::Blank
        | TokenKind::VersionOpen
        | TokenKind::VersionClose
        | TokenKind::Hint
        | TokenKind::Text
        | TokenKind::Name
        | TokenKind::Word
        | TokenKind::Number
        | TokenKind::Symbol(_) => PieceKind::Blank,
    }
}
