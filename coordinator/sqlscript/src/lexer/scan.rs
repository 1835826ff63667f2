//! The length and kind of the token that starts at a place.

use super::{Lexer, TokenKind};
use crate::dialect::Dialect;
use crate::error::Fault;

type Scanned = Result<(TokenKind, usize), Fault>;

impl Lexer<'_> {
    /// Kind and length in bytes of the token whose first byte is `first`.
    pub(super) fn scan(&self, first: u8, delimiter: Option<&str>) -> Scanned {
        let rest = self.rest();
        let blank = length_while(rest, |c| {
            (c.is_ascii() && (c.is_whitespace() || c == '\u{b}')) || c == '\u{feff}'
        });
        if blank > 0 {
            return Ok((TokenKind::Blank, blank));
        }
        if let Some(length) = self.line_comment(rest) {
            return Ok((TokenKind::LineComment, length));
        }
        if rest.starts_with("/*") {
            return self.block_comment(rest);
        }
        if self.version_comment.is_some() && rest.starts_with("*/") {
            return Ok((TokenKind::VersionClose, 2));
        }
        if let Some(scanned) = self.special_quote(rest, first) {
            return scanned;
        }
        match first {
            b'\'' => self.quoted(rest, b'\'', self.backslash_escapes, TokenKind::Text),
            b'"' if self.dialect == Dialect::MySql => {
                self.quoted(rest, b'"', self.backslash_escapes, TokenKind::Text)
            }
            b'"' => self.quoted(rest, b'"', false, TokenKind::Name),
            b'`' if matches!(self.dialect, Dialect::MySql | Dialect::H2 | Dialect::Wso2Compat) => {
                self.quoted(rest, b'`', false, TokenKind::Name)
            }
            b'[' if self.dialect == Dialect::Mssql => self.quoted(rest, b']', false, TokenKind::Name),
            b'0'..=b'9' => Ok((
                TokenKind::Number,
                word_length(rest, delimiter, |c| c.is_ascii_alphanumeric() || c == '_'),
            )),
            _ if self.starts_word(first) => Ok((
                TokenKind::Word,
                word_length(rest, delimiter, |c| self.continues_word(c)),
            )),
            _ => Ok((TokenKind::Symbol(first), 1)),
        }
    }

    fn starts_word(&self, first: u8) -> bool {
        let extra = match self.dialect {
            Dialect::MySql => first == b'$',
            Dialect::Mssql => matches!(first, b'@' | b'#'),
            Dialect::Postgres | Dialect::Oracle | Dialect::Db2 | Dialect::H2 | Dialect::Wso2Compat => false,
        };
        extra || first.is_ascii_alphabetic() || first == b'_' || first >= 0x80
    }

    fn continues_word(&self, c: char) -> bool {
        let extra = match self.dialect {
            Dialect::MySql | Dialect::Postgres => c == '$',
            Dialect::Oracle => matches!(c, '$' | '#'),
            Dialect::Mssql => matches!(c, '$' | '#' | '@'),
            Dialect::Db2 => c == '#',
            Dialect::H2 | Dialect::Wso2Compat => false,
        };
        extra || c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii()
    }

    fn line_comment(&self, rest: &str) -> Option<usize> {
        let opens = match self.dialect {
            Dialect::MySql => rest.starts_with('#') || self.mysql_dashes(rest),
            Dialect::Postgres | Dialect::Oracle | Dialect::Mssql | Dialect::Db2 => rest.starts_with("--"),
            Dialect::H2 | Dialect::Wso2Compat => rest.starts_with("--") || rest.starts_with("//"),
        };
        opens.then(|| self.line().len())
    }

    /// MySQL takes `--` for a comment only before a blank; its client does so at the start of a line as well.
    fn mysql_dashes(&self, rest: &str) -> bool {
        let Some(after) = rest.strip_prefix("--") else {
            return false;
        };
        (self.between_statements && self.at_line_start())
            || after
                .chars()
                .next()
                .is_none_or(|c| c.is_ascii_whitespace() || c.is_ascii_control())
    }

    fn block_comment(&self, rest: &str) -> Scanned {
        if self.dialect == Dialect::MySql
            && self.version_comment.is_none()
            && let Some(length) = version_open(rest)
        {
            return Ok((TokenKind::VersionOpen, length));
        }
        let hint = rest.starts_with("/*+") && matches!(self.dialect, Dialect::MySql | Dialect::Oracle);
        let nested = matches!(self.dialect, Dialect::Postgres | Dialect::Mssql | Dialect::Db2);
        let length = comment_length(rest, nested).ok_or_else(|| Fault::unterminated(self.at, "comment"))?;
        Ok((
            if hint {
                TokenKind::Hint
            } else {
                TokenKind::BlockComment
            },
            length,
        ))
    }

    /// Dollar quotes, escape strings and Oracle's own quoting.
    fn special_quote(&self, rest: &str, first: u8) -> Option<Scanned> {
        match self.dialect {
            Dialect::Postgres if first == b'$' => {
                let tag = dollar_tag(rest)?;
                Some(self.until(rest, tag, tag, "dollar quote"))
            }
            Dialect::Postgres if matches!(first, b'e' | b'E') && rest.get(1..2) == Some("'") => Some(
                self.quoted(rest.get(1..).unwrap_or(""), b'\'', true, TokenKind::Text)
                    .map(|(kind, n)| (kind, n + 1)),
            ),
            Dialect::H2 if rest.starts_with("$$") => Some(self.until(rest, "$$", "$$", "dollar quote")),
            Dialect::Oracle if matches!(first, b'q' | b'Q' | b'n' | b'N') => self.oracle_quote(rest),
            Dialect::MySql
            | Dialect::Postgres
            | Dialect::Oracle
            | Dialect::Mssql
            | Dialect::Db2
            | Dialect::H2
            | Dialect::Wso2Compat => None,
        }
    }

    /// `q'[ … ]'` and its like: the character after the quote, or its mirror, ends the literal.
    fn oracle_quote(&self, rest: &str) -> Option<Scanned> {
        let prefix = ["nq'", "q'"].into_iter().find(|prefix| {
            rest.get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        })?;
        let open = rest.get(prefix.len()..)?.chars().next()?;
        let close = match open {
            '[' => ']',
            '{' => '}',
            '(' => ')',
            '<' => '>',
            other => other,
        };
        let head = rest.get(..prefix.len() + open.len_utf8())?;
        Some(self.until(rest, head, &format!("{close}'"), "quoted literal"))
    }

    fn until(&self, rest: &str, open: &str, close: &str, what: &'static str) -> Scanned {
        let inner = rest.get(open.len()..).unwrap_or("");
        let length = inner
            .find(close)
            .ok_or_else(|| Fault::unterminated(self.at, what))?;
        Ok((TokenKind::Text, open.len() + length + close.len()))
    }

    /// A quoted stretch in which the doubled quote stands for itself.
    fn quoted(&self, rest: &str, quote: u8, backslash: bool, kind: TokenKind) -> Scanned {
        let bytes = rest.as_bytes();
        let mut at = 1;
        while let Some(byte) = bytes.get(at) {
            if *byte == b'\\' && backslash {
                at += 2;
            } else if *byte != quote {
                at += 1;
            } else if bytes.get(at + 1) == Some(&quote) {
                at += 2;
            } else {
                return Ok((kind, at + 1));
            }
        }
        let what = if kind == TokenKind::Name {
            "quoted name"
        } else {
            "quoted literal"
        };
        Err(Fault::unterminated(self.at, what))
    }
}

fn length_while(text: &str, accept: impl Fn(char) -> bool) -> usize {
    text.char_indices()
        .find(|(_, c)| !accept(*c))
        .map_or(text.len(), |(at, _)| at)
}

/// How far a word goes, which is at most to the next delimiter.
fn word_length(text: &str, delimiter: Option<&str>, accept: impl Fn(char) -> bool) -> usize {
    let ends =
        |at: usize| at > 0 && delimiter.is_some_and(|d| text.get(at..).is_some_and(|t| t.starts_with(d)));
    text.char_indices()
        .find(|(at, c)| !accept(*c) || ends(*at))
        .map_or(text.len(), |(at, _)| at)
}

/// Length of `/*!50001` or `/*M!100100`, when the text starts so.
fn version_open(text: &str) -> Option<usize> {
    let mark = ["/*M!", "/*!"].into_iter().find(|mark| text.starts_with(mark))?;
    let digits = length_while(text.get(mark.len()..)?, |c| c.is_ascii_digit());
    Some(mark.len() + digits)
}

/// Length of the comment the text starts with.
fn comment_length(text: &str, nested: bool) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (2, 1_usize);
    while at + 1 < bytes.len() {
        match (bytes.get(at), bytes.get(at + 1)) {
            (Some(b'*'), Some(b'/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return Some(at);
                }
            }
            (Some(b'/'), Some(b'*')) if nested => {
                depth += 1;
                at += 2;
            }
            _ => at += 1,
        }
    }
    None
}

/// `$tag$`, when the text starts with one.
fn dollar_tag(text: &str) -> Option<&str> {
    let inner = text.get(1..)?;
    let length = length_while(inner, |c| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii());
    let numbered = inner.starts_with(|c: char| c.is_ascii_digit());
    (!numbered && inner.get(length..)?.starts_with('$')).then(|| text.get(..length + 2))?
}
