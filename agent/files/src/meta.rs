//! What the system knows of a file, reduced to what copies and hashes need.

use rustix::fs::{FileType, Stat, Timespec, Timestamps};
use serde::{Deserialize, Serialize};

/// The kinds of entries that are copied, archived and hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link, taken as itself and never followed.
    Link,
    /// A socket, pipe or device: nothing that a home's content consists of.
    Special,
}

impl Kind {
    /// The name used in messages.
    pub fn noun(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Dir => "directory",
            Self::Link => "symbolic link",
            Self::Special => "socket, pipe or device",
        }
    }
}

/// When a file's content was last changed, to the nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mtime(
    /// Seconds since 1970.
    pub i64,
    /// Nanoseconds after them.
    pub u32,
);

impl Mtime {
    pub(crate) fn timestamps(self) -> Timestamps {
        let time = Timespec {
            tv_sec: self.0,
            tv_nsec: self.1.into(),
        };
        Timestamps {
            last_access: time,
            last_modification: time,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Meta {
    pub(crate) kind: Kind,
    /// Permission bits with set-id and sticky, without the kind.
    pub(crate) mode: u32,
    pub(crate) size: u64,
    pub(crate) mtime: Mtime,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) dev: u64,
    pub(crate) ino: u64,
}

impl Meta {
    /// Whether the content can be the same as when `other` was taken of the same file.
    pub(crate) fn unchanged_since(&self, other: &Self) -> bool {
        self.size == other.size && self.mtime == other.mtime && self.ino == other.ino && self.dev == other.dev
    }

    pub(crate) fn same_inode(&self, other: &Self) -> bool {
        self.ino == other.ino && self.dev == other.dev
    }
}

impl From<Stat> for Meta {
    fn from(stat: Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Dir,
            FileType::Symlink => Kind::Link,
            FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => Kind::Special,
        };
        Self {
            kind,
            mode: stat.st_mode & 0o7777,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime: Mtime(stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or(0)),
            uid: stat.st_uid,
            gid: stat.st_gid,
            dev: stat.st_dev,
            ino: stat.st_ino,
        }
    }
}
