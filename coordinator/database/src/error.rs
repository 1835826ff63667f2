//! The error of every operation on a target database: what failed, on which database, why, what to do next.

use std::error::Error;
use std::fmt;

use crate::reach;
use crate::target::Target;

/// What kind of trouble it is, for a caller that decides by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The server does not answer at its address.
    Unreachable,
    /// The server refused the account or its password.
    WrongPassword,
    /// The server has no database of that name.
    UnknownDatabase,
    /// The account lacks a privilege.
    Denied,
    /// An encrypted connection was demanded and could not be had.
    Tls,
    /// The server has no connection left.
    Full,
    /// The account would not be shown every session.
    SessionsHidden,
    /// The server refused or could not finish a statement.
    Statement,
    /// The engine's own tool is missing, too old, or failed.
    Tool,
    /// A file on this host could not be written or read.
    File,
    /// Something proven earlier does not hold any more: a hash, a count, a checksum.
    Integrity,
    /// Refused because going on would be dangerous.
    Refused,
}

/// A failed operation. Its text and `Debug` never hold a password or a statement's data.
#[derive(Debug)]
pub struct DatabaseError {
    kind: Kind,
    action: String,
    target: String,
    why: String,
    remedy: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "failed to {} on {}: {}; {}",
            self.action, self.target, self.why, self.remedy
        )
    }
}

impl Error for DatabaseError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}

impl DatabaseError {
    /// An error without an underlying one. `action` completes "failed to …".
    #[must_use]
    pub fn new(kind: Kind, action: &str, target: &Target, why: impl Into<String>, remedy: &str) -> Self {
        DatabaseError {
            kind,
            action: action.to_owned(),
            target: target.to_string(),
            why: why.into(),
            remedy: remedy.to_owned(),
            source: None,
        }
    }

    /// The same with the error that caused it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// A driver's error, told in an operator's words.
    #[must_use]
    pub fn driver(action: &str, target: &Target, error: sqlx::Error) -> Self {
        let reach::Translation { kind, why, remedy } = reach::translate(target, &error);
        DatabaseError::new(kind, action, target, why, &remedy).caused_by(error)
    }

    /// A file that could not be written or read.
    #[must_use]
    pub fn file(action: &str, target: &Target, path: &std::path::Path, error: std::io::Error) -> Self {
        DatabaseError::new(
            Kind::File,
            action,
            target,
            format!("`{}` cannot be used", path.display()),
            "check that the directory exists, is writable for the coordinator and has room",
        )
        .caused_by(error)
    }

    /// What kind of trouble it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Why it failed, in one sentence.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.remedy
    }

    /// The database, as URL without password.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }
}
