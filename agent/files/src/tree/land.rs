//! Putting staged files into their places.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, RenameFlags};
use rustix::io::Errno;

use crate::beneath::{self, Root};
use crate::error::{Context, FileError};
use crate::tree::TreeError;
use crate::tree::keep::Keep;
use crate::tree::manifest::open_parent;
use crate::tree::plan::{Action, NewDir, Op};
use crate::tree::stage;

/// Where things land.
#[derive(Debug)]
pub(crate) struct Landing<'a> {
    pub(crate) to: &'a Root,
    pub(crate) keep: &'a Keep<'a>,
}

impl Landing<'_> {
    /// Makes directories that are missing, for their owner alone until [`Landing::finish_dir`].
    pub(crate) fn make_dir(&self, dir: &NewDir) -> Result<(), TreeError> {
        let parent = open_parent(self.to, &dir.path)?;
        let name = dir.path.name().unwrap_or_default();
        match rustix::fs::mkdirat(&parent, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(error) => {
                Err(FileError::writing("make directory", &self.to.full(&dir.path), 0, error).into())
            }
        }
    }

    /// Gives a new directory its owner, mode, attributes and time, once nothing changes in it any more.
    pub(crate) fn finish_dir(&self, dir: &NewDir, source: Option<OwnedFd>) -> Result<u64, TreeError> {
        let shown = || self.to.full(&dir.path);
        let fd = beneath::open_dir(self.to.fd(), &dir.path).on("open directory", shown)?;
        let lost = source.map_or(0, |source| stage::copy_attributes(source, &fd));
        match &dir.marks {
            Some(meta) => stage::mark(fd.as_fd(), meta, stage::gives()).on("set the mode of", shown)?,
            None => rustix::fs::fchmod(&fd, Mode::from_raw_mode(0o755)).on("set the mode of", shown)?,
        }
        Ok(lost)
    }

    /// Preserves the original of a file that is going to be replaced.
    pub(crate) fn preserve(&self, op: &Op) -> Result<(), TreeError> {
        let shown = || self.to.full(&op.path);
        let parent = open_parent(self.to, &op.path)?;
        let name = op.path.name().unwrap_or_default();
        let there = beneath::look(&parent, name).on("look at", shown)?;
        let kept = self.keep.look_kept(op.number).on("look at", shown)?;
        match (there, kept) {
            (Some(there), Some(kept)) if there.same_inode(&kept) => Ok(()),
            _ => Ok(self
                .keep
                .preserve(&parent, name, op.number)
                .on("preserve", shown)?),
        }
    }

    /// Renames staged files into one directory.
    pub(crate) fn land(&self, ops: &[&Op]) -> Result<(), TreeError> {
        let Some(first) = ops.first() else { return Ok(()) };
        let parent = open_parent(self.to, &first.path)?;
        for op in ops {
            self.land_one(&parent, op)?;
        }
        Ok(())
    }

    fn land_one(&self, parent: &OwnedFd, op: &Op) -> Result<(), TreeError> {
        let shown = self.to.full(&op.path);
        let name = op.path.name().unwrap_or_default();
        let (stage, staged) = self.keep.staged(op.number);
        let renamed = match op.action {
            Action::Make => rename_new(stage, &staged, parent, name),
            Action::Replace | Action::Rewrite => {
                rustix::fs::renameat(stage, &staged, parent, name).map_err(io::Error::from)
            }
            Action::Aside => self
                .keep
                .set_aside(parent, name, op.number)
                .and_then(|()| rename_new(stage, &staged, parent, name)),
        };
        renamed.map_err(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                TreeError::Appeared { path: shown }
            } else if error.kind() == io::ErrorKind::CrossesDevices {
                TreeError::OtherFileSystem {
                    path: shown,
                    keep: self.keep.root().path().to_owned(),
                }
            } else {
                FileError::writing("land", &shown, 0, error).into()
            }
        })
    }
}

/// Renames to a name that must be free.
fn rename_new(from: &OwnedFd, old: &str, to: &OwnedFd, new: &std::ffi::OsStr) -> io::Result<()> {
    match rustix::fs::renameat_with(from, old, to, new, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        // The file system, or a kernel older than 3.15, does not know the flag.
        Err(Errno::INVAL | Errno::NOSYS) => match beneath::look(to, new)? {
            Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
            None => Ok(rustix::fs::renameat(from, old, to, new)?),
        },
        Err(error) => Err(error.into()),
    }
}
