//! Backing up a home into one `tar.zst`, proving the archive, and restoring it.
//!
//! Beside `<file>` stands `<file>.manifest`: one JSON [`Entry`](crate::tree::Entry) per line, in the order of the
//! archive, the home itself first, with owner, nanosecond times and the BLAKE3 hash of every file. The [`BackupReceipt`] binds both.
//!
//! Extended attributes are not archived. Hard links become files of their own.

mod backup;
mod error;
pub(crate) mod io;
mod receipt;
mod restore;
mod verify;

pub use backup::{BackupRequest, DEFAULT_EXCLUDES, backup};
pub use error::ArchiveError;
pub use receipt::{BackupReceipt, manifest_path};
pub use restore::{RestoreReport, restore};
pub use verify::verify;
