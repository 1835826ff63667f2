//! The evidence a backup leaves.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::hash::Digest;
use crate::path::RelPath;

/// What a backup consists of, enough to prove it later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupReceipt {
    /// The archive.
    pub file: PathBuf,
    /// Its bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Digest,
    /// How many files, directories and links it holds.
    pub entries: u64,
    /// Bytes of content it holds.
    pub content_bytes: u64,
    /// SHA-256 of the manifest beside it.
    pub manifest_sha256: Digest,
    /// [`tree_hash`](crate::tree::tree_hash) of what it holds.
    pub tree_hash: Digest,
    /// What matched a pattern and was left out, the topmost path of each.
    pub excluded: Vec<RelPath>,
    /// Sockets, pipes and devices, which have no content.
    pub skipped: Vec<RelPath>,
    /// Files that were written to while they were read: the archive holds them as they were read, which may be no
    /// state they ever had. Empty when the server was stopped; log files otherwise.
    pub changed_while_read: Vec<RelPath>,
    /// Files that were gone when their turn came.
    pub vanished: Vec<RelPath>,
}

/// Where the manifest of an archive stands.
pub fn manifest_path(archive: &Path) -> PathBuf {
    with_suffix(archive, ".manifest")
}

/// A path with something appended to its last name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
