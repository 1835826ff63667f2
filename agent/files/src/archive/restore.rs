//! Restoring a home from its archive.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use serde::{Deserialize, Serialize};

use crate::archive::ArchiveError;
use crate::archive::verify::{Step, read_archive, read_manifest};
use crate::beneath::{self, Root};
use crate::error::{Context, FileError};
use crate::hash::{CHUNK, Digest};
use crate::meta::{Kind, Meta};
use crate::progress::{Cancel, Progress};
use crate::space;
use crate::tree::Entry;
use crate::tree::manifest::{hash_entries, open_parent};
use crate::tree::stage;
use crate::unpack::staging::Staging;

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreReport {
    /// Files, directories and links.
    pub entries: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// [`tree_hash`](crate::tree::tree_hash) of what was restored.
    pub tree_hash: Digest,
}

/// Restores a home from an archive and the manifest beside it: into a directory beside `target`, every file checked
/// against its hash while it is written, then renamed to `target`, which must not exist or be empty. Owners are
/// restored when this process is root. [Verify](crate::archive::verify) the archive against its receipt first: only
/// that proves that it is the one that was taken.
pub fn restore(
    archive: &Path,
    target: &Path,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<RestoreReport, ArchiveError> {
    let entries = read_manifest(archive)?;
    let bytes = entries.iter().map(|entry| entry.size).sum();
    let occupied = || ArchiveError::Occupied {
        path: target.to_owned(),
    };
    let staging = Staging::create(target)?.ok_or_else(occupied)?;
    space::ensure(staging.root().path(), bytes, &|path| space::free_bytes(path))?;
    progress.total(entries.len() as u64, bytes);
    let restorer = Restorer {
        root: staging.root(),
        gives: stage::gives(),
        needed: bytes,
        progress,
        cancel,
    };
    read_archive(archive, &entries, cancel, &mut |entry, content| {
        restorer.restore(entry, content)?;
        progress.add(1, 0);
        Ok(())
    })?;
    // Directories last and from the bottom up: their times change with what is put into them.
    for entry in entries.iter().rev().filter(|entry| entry.kind == Kind::Dir) {
        let dir = beneath::open_dir(restorer.root.fd(), &entry.path);
        let marked = dir.and_then(|dir| stage::mark(dir.as_fd(), &meta(entry), restorer.gives));
        marked.on("set the mode of", || restorer.root.full(&entry.path))?;
    }
    staging.publish()?;
    Ok(RestoreReport {
        entries: entries.len() as u64,
        bytes,
        tree_hash: hash_entries(&entries),
    })
}

struct Restorer<'a> {
    root: &'a Root,
    gives: Option<(u32, u32)>,
    needed: u64,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
}

impl Restorer<'_> {
    fn restore(&self, entry: &Entry, content: &mut dyn Read) -> Result<(), Step> {
        let parent = open_parent(self.root, &entry.path)?;
        let name = entry.path.name().unwrap_or_default();
        let shown = || self.root.full(&entry.path);
        match entry.kind {
            // The home itself; it is there and gets its marks at the end.
            Kind::Dir if entry.path.is_root() => {}
            Kind::Dir => rustix::fs::mkdirat(&parent, name, Mode::RWXU).on("make directory", shown)?,
            Kind::Link => {
                let to = entry.link.as_ref().map_or(&[] as &[u8], |link| &link.0);
                rustix::fs::symlinkat(to, &parent, name).on("make", shown)?;
                if self.gives.is_some_and(|own| own != (entry.uid, entry.gid)) {
                    let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
                    rustix::fs::chownat(&parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
                        .on("set the owner of", shown)?;
                }
                rustix::fs::utimensat(
                    &parent,
                    name,
                    &entry.mtime.timestamps(),
                    AtFlags::SYMLINK_NOFOLLOW,
                )
                .on("set the time of", shown)?;
            }
            Kind::File => {
                let flags =
                    OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let file =
                    rustix::fs::openat(&parent, name, flags, Mode::RUSR | Mode::WUSR).on("make", shown)?;
                let mut file = File::from(file);
                if Some(self.pour(&mut file, content, &shown())?) != entry.blake3 {
                    return Err(Step::Entry("has other content than the manifest says"));
                }
                stage::mark(file.as_fd(), &meta(entry), self.gives).on("set the mode of", shown)?;
            }
            Kind::Special => return Err(Step::Entry("is of a kind that is never archived")),
        }
        Ok(())
    }

    fn pour(&self, file: &mut File, content: &mut dyn Read, shown: &Path) -> Result<Digest, Step> {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; CHUNK];
        loop {
            self.cancel.check()?;
            let read = content.read(&mut buffer).map_err(Step::Read)?;
            let chunk = buffer.get(..read).unwrap_or_default();
            if chunk.is_empty() {
                return Ok(hasher.finalize().into());
            }
            hasher.update(chunk);
            file.write_all(chunk)
                .map_err(|error| FileError::writing("write", shown, self.needed, error))?;
            self.progress.add(0, read as u64);
        }
    }
}

fn meta(entry: &Entry) -> Meta {
    Meta {
        kind: entry.kind,
        mode: entry.mode & 0o7777,
        size: entry.size,
        mtime: entry.mtime,
        uid: entry.uid,
        gid: entry.gid,
        dev: 0,
        ino: 0,
    }
}
