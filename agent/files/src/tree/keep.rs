//! The keep directory: journal, staged files, preserved originals.
//!
//! ```text
//! journal.jsonl     what is going to be done
//! stage/<n/64>/<n>  complete files that have not landed yet
//! kept/<n>          originals that were replaced
//! aside/<n>         files of this copy that somebody had changed
//! ```

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::beneath::{self, Root};
use crate::error::{Context, FileError};
use crate::meta::Meta;
use crate::path::RelPath;
use crate::remove;
use crate::tree::TreeError;

/// How many staged files share a directory. Few enough that threads seldom queue for one directory's lock and that
/// ext4, which keeps a directory's files in its own group of inodes, spreads them as it spreads the real tree.
const SHARD: u64 = 64;

/// The keep directory of one copy, locked against a second user.
#[derive(Debug)]
pub(crate) struct Keep<'a> {
    root: &'a Root,
    dev: u64,
    stage: OwnedFd,
    kept: OwnedFd,
    aside: OwnedFd,
    lock: OwnedFd,
}

/// Closing it does not suffice: a child that was just forked has the descriptor until it runs its own program.
impl Drop for Keep<'_> {
    fn drop(&mut self) {
        rustix::fs::flock(&self.lock, FlockOperation::Unlock).ok();
    }
}

impl<'a> Keep<'a> {
    pub(crate) fn open(root: &'a Root) -> Result<Self, TreeError> {
        let lock =
            beneath::open_dir(root.fd(), &RelPath::root()).on("open directory", || root.path().to_owned())?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(TreeError::Busy {
                    keep: root.path().to_owned(),
                });
            }
            Err(error) => return Err(FileError::new("lock", root.path(), error).into()),
        }
        let stat = rustix::fs::fstat(&lock).on("look at", || root.path().to_owned())?;
        Ok(Self {
            root,
            dev: Meta::from(stat).dev,
            stage: Self::dir(root, &lock, "stage")?,
            kept: Self::dir(root, &lock, "kept")?,
            aside: Self::dir(root, &lock, "aside")?,
            lock,
        })
    }

    /// Opens a directory and makes it when it is missing.
    fn dir(root: &Root, base: &OwnedFd, name: &str) -> Result<OwnedFd, FileError> {
        match rustix::fs::mkdirat(base, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => {
                return Err(FileError::writing(
                    "make directory",
                    &root.path().join(name),
                    0,
                    error,
                ));
            }
        }
        beneath::open_dir(base.as_fd(), &RelPath::root().child(name.as_bytes()))
            .on("open directory", || root.path().join(name))
    }

    pub(crate) fn root(&self) -> &Root {
        self.root
    }

    /// The file system it is on.
    pub(crate) fn dev(&self) -> u64 {
        self.dev
    }

    /// Where a file is staged: a path of two names from a directory handle.
    pub(crate) fn staged(&self, number: u64) -> (&OwnedFd, String) {
        (&self.stage, format!("{}/{number}", number / SHARD))
    }

    /// The path of a staged file, for messages.
    pub(crate) fn staged_path(&self, number: u64) -> PathBuf {
        self.root
            .path()
            .join(format!("stage/{}/{number}", number / SHARD))
    }

    /// Makes the directories that these files are staged in.
    pub(crate) fn make_shards(&self, numbers: impl Iterator<Item = u64>) -> Result<(), FileError> {
        let shards: BTreeSet<u64> = numbers.map(|number| number / SHARD).collect();
        for shard in shards {
            match rustix::fs::mkdirat(&self.stage, shard.to_string(), Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => {
                    let path = self.root.path().join(format!("stage/{shard}"));
                    return Err(FileError::writing("make directory", &path, 0, error));
                }
            }
        }
        Ok(())
    }

    /// Opens a staged file for reading.
    pub(crate) fn open_staged(&self, number: u64) -> io::Result<File> {
        let (dir, path) = self.staged(number);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(dir, path, flags, Mode::empty())?.into())
    }

    /// Looks at a staged file.
    pub(crate) fn look_staged(&self, number: u64) -> io::Result<Option<Meta>> {
        let (dir, name) = self.staged(number);
        beneath::look(dir, name)
    }

    /// Looks at a preserved original.
    pub(crate) fn look_kept(&self, number: u64) -> io::Result<Option<Meta>> {
        beneath::look(&self.kept, number.to_string())
    }

    /// Preserves the file under `name`: a second link, so that it never stops being there. Where links are not
    /// allowed it is moved.
    pub(crate) fn preserve(&self, dir: &OwnedFd, name: &std::ffi::OsStr, number: u64) -> io::Result<()> {
        let kept = number.to_string();
        match rustix::fs::linkat(dir, name, &self.kept, &kept, AtFlags::empty()) {
            Ok(()) => Ok(()),
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::MLINK) => {
                Ok(rustix::fs::renameat(dir, name, &self.kept, &kept)?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Puts a preserved original back, over whatever is there. Renaming a file over its own second link does
    /// nothing, so the link that is left is removed.
    pub(crate) fn restore(&self, number: u64, dir: &OwnedFd, name: &std::ffi::OsStr) -> io::Result<()> {
        let kept = number.to_string();
        rustix::fs::renameat(&self.kept, &kept, dir, name)?;
        match rustix::fs::unlinkat(&self.kept, &kept, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Moves a file that is nobody's to delete out of the way, under the first free name.
    pub(crate) fn set_aside(&self, dir: &OwnedFd, name: &std::ffi::OsStr, number: u64) -> io::Result<()> {
        let mut free = number.to_string();
        while beneath::look(&self.aside, &free)?.is_some() {
            free.push('+');
        }
        Ok(rustix::fs::renameat(dir, name, &self.aside, &free)?)
    }

    /// Makes sure the journal's name is on the disk.
    pub(crate) fn sync_own(&self) -> Result<(), FileError> {
        rustix::fs::fsync(&self.lock).on("sync", || self.root.path().to_owned())
    }

    /// Makes sure the preserved originals' names are on the disk.
    pub(crate) fn sync_kept(&self) -> Result<(), FileError> {
        rustix::fs::fsync(&self.kept).on("sync", || self.root.path().join("kept"))
    }

    /// Makes sure everything written to its file system is on the disk.
    pub(crate) fn sync_all(&self) -> Result<(), FileError> {
        rustix::fs::syncfs(&self.kept).on("sync the file system of", || self.root.path().to_owned())
    }

    /// Removes staged files that will not land any more.
    pub(crate) fn clear_stage(&self) -> Result<(), TreeError> {
        remove::empty(self.stage.as_fd(), &self.root.path().join("stage"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_when_given_up_then_free_though_a_forked_child_has_its_descriptor_still() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path()).unwrap();
        let keep = Keep::open(&root).unwrap();
        let of_the_child = rustix::io::dup(&keep.lock).unwrap();
        assert!(matches!(Keep::open(&root), Err(TreeError::Busy { .. })));
        drop(keep);
        Keep::open(&root).unwrap();
        drop(of_the_child);
    }
}
