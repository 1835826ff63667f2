//! Writing complete files into the keep directory, ready to land.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid, XattrFlags};
use rustix::io::Errno;

use crate::beneath::{self, Root};
use crate::error::{Context, FileError};
use crate::hash::{CHUNK, Digest};
use crate::meta::Meta;
use crate::path::RelPath;
use crate::progress::{Cancel, Progress};
use crate::tree::TreeError;
use crate::tree::keep::Keep;
use crate::tree::manifest;
use crate::tree::plan::Op;
use crate::walk::Node;

/// What all threads that stage files share.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) from: &'a Root,
    pub(crate) keep: &'a Keep<'a>,
    /// User and group of new files, when this process may give them away.
    pub(crate) gives: Option<(u32, u32)>,
    /// Bytes the whole copy needs, for the message when the disk fills up.
    pub(crate) needed: u64,
    pub(crate) progress: &'a dyn Progress,
    pub(crate) cancel: &'a Cancel,
}

/// What one thread needs to itself.
#[derive(Debug)]
pub(crate) struct Scratch {
    read: Vec<u8>,
    back: Vec<u8>,
    dir: Option<(RelPath, OwnedFd)>,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self {
            read: vec![0; CHUNK],
            back: vec![0; CHUNK],
            dir: None,
        }
    }

    /// The directory of a path; opened once for neighbours.
    pub(crate) fn parent(&mut self, base: &Root, path: &RelPath) -> Result<BorrowedFd<'_>, FileError> {
        let parent = path.parent().unwrap_or_default();
        let dir = match self.dir.take() {
            Some(dir) if dir.0 == parent => dir,
            Some(_) | None => {
                let fd = beneath::open_dir(base.fd(), &parent).on("open directory", || base.full(&parent))?;
                (parent, fd)
            }
        };
        Ok(self.dir.insert(dir).1.as_fd())
    }

    /// The buffers next to the directory that is open.
    pub(crate) fn split(&mut self) -> (&mut [u8], &mut [u8]) {
        (&mut self.read, &mut self.back)
    }
}

/// The outcome of staging one entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Staged {
    pub(crate) hash: Option<Digest>,
    pub(crate) attributes_lost: u64,
}

impl Stage<'_> {
    /// Stages a file or link of the source.
    pub(crate) fn stage(&self, op: &Op, node: &Node, scratch: &mut Scratch) -> Result<Staged, TreeError> {
        self.cancel.check()?;
        match &node.link {
            Some(to) => {
                self.stage_link(op, node, to)
                    .map_err(|error| self.write_error(op, error))?;
                self.progress.add(1, 0);
                Ok(Staged {
                    hash: None,
                    attributes_lost: 0,
                })
            }
            None => self.stage_file(op, node, scratch),
        }
    }

    fn stage_link(&self, op: &Op, node: &Node, to: &[u8]) -> io::Result<()> {
        let (dir, name) = self.keep.staged(op.number);
        clear(dir, &name)?;
        rustix::fs::symlinkat(to, dir, &name)?;
        if self
            .gives
            .is_some_and(|own| own != (node.meta.uid, node.meta.gid))
        {
            let (uid, gid) = (Uid::from_raw(node.meta.uid), Gid::from_raw(node.meta.gid));
            rustix::fs::chownat(dir, &name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        rustix::fs::utimensat(
            dir,
            &name,
            &node.meta.mtime.timestamps(),
            AtFlags::SYMLINK_NOFOLLOW,
        )?;
        Ok(())
    }

    fn stage_file(&self, op: &Op, node: &Node, scratch: &mut Scratch) -> Result<Staged, TreeError> {
        let shown = || self.from.full(&node.path);
        let parent = scratch.parent(self.from, &node.path)?;
        let mut source = manifest::open_file(parent, &node.path).on("open", shown)?;
        let staged = self
            .create(op.number)
            .map_err(|error| self.write_error(op, error))?;
        let hash = self.pour(&mut source, &staged, op, node, scratch)?;
        let attributes_lost = copy_attributes(&source, &staged);
        self.mark(&staged, &node.meta)
            .map_err(|error| self.write_error(op, error))?;
        let after = Meta::from(rustix::fs::fstat(&source).on("look at", shown)?);
        if !after.unchanged_since(&node.meta) {
            return Err(TreeError::SourceChanged { path: shown() });
        }
        self.progress.add(1, 0);
        Ok(Staged {
            hash: Some(hash),
            attributes_lost,
        })
    }

    fn create(&self, number: u64) -> io::Result<File> {
        let (dir, name) = self.keep.staged(number);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        match rustix::fs::openat(dir, &name, flags, mode) {
            Ok(file) => Ok(file.into()),
            Err(Errno::EXIST) => {
                // An earlier run got this far and the source has changed since, or the file is not complete.
                clear(dir, &name)?;
                Ok(rustix::fs::openat(dir, &name, flags, mode)?.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Copies the content: what is read is hashed, written, read back and compared.
    fn pour(
        &self,
        source: &mut File,
        staged: &File,
        op: &Op,
        node: &Node,
        scratch: &mut Scratch,
    ) -> Result<Digest, TreeError> {
        let (buffer, back) = scratch.split();
        let mut hasher = blake3::Hasher::new();
        let mut offset = 0;
        while offset < node.meta.size {
            self.cancel.check()?;
            let read = source.read(buffer).on("read", || self.from.full(&node.path))?;
            let (Some(chunk), Some(back)) = (buffer.get(..read), back.get_mut(..read)) else {
                break;
            };
            if chunk.is_empty() {
                break;
            }
            hasher.update(chunk);
            staged
                .write_all_at(chunk, offset)
                .map_err(|error| self.write_error(op, error))?;
            staged
                .read_exact_at(back, offset)
                .on("read back", || self.keep.staged_path(op.number))?;
            if chunk != back {
                return Err(TreeError::Corrupted {
                    path: self.keep.staged_path(op.number),
                    target: op.path.clone(),
                });
            }
            offset += read as u64;
            self.progress.add(0, read as u64);
        }
        if offset != node.meta.size {
            return Err(TreeError::SourceChanged {
                path: self.from.full(&node.path),
            });
        }
        Ok(hasher.finalize().into())
    }

    /// Owner before mode, because changing the owner clears set-id bits; times last, because they tell a later run
    /// that the file is complete.
    fn mark(&self, staged: &File, meta: &Meta) -> io::Result<()> {
        mark(staged.as_fd(), meta, self.gives)
    }

    fn write_error(&self, op: &Op, error: io::Error) -> TreeError {
        FileError::writing("write", &self.keep.staged_path(op.number), self.needed, error).into()
    }
}

/// Gives a file or directory the owner, mode and time of another.
pub(crate) fn mark(fd: BorrowedFd<'_>, meta: &Meta, gives: Option<(u32, u32)>) -> io::Result<()> {
    if gives.is_some_and(|own| own != (meta.uid, meta.gid)) {
        rustix::fs::fchown(fd, Some(Uid::from_raw(meta.uid)), Some(Gid::from_raw(meta.gid)))?;
    }
    rustix::fs::fchmod(fd, Mode::from_raw_mode(meta.mode))?;
    rustix::fs::futimens(fd, &meta.mtime.timestamps())?;
    Ok(())
}

/// User and group that new files get, when this process is root and so may change them.
pub(crate) fn gives() -> Option<(u32, u32)> {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    user.is_root().then(|| (user.as_raw(), group.as_raw()))
}

fn clear(dir: &OwnedFd, name: &str) -> io::Result<()> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Copies extended attributes, access lists among them, as far as the target allows. Returns how many were not
/// taken.
pub(crate) fn copy_attributes(source: impl AsFd, target: impl AsFd) -> u64 {
    let mut small = [0_u8; 512];
    let names = match rustix::fs::flistxattr(&source, &mut small[..]) {
        // The common case, at the price of one system call.
        Ok(0) => return 0,
        Ok(length) => small.get(..length).unwrap_or_default().to_vec(),
        Err(Errno::RANGE) => {
            let mut names = vec![0; 64 * 1024];
            let length = rustix::fs::flistxattr(&source, &mut names[..]).unwrap_or(0);
            names.truncate(length);
            names
        }
        Err(_) => return 0,
    };
    let mut lost = 0;
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 64 * 1024];
        let copied = rustix::fs::fgetxattr(&source, name, &mut value[..]).and_then(|length| {
            rustix::fs::fsetxattr(
                &target,
                name,
                value.get(..length).unwrap_or_default(),
                XattrFlags::empty(),
            )
        });
        lost += u64::from(copied.is_err());
    }
    lost
}
