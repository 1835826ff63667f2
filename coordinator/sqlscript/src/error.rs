//! Why a script could not be split.

use crate::position;

/// A script that cannot be split safely, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}: {why}; {next}")]
pub struct SplitError {
    /// Line of the offending text, from 1.
    pub line: usize,
    /// Column of the offending text in characters, from 1.
    pub column: usize,
    /// What was found.
    pub what: String,
    /// Why it cannot be run.
    pub why: String,
    /// What the author of the script can do.
    pub next: String,
}

/// A split error that knows a byte offset, before the file it belongs to is at hand.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) what: String,
    pub(crate) why: &'static str,
    pub(crate) next: &'static str,
}

impl Fault {
    pub(crate) fn new(at: usize, what: impl Into<String>, why: &'static str, next: &'static str) -> Self {
        Self {
            at,
            what: what.into(),
            why,
            next,
        }
    }

    pub(crate) fn unterminated(at: usize, what: &'static str) -> Self {
        Self::new(
            at,
            format!("{what} opened here is never closed"),
            "everything after it would be taken for its content",
            "close it, or check that the script was saved whole and for this dialect",
        )
    }

    pub(crate) fn locate(self, text: &str) -> SplitError {
        let (line, column) = position::locate(text, self.at);
        SplitError {
            line,
            column,
            what: self.what,
            why: self.why.to_owned(),
            next: self.next.to_owned(),
        }
    }
}
