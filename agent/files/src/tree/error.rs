//! Why a tree was not copied, undone, hashed or compared.

use std::path::PathBuf;

use crate::beneath::BeneathError;
use crate::error::FileError;
use crate::path::{PathError, RelPath};
use crate::progress::Cancelled;

/// A failure of a tree operation. Whatever was done until then is journaled: the same call goes on, undo reverts.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// A path leads out of its root.
    #[error(transparent)]
    Beneath(#[from] BeneathError),
    /// Stopped by the caller.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The file is not what it was when the tree was scanned.
    #[error("`{}` changed while it was copied; stop what writes to it and retry", path.display())]
    SourceChanged {
        /// The source file.
        path: PathBuf,
    },
    /// What was read back is not what was written.
    #[error("`{}` does not read back as it was written (staged for `{target}`); check the disk", path.display())]
    Corrupted {
        /// The staged file.
        path: PathBuf,
        /// Where it was to land.
        target: RelPath,
    },
    /// A directory of one tree is no directory in the other.
    #[error(
        "`{path}` is a {source_kind} in the source and a {target_kind} in the target `{}`; move one of them away and retry",
        root.display()
    )]
    Conflict {
        /// The target's root.
        root: PathBuf,
        /// The path beneath the target's root.
        path: RelPath,
        /// What the source has.
        source_kind: &'static str,
        /// What the target has.
        target_kind: &'static str,
    },
    /// Something was put in the place of a new file between the scan and the landing.
    #[error("`{}` appeared in the target while it was copied; retry to preserve and replace it", path.display())]
    Appeared {
        /// The target path.
        path: PathBuf,
    },
    /// A socket, pipe or device has no content to copy.
    #[error("`{}` is a socket, pipe or device; remove it from the source and retry", path.display())]
    Special {
        /// The source path.
        path: PathBuf,
    },
    /// Configuration is edited in the new home, never copied into it.
    #[error(
        "`{path}` is a configuration file; configuration is never copied between homes, edit the new home's own file"
    )]
    Configuration {
        /// The source path.
        path: RelPath,
    },
    /// Preserving and landing need one file system.
    #[error(
        "`{}` is not on the file system of the keep directory `{}`; give a keep directory on the target's file system",
        path.display(), keep.display()
    )]
    OtherFileSystem {
        /// The directory of the target.
        path: PathBuf,
        /// The keep directory.
        keep: PathBuf,
    },
    /// The keep directory belongs to another copy.
    #[error("keep directory `{}` belongs to the copy of {found}, not of {wanted}; give each copy its own", keep.display())]
    OtherCopy {
        /// The keep directory.
        keep: PathBuf,
        /// The copy it belongs to.
        found: String,
        /// The copy that was asked for.
        wanted: String,
    },
    /// The keep directory is in use.
    #[error("keep directory `{}` is in use by another copy or undo; wait for it to end", keep.display())]
    Busy {
        /// The keep directory.
        keep: PathBuf,
    },
    /// The journal cannot be understood.
    #[error("line {line} of the journal `{}` is damaged; restore the target from its backup", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
    /// A preserved original is gone.
    #[error("the preserved original of `{path}` is missing from `{}`; restore the target from its backup", keep.display())]
    OriginalMissing {
        /// The path beneath the target's root.
        path: RelPath,
        /// The keep directory.
        keep: PathBuf,
    },
    /// A pattern of files is not understood.
    #[error("`{pattern}` is no pattern of files beneath a home")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        #[source]
        source: glob::PatternError,
    },
}

impl From<PathError> for TreeError {
    fn from(error: PathError) -> Self {
        Self::Beneath(error.into())
    }
}
