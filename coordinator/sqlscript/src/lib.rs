//! Cuts SQL scripts into statements, byte-exactly, and warns about what makes a script dangerous to run.
//!
//! The splitter is lexical: it knows quotes, comments, terminators and block structure of each dialect, and
//! nothing of the grammar, so a statement it has never heard of still comes out whole. Everything here is
//! pure: text in, values out.
//!
//! ```
//! use cutover_sqlscript::{Dialect, StatementKind, split};
//!
//! let script = split("SET @x = 1;\n-- a comment; really\nDELETE FROM T WHERE A = ';';", Dialect::MySql)?;
//! assert_eq!(script.statements.len(), 2);
//! assert_eq!(script.statements[1].text, "DELETE FROM T WHERE A = ';'");
//! assert_eq!(script.statements[1].line, 3);
//! assert_eq!(script.statements[0].kind, StatementKind::Session);
//! # Ok::<(), cutover_sqlscript::SplitError>(())
//! ```

mod assemble;
mod classify;
mod code;
mod compound;
mod dialect;
mod error;
mod lexer;
mod lint;
mod position;
mod script;
mod session;
mod split;
mod tables;

pub use dialect::{Dialect, UnknownDialect};
pub use error::SplitError;
pub use lint::{Finding, Rule, Severity, lint};
pub use script::{Piece, PieceKind, Script, Statement, StatementKind};
pub use split::split;
pub use tables::TableName;
