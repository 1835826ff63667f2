//! DB2: a terminator at the end of a line, or `;` outside the body of a trigger or routine.

use crate::assemble::Assembler;
use crate::compound::Compound;
use crate::dialect::Dialect;
use crate::error::Fault;
use crate::lexer::{self, Token, TokenKind};

/// The comment by which a script names its terminator.
const DIRECTIVE: &str = "--#SET TERMINATOR";

pub(super) fn split(text: &str) -> Result<Assembler<'_>, Fault> {
    let tokens = lexer::all(text, Dialect::Db2)?;
    let mut out = Assembler::new(text, Dialect::Db2);
    let mut compound = Compound::default();
    let mut terminator = guess(text, &tokens);
    for (index, token) in tokens.iter().enumerate() {
        if let Some(new) = directive(text, token) {
            terminator = new;
        }
        if token.kind != TokenKind::Symbol(terminator) {
            out.push(*token);
            continue;
        }
        let ends = if terminator == b';' {
            !(Compound::applies(out.code()) && compound.is_open(out.code()))
        } else {
            ends_line(text, tokens.get(index + 1..).unwrap_or_default())
        };
        if ends {
            out.finish(Some(token.start..token.end));
            compound = Compound::default();
        } else {
            out.push(*token);
        }
    }
    if terminator == b';' && Compound::applies(out.code()) && compound.is_open(out.code()) {
        let at = out.code().token(0).map_or(0, |token| token.start);
        return Err(Fault::unterminated(at, "BEGIN ATOMIC … END body"));
    }
    out.finish(None);
    Ok(out)
}

/// The terminator of a script that does not name it: what stands at the ends of its lines.
fn guess(text: &str, tokens: &[Token]) -> u8 {
    let at_line_end = |symbol: u8| {
        tokens.iter().enumerate().any(|(index, token)| {
            token.kind == TokenKind::Symbol(symbol)
                && ends_line(text, tokens.get(index + 1..).unwrap_or_default())
        })
    };
    [b'/', b'@']
        .into_iter()
        .find(|symbol| at_line_end(*symbol))
        .unwrap_or(b';')
}

/// Whether nothing but blanks and comments is left on the line.
fn ends_line(text: &str, after: &[Token]) -> bool {
    after
        .iter()
        .take_while(|token| !token.kind.is_significant())
        .any(|token| {
            text.get(token.start..token.end)
                .is_some_and(|gap| gap.contains('\n'))
        })
        || after.iter().all(|token| !token.kind.is_significant())
}

fn directive(text: &str, token: &Token) -> Option<u8> {
    let comment = text
        .get(token.start..token.end)
        .filter(|_| token.kind == TokenKind::LineComment)?;
    let (head, mark) = comment.split_at_checked(DIRECTIVE.len())?;
    let mark = mark.trim().bytes().next().filter(u8::is_ascii_punctuation)?;
    head.eq_ignore_ascii_case(DIRECTIVE).then_some(mark)
}
