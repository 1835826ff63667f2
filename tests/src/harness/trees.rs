//! Folders as maps of paths to hashes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use walkdir::WalkDir;

/// SHA-256 of a file.
///
/// # Errors
/// When it can't be read.
pub fn file_hash(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    Ok(hex::encode(Sha256::digest(bytes)))
}

/// Every file, folder and link below `root`: its path there, its mode, and its hash or target. Empty when there
/// is no such folder.
///
/// # Errors
/// When something below it can't be read.
pub fn tree(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut entries = BTreeMap::new();
    if !root.exists() {
        return Ok(entries);
    }
    for entry in WalkDir::new(root).min_depth(1) {
        let entry = entry?;
        let path = entry.path().strip_prefix(root)?.to_string_lossy().into_owned();
        let kind = entry.file_type();
        let what = if kind.is_symlink() {
            format!("link to {}", fs::read_link(entry.path())?.display())
        } else {
            let mode = entry.metadata()?.permissions().mode() & 0o7777;
            let hash = if kind.is_dir() {
                "folder".to_owned()
            } else {
                file_hash(entry.path())?
            };
            format!("{mode:o} {hash}")
        };
        entries.insert(path, what);
    }
    Ok(entries)
}
