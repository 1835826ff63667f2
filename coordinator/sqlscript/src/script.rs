//! A script cut into pieces.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::dialect::Dialect;
use crate::lexer::Token;
use crate::session::SessionUse;

/// What running a statement does, as far as resuming after it is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StatementKind {
    /// Changes only the connection's state: variables, prepared statements, settings.
    Session,
    /// Reads.
    Query,
    /// Changes rows.
    Dml,
    /// Changes the schema, or may do so; on MySQL and Oracle it commits by itself.
    Ddl,
    /// Opens or closes a transaction.
    Transaction,
    /// Anything else.
    Other,
}

impl StatementKind {
    /// The name used in files and on screen.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Query => "query",
            Self::Dml => "dml",
            Self::Ddl => "ddl",
            Self::Transaction => "transaction",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for StatementKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One statement of a script, as it is sent to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// Its place among the statements of the script, from 0.
    pub index: usize,
    /// What is executed: no terminator, no comments around it.
    pub text: String,
    /// The bytes of the file it was read from.
    pub span: Range<usize>,
    /// The line it begins on, from 1.
    pub line: usize,
    /// The column it begins at in characters, from 1.
    pub column: usize,
    /// SHA-256 of `text` in hexadecimal.
    pub sha256: String,
    /// What running it does.
    pub kind: StatementKind,
    #[serde(skip)]
    pub(crate) tokens: Vec<Token>,
    #[serde(skip)]
    pub(crate) session: SessionUse,
    #[serde(skip)]
    pub(crate) refuses_transaction: bool,
}

impl Statement {
    /// What the statement needs of the connection's state, in lower case: `@name` for a variable, a bare name
    /// for a prepared statement.
    #[must_use]
    pub fn reads_session(&self) -> Vec<String> {
        self.session.reads.iter().cloned().collect()
    }

    /// What the statement changes in the connection's state, in lower case: `@name` for a variable, a bare name
    /// for a prepared statement, `@@name` for a setting on which every later statement depends.
    #[must_use]
    pub fn writes_session(&self) -> Vec<String> {
        self.session.writes.iter().cloned().collect()
    }

    /// Whether the server refuses the statement inside a transaction block, so that it must run alone.
    #[must_use]
    pub const fn refuses_transaction(&self) -> bool {
        self.refuses_transaction
    }

    pub(crate) fn code(&self) -> Code<'_> {
        Code::new(&self.text, &self.tokens)
    }
}

/// What a piece of a script is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PieceKind {
    /// The statement of this index.
    Statement(usize),
    /// White space, or a byte order mark.
    Blank,
    /// A comment outside a statement.
    Comment,
    /// What ended a statement: `;`, `GO`, a line with `/`.
    Terminator,
    /// A command for the client program, such as `DELIMITER`; it is obeyed or without effect, never sent.
    ClientCommand,
}

/// A stretch of the file. All pieces together are the file, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// What it is.
    pub kind: PieceKind,
    /// Its text as it stands in the file.
    pub text: String,
    /// The bytes of the file it covers.
    pub span: Range<usize>,
    /// The line it begins on, from 1.
    pub line: usize,
    /// The column it begins at in characters, from 1.
    pub column: usize,
}

/// A script cut into statements and what stands between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Script {
    /// The dialect it was read in.
    pub dialect: Dialect,
    /// SHA-256 of the file in hexadecimal.
    pub sha256: String,
    /// What is to be executed, in order.
    pub statements: Vec<Statement>,
    /// The whole file.
    pub pieces: Vec<Piece>,
}

impl Script {
    /// Puts another statement in the place of one. Where it stands in the file stays; the file's hash and pieces
    /// are those of the file.
    pub fn replace(&mut self, index: usize, by: Statement) {
        if let Some(place) = self.statements.get_mut(index) {
            *place = Statement {
                index,
                span: place.span.clone(),
                line: place.line,
                column: place.column,
                ..by
            };
        }
    }

    /// Takes a statement for one that is not run: nothing in the connection comes from it or is needed by it.
    pub fn pass_over(&mut self, index: usize) {
        if let Some(place) = self.statements.get_mut(index) {
            place.session = SessionUse::default();
        }
    }

    /// The statements to run again on a new connection so that the script can go on at statement `from`, in
    /// order: settings of the connection, and every session statement whose result is read from there on.
    #[must_use]
    pub fn session_prerequisites(&self, from: usize) -> Vec<usize> {
        let from = from.min(self.statements.len());
        let (done, rest) = self.statements.split_at(from);
        let mut needed = unmet(rest);
        let mut settled: BTreeSet<&str> = BTreeSet::new();
        let mut replay = Vec::new();
        for statement in done
            .iter()
            .rev()
            .filter(|statement| statement.kind == StatementKind::Session)
        {
            let writes = &statement.session.writes;
            let supplies = writes.iter().any(|name| needed.contains(name));
            let sets = writes
                .iter()
                .any(|name| name.starts_with("@@") && !settled.contains(name.as_str()));
            if supplies || sets {
                settled.extend(
                    writes
                        .iter()
                        .map(String::as_str)
                        .filter(|name| name.starts_with("@@")),
                );
                needed.retain(|name| !writes.contains(name));
                needed.extend(statement.session.reads.iter().cloned());
                replay.push(statement.index);
            }
        }
        replay.reverse();
        replay
    }
}

/// What these statements read of the session without having written it themselves first.
fn unmet(statements: &[Statement]) -> BTreeSet<String> {
    let mut written: BTreeSet<&String> = BTreeSet::new();
    let mut needed = BTreeSet::new();
    for statement in statements {
        needed.extend(
            statement
                .session
                .reads
                .iter()
                .filter(|name| !written.contains(name))
                .cloned(),
        );
        written.extend(&statement.session.writes);
    }
    needed
}
