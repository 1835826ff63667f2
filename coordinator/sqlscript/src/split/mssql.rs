//! Microsoft SQL Server: `GO` on a line of its own ends a batch. A script without any GO is cut into
//! statements, but a variable keeps everything together from its declaration to its last use.

use std::ops::Range;

use crate::assemble::Assembler;
use crate::dialect::Dialect;
use crate::error::Fault;
use crate::lexer::{self, Token, TokenKind};

use super::refused_command;

mod batch;

pub(super) fn split(text: &str) -> Result<Assembler<'_>, Fault> {
    let tokens = lexer::all(text, Dialect::Mssql)?;
    refuse_sqlcmd(text, &tokens)?;
    let goes = separators(text, &tokens)?;
    if goes.is_empty() {
        return Ok(batch::split(text, &tokens));
    }
    let mut out = Assembler::new(text, Dialect::Mssql);
    let mut from = 0;
    for go in &goes {
        push_all(&mut out, &tokens, from..go.start);
        let span = tokens
            .get(go.clone())
            .and_then(|line| Some(line.first()?.start..line.last()?.end));
        out.finish(span);
        from = go.end;
    }
    push_all(&mut out, &tokens, from..tokens.len());
    out.finish(None);
    Ok(out)
}

fn push_all(out: &mut Assembler<'_>, tokens: &[Token], range: Range<usize>) {
    for token in tokens.get(range).unwrap_or_default() {
        out.push(*token);
    }
}

/// The token ranges of the `GO` lines, a count included.
fn separators(text: &str, tokens: &[Token]) -> Result<Vec<Range<usize>>, Fault> {
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        if !(is_word(text, token, "GO") && starts_line(text, token.start)) {
            continue;
        }
        let rest: Vec<(usize, &Token)> = tokens
            .iter()
            .enumerate()
            .skip(index + 1)
            .take_while(|(_, token)| !(token.kind == TokenKind::Blank && slice(text, token).contains('\n')))
            .filter(|(_, token)| token.kind.is_significant() && token.kind != TokenKind::Symbol(b';'))
            .collect();
        match rest.as_slice() {
            [] => found.push(index..index + 1),
            [(at, count)] if count.kind == TokenKind::Number => {
                if slice(text, count) != "1" {
                    return Err(Fault::new(
                        token.start,
                        format!("GO {}", slice(text, count)),
                        "a batch that runs several times cannot be journaled as one statement",
                        "write the batch out as often as it is to run",
                    ));
                }
                found.push(index..at + 1);
            }
            _ => {}
        }
    }
    Ok(found)
}

/// `:r`, `:setvar`, `!!` and the like are sqlcmd's.
fn refuse_sqlcmd(text: &str, tokens: &[Token]) -> Result<(), Fault> {
    for pair in tokens.windows(2) {
        let [mark, word] = pair else { continue };
        let command = match mark.kind {
            TokenKind::Symbol(b':') => word.kind == TokenKind::Word,
            TokenKind::Symbol(b'!') => word.kind == TokenKind::Symbol(b'!'),
            TokenKind::Blank
            | TokenKind::LineComment
            | TokenKind::BlockComment
            | TokenKind::VersionOpen
            | TokenKind::VersionClose
            | TokenKind::Hint
            | TokenKind::Text
            | TokenKind::Name
            | TokenKind::Word
            | TokenKind::Number
            | TokenKind::Symbol(_) => false,
        };
        if command && starts_line(text, mark.start) {
            return Err(refused_command(
                mark.start,
                text.get(mark.start..word.end).unwrap_or(""),
            ));
        }
    }
    Ok(())
}

fn starts_line(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or("");
    before
        .rsplit('\n')
        .next()
        .is_none_or(|line| line.trim_start_matches('\u{feff}').trim().is_empty())
}

fn is_word(text: &str, token: &Token, word: &str) -> bool {
    token.kind == TokenKind::Word && slice(text, token).eq_ignore_ascii_case(word)
}

fn slice<'a>(text: &'a str, token: &Token) -> &'a str {
    text.get(token.start..token.end).unwrap_or("")
}
