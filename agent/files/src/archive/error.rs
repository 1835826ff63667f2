//! Why a backup was not made, is not good, or was not restored.

use std::path::PathBuf;

use crate::beneath::BeneathError;
use crate::error::FileError;
use crate::path::{PathError, RelPath};
use crate::progress::Cancelled;
use crate::tree::TreeError;

/// A failure of a backup, its verification or its restoration.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The system refused, or there is no space.
    #[error(transparent)]
    File(#[from] FileError),
    /// The home could not be opened.
    #[error(transparent)]
    Beneath(#[from] BeneathError),
    /// The restored tree could not be read back.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Stopped by the caller. The unfinished archive has been removed.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// A file became shorter while it was read, so what was announced in the archive cannot be delivered.
    #[error("`{}` was cut while it was backed up; stop what writes to it and retry", path.display())]
    Truncated {
        /// The file of the home.
        path: PathBuf,
    },
    /// A pattern of files to leave out is not understood.
    #[error("`{pattern}` is no pattern of files beneath a home")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        #[source]
        source: glob::PatternError,
    },
    /// The archive would be written into what it archives.
    #[error("the backup `{}` lies within the home it is taken of; choose a place outside", path.display())]
    Inside {
        /// The archive.
        path: PathBuf,
    },
    /// The archive or its manifest is not what the receipt says.
    #[error("backup `{}` is damaged: {what}; it cannot be relied on, take a new one", path.display())]
    Damaged {
        /// The archive or the manifest.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// The archive cannot be decompressed or split into entries.
    #[error("backup `{}` cannot be read; it cannot be relied on, take a new one", path.display())]
    Unreadable {
        /// The archive or the manifest.
        path: PathBuf,
        /// Where reading stopped.
        #[source]
        source: std::io::Error,
    },
    /// Something is where the home is to be restored.
    #[error("`{}` exists and is not an empty directory; move it away and retry", path.display())]
    Occupied {
        /// Where the home was to be restored.
        path: PathBuf,
    },
    /// An entry of the archive has a path that leads out of the home.
    #[error("backup `{}` holds an entry with a bad path", path.display())]
    BadPath {
        /// The archive.
        path: PathBuf,
        /// The path.
        #[source]
        source: PathError,
    },
}

impl ArchiveError {
    pub(crate) fn damaged(path: &std::path::Path, what: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            what: what.into(),
        }
    }

    pub(crate) fn entry(path: &std::path::Path, entry: &RelPath, what: &str) -> Self {
        Self::damaged(path, format!("entry `{entry}` {what}"))
    }
}
