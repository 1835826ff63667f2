//! The failure every module shares: the system refused something on one path.

use std::io;
use std::path::{Path, PathBuf};

use crate::space;

/// A file operation that the system refused.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system call failed for a reason other than space.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried, as a verb phrase.
        action: &'static str,
        /// What it was tried on.
        path: PathBuf,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
    /// The file system is full, or too small for what is about to be written.
    #[error("no space for `{}`: {needed} bytes needed, {available} available; free space there and retry", path.display())]
    NoSpace {
        /// What was being written.
        path: PathBuf,
        /// Bytes the whole operation needs.
        needed: u64,
        /// Bytes the file system can give.
        available: u64,
    },
}

impl FileError {
    /// Wraps an error of the system.
    pub(crate) fn new(action: &'static str, path: impl Into<PathBuf>, source: impl Into<io::Error>) -> Self {
        Self::Io {
            action,
            path: path.into(),
            source: source.into(),
        }
    }

    /// Wraps an error met while writing `needed` bytes in all: a full disk becomes [`FileError::NoSpace`].
    pub(crate) fn writing(
        action: &'static str,
        path: &Path,
        needed: u64,
        source: impl Into<io::Error>,
    ) -> Self {
        let source = source.into();
        if !is_full(&source) {
            return Self::new(action, path, source);
        }
        let mut existing = path;
        while !existing.exists() {
            match existing.parent() {
                Some(parent) => existing = parent,
                None => break,
            }
        }
        Self::NoSpace {
            path: path.to_owned(),
            needed,
            available: space::free_bytes(existing).unwrap_or(0),
        }
    }

    /// Whether the cause is a full file system or an exhausted quota.
    pub fn is_no_space(&self) -> bool {
        matches!(self, Self::NoSpace { .. })
    }
}

fn is_full(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == io::ErrorKind::StorageFull || kind == io::ErrorKind::QuotaExceeded
}

/// Adds the verb and the path to an error of the system.
pub(crate) trait Context<T> {
    /// Names what was tried, on which path.
    fn on(self, action: &'static str, path: impl FnOnce() -> PathBuf) -> Result<T, FileError>;
}

impl<T, E: Into<io::Error>> Context<T> for Result<T, E> {
    fn on(self, action: &'static str, path: impl FnOnce() -> PathBuf) -> Result<T, FileError> {
        self.map_err(|source| FileError::new(action, path(), source))
    }
}
