//! What a copy and its undo report.

use serde::{Deserialize, Serialize};

use crate::hash::Digest;
use crate::path::RelPath;

/// What a copy did. All paths are relative to the root of the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyReport {
    /// Files of the source that the target now has.
    pub files: u64,
    /// Directories of the source.
    pub dirs: u64,
    /// Symbolic links of the source.
    pub links: u64,
    /// Bytes in those files.
    pub bytes: u64,
    /// Files that needed no copying: an earlier run had copied them, or the target had the same content and mode.
    pub reused: u64,
    /// Bytes that were copied by this call.
    pub bytes_copied: u64,
    /// Files and links the target had with other content. Preserved in the keep directory, restored by undo.
    pub overwritten: Vec<RelPath>,
    /// Files and links only the target has. Untouched.
    pub kept_own: Vec<RelPath>,
    /// Files and links both have, with other content in the target, where they were before the copy and stay.
    pub kept: Vec<RelPath>,
    /// What an earlier run of this copy had made and the source no longer has: taken back.
    pub withdrawn: Vec<RelPath>,
    /// Files this copy had made and somebody changed since: moved aside in the keep directory, then replaced.
    pub set_aside: Vec<RelPath>,
    /// Extended attributes that the target's file system or the process's rights did not allow.
    pub attributes_lost: u64,
    /// [`tree_hash`](crate::tree::tree_hash) of what was copied, as the source has it; without what is in `kept`.
    pub tree_hash: Digest,
}

/// What an undo did. All paths are relative to the root of the target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoReport {
    /// Files and links that were removed because the copy had made them.
    pub removed: u64,
    /// Directories that were removed because the copy had made them.
    pub dirs_removed: u64,
    /// Files and links whose originals were put back.
    pub restored: u64,
    /// Files the copy had made and somebody changed since: moved aside in the keep directory instead of deleted.
    pub set_aside: Vec<RelPath>,
    /// Directories the copy had made that stay, because somebody else's files are in them.
    pub dirs_left: Vec<RelPath>,
}
