//! Everything the agent does with files beneath a Carbon home.
//!
//! All work is relative to a [`Root`], a directory handle that no symlink and no `..` leads out of. The code is
//! synchronous: callers run it on a blocking thread, hand in a [`Progress`] to be told how far it is and a
//! [`Cancel`] to stop it.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`beneath`] | opens a root and what lies under it |
//! | [`atomic`] | replaces one file so that no reader ever sees half of it |
//! | [`tree`] | copies, hashes and compares directory trees; undoes a copy after any crash |
//! | [`carry`] | copies single files picked by patterns, with the same journal and undo |
//! | [`archive`] | backs up a home into a verified `tar.zst` and restores it |
//! | [`unpack`] | unpacks a distribution zip that is not trusted |
//! | [`remove`] | removes a tree without following links |
//! | [`space`], [`hash`] | free space of a file system; digests of files |

pub mod archive;
pub mod atomic;
pub mod beneath;
pub mod carry;
pub mod error;
pub mod hash;
mod meta;
pub mod path;
mod pattern;
pub mod progress;
pub mod remove;
pub mod space;
pub mod tree;
pub mod unpack;
mod walk;
mod workers;

pub use beneath::Root;
pub use error::FileError;
pub use hash::Digest;
pub use meta::{Kind, Mtime};
pub use path::RelPath;
pub use progress::{Cancel, NoProgress, Progress};
