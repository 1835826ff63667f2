//! Directory trees: copying, undoing a copy, hashing and comparing.
//!
//! # How a copy works
//!
//! 1. **Scan** both trees. Conflicts, a source that is a Carbon configuration directory, a full disk: all of this is
//!    found here, before anything is changed.
//! 2. **Compare** by content what the target already has, so that equal files are not copied.
//! 3. **Journal** every directory that will be made and every file that will be made or replaced, in the caller's
//!    keep directory, and sync it.
//! 4. **Stage** the files under numbers in the keep directory: read once, hashed while read, written, read back from
//!    the target's file system and compared with what was read, given owner, mode, extended attributes and times.
//!    The source is looked at again afterwards; one that changed meanwhile is an error.
//! 5. **Sync** the file system once (`syncfs`), which costs a fraction of one `fsync` per file.
//! 6. **Keep** what is about to be replaced, by a second hard link in the keep directory, and sync that.
//! 7. **Land** the staged files by `rename`. A file of the target is therefore always absent, old or new and never
//!    half, for running servers and after a power cut alike: nothing lands that is not on the disk.
//! 8. Finish the directories' marks, sync again, and journal the completion.
//!
//! What the target had before the copy first ran is replaced, or stays ([`Existing`]); what an earlier run made is
//! known from the journal and never taken for the target's own.
//!
//! Running the same copy again goes on where it stopped; running it again after the source has changed copies what
//! changed and withdraws what the source no longer has, if this copy had made it. [`undo_copy`] works from the
//! journal alone, after a crash at any instant, any number of times.
//!
//! Hard links between source files are not preserved: each becomes a file of its own.

mod compare;
mod copy;
mod error;
mod journal;
mod keep;
mod land;
pub(crate) mod manifest;
mod plan;
mod report;
mod run;
pub(crate) mod stage;
mod target;
mod undo;

pub use compare::{Comparison, compare};
pub use copy::{CopyRequest, Existing, copy_tree};
pub(crate) use copy::{Job, Selection, execute};
pub use error::TreeError;
pub use manifest::{Entry, manifest, tree_hash};
pub use report::{CopyReport, UndoReport};
pub use undo::undo_copy;
