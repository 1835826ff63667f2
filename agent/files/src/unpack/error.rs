//! Why a zip was not unpacked.

use std::path::PathBuf;

use crate::error::FileError;
use crate::path::{PathError, RelPath};
use crate::progress::Cancelled;
use crate::tree::TreeError;

/// A zip that was not unpacked. Nothing of it is left behind.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The system refused, or there is no space.
    #[error(transparent)]
    File(#[from] FileError),
    /// What was unpacked could not be read back.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Stopped by the caller.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The file is no zip, or a damaged one.
    #[error("`{}` is no zip that can be read; fetch it again", path.display())]
    Zip {
        /// The zip.
        path: PathBuf,
        /// What the reader says.
        #[source]
        source: zip::result::ZipError,
    },
    /// An entry could not be decompressed, or its checksum is wrong.
    #[error("entry `{entry}` of `{}` is damaged; fetch the zip again", path.display())]
    Entry {
        /// The zip.
        path: PathBuf,
        /// The entry.
        entry: RelPath,
        /// What the reader says.
        #[source]
        source: std::io::Error,
    },
    /// An entry would land outside the home.
    #[error("`{}` holds an entry that leads out of the home; do not use this zip", path.display())]
    Escape {
        /// The zip.
        path: PathBuf,
        /// The entry.
        #[source]
        source: PathError,
    },
    /// A link of the zip points out of the home.
    #[error("`{entry}` in `{}` is a link to `{to}`, out of the home; do not use this zip", path.display())]
    LinkEscape {
        /// The zip.
        path: PathBuf,
        /// The link.
        entry: RelPath,
        /// Where it points.
        to: RelPath,
    },
    /// An entry is something no distribution contains.
    #[error("entry `{entry}` of `{}` is {what}; do not use this zip", path.display())]
    Unexpected {
        /// The zip.
        path: PathBuf,
        /// The entry.
        entry: RelPath,
        /// What it is.
        what: &'static str,
    },
    /// The zip does not hold exactly one directory at its top, or another than expected.
    #[error("`{}` holds {found} at its top, not {wanted}; is it the right distribution?", path.display())]
    Top {
        /// The zip.
        path: PathBuf,
        /// What it holds.
        found: String,
        /// What was expected.
        wanted: String,
    },
    /// The content is larger than the caller allows, by what the zip says or by what came out of it.
    #[error("`{}` unpacks to more than the allowed {limit} bytes", path.display())]
    TooLarge {
        /// The zip.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// Something is where the home is to be unpacked.
    #[error("`{}` exists and is not an empty directory; move it away and retry", path.display())]
    Occupied {
        /// Where the home was to be unpacked.
        path: PathBuf,
    },
}
