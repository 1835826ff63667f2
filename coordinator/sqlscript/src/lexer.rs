//! Tokens: where quotes, comments and words begin and end in each dialect.

use crate::dialect::Dialect;
use crate::error::Fault;

mod scan;

/// What a stretch of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// White space.
    Blank,
    /// A comment up to the end of its line, the line break left out.
    LineComment,
    /// A comment with an end of its own.
    BlockComment,
    /// `/*!50001`: the text up to the close is code to MySQL.
    VersionOpen,
    /// The `*/` that closes a version comment.
    VersionClose,
    /// An optimizer hint, which must stay with its statement.
    Hint,
    /// A quoted literal.
    Text,
    /// A quoted identifier.
    Name,
    /// A keyword or bare identifier.
    Word,
    /// A number.
    Number,
    /// Any other single character.
    Symbol(u8),
}

impl TokenKind {
    /// Whether the token is part of a statement, rather than standing around it.
    pub(crate) const fn is_significant(self) -> bool {
        !matches!(self, Self::Blank | Self::LineComment | Self::BlockComment)
    }
}

/// A stretch of text and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Reads tokens off a text.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    dialect: Dialect,
    /// Whether a backslash escapes the next character in a plain literal.
    backslash_escapes: bool,
    /// Where the version comment that is open now was opened.
    version_comment: Option<usize>,
    /// Whether no statement is open, which makes MySQL's client take `--x` at a line's start for a comment.
    between_statements: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str, dialect: Dialect) -> Self {
        Self {
            text,
            at: 0,
            dialect,
            backslash_escapes: dialect == Dialect::MySql,
            version_comment: None,
            between_statements: true,
        }
    }

    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    pub(crate) const fn at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    /// Where the version comment that is open now was opened.
    pub(crate) const fn version_comment(&self) -> Option<usize> {
        self.version_comment
    }

    pub(crate) const fn set_backslash_escapes(&mut self, on: bool) {
        self.backslash_escapes = on;
    }

    pub(crate) const fn set_between_statements(&mut self, between: bool) {
        self.between_statements = between;
    }

    /// Whether only blanks stand between the line's start and here.
    pub(crate) fn at_line_start(&self) -> bool {
        let before = self.text.get(..self.at).unwrap_or("");
        before
            .rsplit('\n')
            .next()
            .is_none_or(|line| line.chars().all(|c| c.is_whitespace() || c == '\u{feff}'))
    }

    /// The rest of the line, the line break left out.
    pub(crate) fn line(&self) -> &'a str {
        let rest = self.rest();
        let end = rest.find('\n').unwrap_or(rest.len());
        rest.get(..end).unwrap_or(rest).trim_end_matches('\r')
    }

    /// Moves over `length` bytes and returns the range they span.
    pub(crate) fn advance(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.at;
        self.at = (self.at + length).min(self.text.len());
        start..self.at
    }

    /// The next token; a word ends where `delimiter` begins.
    pub(crate) fn next(&mut self, delimiter: Option<&str>) -> Result<Option<Token>, Fault> {
        let Some(first) = self.rest().bytes().next() else {
            return match self.version_comment {
                Some(open) => Err(Fault::unterminated(open, "version comment")),
                None => Ok(None),
            };
        };
        let start = self.at;
        let (kind, length) = self.scan(first, delimiter)?;
        self.at += length;
        match kind {
            TokenKind::VersionOpen => self.version_comment = Some(start),
            TokenKind::VersionClose => self.version_comment = None,
            TokenKind::Blank
            | TokenKind::LineComment
            | TokenKind::BlockComment
            | TokenKind::Hint
            | TokenKind::Text
            | TokenKind::Name
            | TokenKind::Word
            | TokenKind::Number
            | TokenKind::Symbol(_) => {}
        }
        Ok(Some(Token {
            kind,
            start,
            end: self.at,
        }))
    }
}

/// Every significant token of `text`, or none when it does not lex.
pub(crate) fn significant(text: &str, dialect: Dialect) -> Vec<Token> {
    let mut lexer = Lexer::new(text, dialect);
    let mut tokens = Vec::new();
    while let Ok(Some(token)) = lexer.next(None) {
        if token.kind.is_significant() {
            tokens.push(token);
        }
    }
    tokens
}

/// Every token of `text`.
pub(crate) fn all(text: &str, dialect: Dialect) -> Result<Vec<Token>, Fault> {
    let mut lexer = Lexer::new(text, dialect);
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next(None)? {
        tokens.push(token);
    }
    Ok(tokens)
}
