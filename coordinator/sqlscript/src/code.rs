//! A statement as a row of significant tokens: what classification and lint look at.

use crate::lexer::{Token, TokenKind};

/// The significant tokens of one statement over the text they point into.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Code<'a> {
    text: &'a str,
    tokens: &'a [Token],
}

impl<'a> Code<'a> {
    pub(crate) const fn new(text: &'a str, tokens: &'a [Token]) -> Self {
        Self { text, tokens }
    }

    pub(crate) const fn len(&self) -> usize {
        self.tokens.len()
    }

    pub(crate) fn token(&self, index: usize) -> Option<&'a Token> {
        self.tokens.get(index)
    }

    pub(crate) fn text(&self, index: usize) -> &'a str {
        self.token(index)
            .and_then(|token| self.text.get(token.start..token.end))
            .unwrap_or("")
    }

    /// The bare word at `index`, in upper case, or an empty string when another kind of token stands there.
    pub(crate) fn word(&self, index: usize) -> String {
        match self.token(index).map(|token| token.kind) {
            Some(TokenKind::Word) => self.text(index).to_ascii_uppercase(),
            _ => String::new(),
        }
    }

    pub(crate) fn is(&self, index: usize, word: &str) -> bool {
        self.token(index)
            .is_some_and(|token| token.kind == TokenKind::Word)
            && self.text(index).eq_ignore_ascii_case(word)
    }

    pub(crate) fn is_any(&self, index: usize, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(index, word))
    }

    pub(crate) fn symbol(&self, index: usize, symbol: u8) -> bool {
        self.token(index)
            .is_some_and(|token| token.kind == TokenKind::Symbol(symbol))
    }

    /// Whether the tokens from `index` on are exactly these words.
    pub(crate) fn starts(&self, index: usize, words: &[&str]) -> bool {
        words
            .iter()
            .enumerate()
            .all(|(offset, word)| self.is(index + offset, word))
    }

    /// The first place from `from` on where one of these words stands outside parentheses.
    pub(crate) fn find(&self, from: usize, words: &[&str]) -> Option<usize> {
        self.outside_parentheses(from)
            .find(|index| self.is_any(*index, words))
    }

    /// The first place from `from` on where one of these words stands, inside parentheses or not.
    pub(crate) fn find_anywhere(&self, from: usize, words: &[&str]) -> Option<usize> {
        (from..self.len()).find(|index| self.is_any(*index, words))
    }

    /// Indexes of the tokens from `from` on that stand outside parentheses, the parentheses themselves left out.
    pub(crate) fn outside_parentheses(&self, from: usize) -> impl Iterator<Item = usize> + use<'a> {
        let code = *self;
        let mut depth = 0_usize;
        (from..code.len()).filter(move |index| {
            if code.symbol(*index, b'(') {
                depth += 1;
                return false;
            }
            if code.symbol(*index, b')') {
                depth = depth.saturating_sub(1);
                return false;
            }
            depth == 0
        })
    }

    /// Whether two neighbours stand together without blank or comment between them.
    pub(crate) fn adjacent(&self, first: usize, second: usize) -> bool {
        match (self.token(first), self.token(second)) {
            (Some(first), Some(second)) => first.end == second.start,
            _ => false,
        }
    }

    /// The index of the first token that is not the opening of a version comment or a hint.
    pub(crate) fn first(&self) -> usize {
        (0..self.len())
            .find(|index| {
                !matches!(
                    self.token(*index).map(|token| token.kind),
                    Some(TokenKind::VersionOpen | TokenKind::VersionClose | TokenKind::Hint)
                )
            })
            .unwrap_or(0)
    }

    /// The identifier at `index`, quotes removed, or nothing when no identifier stands there.
    pub(crate) fn name(&self, index: usize) -> Option<String> {
        match self.token(index)?.kind {
            TokenKind::Word => Some(self.text(index).to_owned()),
            TokenKind::Name | TokenKind::Text => Some(unquote(self.text(index))),
            TokenKind::Blank
            | TokenKind::LineComment
            | TokenKind::BlockComment
            | TokenKind::VersionOpen
            | TokenKind::VersionClose
            | TokenKind::Hint
            | TokenKind::Number
            | TokenKind::Symbol(_) => None,
        }
    }
}

/// A quoted name or literal without its quotes.
fn unquote(quoted: &str) -> String {
    let mut inner = quoted.chars();
    inner.next();
    inner.next_back();
    inner.as_str().to_owned()
}
