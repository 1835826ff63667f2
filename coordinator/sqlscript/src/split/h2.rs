//! H2: `;` ends a statement, `$$` quotes.

use crate::assemble::Assembler;
use crate::dialect::Dialect;
use crate::error::Fault;
use crate::lexer::{Lexer, TokenKind};

pub(super) fn split(text: &str) -> Result<Assembler<'_>, Fault> {
    let mut lexer = Lexer::new(text, Dialect::H2);
    let mut out = Assembler::new(text, Dialect::H2);
    while let Some(token) = lexer.next(None)? {
        if token.kind == TokenKind::Symbol(b';') {
            out.finish(Some(token.start..token.end));
        } else {
            out.push(token);
        }
    }
    out.finish(None);
    Ok(out)
}
