//! Writing a zip's content.

use std::fs::File;
use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use serde::{Deserialize, Serialize};
use zip::ZipArchive;

use crate::beneath::{self, Root};
use crate::error::{Context, FileError};
use crate::hash::{CHUNK, Digest};
use crate::path::RelPath;
use crate::progress::{Cancel, NoProgress, Progress};
use crate::space;
use crate::tree;
use crate::tree::manifest::open_parent;
use crate::unpack::UnpackError;
use crate::unpack::contents::{self, Contents, Item, MAX_LINK};
use crate::unpack::reader::SharedReader;
use crate::unpack::staging::Staging;
use crate::workers;

/// A distribution to unpack.
#[derive(Debug)]
pub struct UnpackRequest<'a> {
    /// The zip.
    pub zip: &'a Path,
    /// The new home. Must not exist, or be an empty directory.
    pub dest: &'a Path,
    /// The name of the zip's top directory, such as `wso2dss-3.2.0`, when it is known. It is stripped.
    pub expect_top: Option<&'a str>,
    /// The most bytes the content may have.
    pub max_bytes: u64,
    /// User and group that everything gets; those of this process when not given.
    pub owner: Option<(u32, u32)>,
    /// Threads; one per core when not given.
    pub workers: Option<NonZeroUsize>,
    /// Told how far it is.
    pub progress: &'a dyn Progress,
    /// Stops it.
    pub cancel: &'a Cancel,
}

/// What was unpacked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnpackReport {
    /// The zip's top directory, which was stripped.
    pub top: String,
    /// Files.
    pub files: u64,
    /// Symbolic links.
    pub links: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// [`tree_hash`](crate::tree::tree_hash) of the new home, read back from it.
    pub tree_hash: Digest,
}

/// Unpacks a zip into a new home. Every entry is checked against its CRC, the unpacked tree is synced and read back,
/// then renamed into place. Permission bits are kept, without set-id bits; times are those of the unpacking.
pub fn unpack_zip(request: &UnpackRequest<'_>) -> Result<UnpackReport, UnpackError> {
    let file = File::open(request.zip).on("open", || request.zip.to_owned())?;
    let reader = SharedReader::new(file).on("look at", || request.zip.to_owned())?;
    let zip = ZipArchive::new(reader).map_err(|source| UnpackError::Zip {
        path: request.zip.to_owned(),
        source,
    })?;
    let contents = contents::list(request.zip, &zip, request.expect_top, request.max_bytes)?;
    let occupied = || UnpackError::Occupied {
        path: request.dest.to_owned(),
    };
    let staging = Staging::create(request.dest)?.ok_or_else(occupied)?;
    let needed = contents.bytes + 4096 * (contents.files.len() + contents.dirs.len()) as u64;
    space::ensure(staging.root().path(), needed, &|path| space::free_bytes(path))?;
    request.progress.total(
        (contents.files.len() + contents.links.len()) as u64,
        contents.bytes,
    );

    let unpacking = Unpacking {
        request,
        root: staging.root(),
        needed,
        written: AtomicU64::new(0),
    };
    unpacking.make_dirs(&contents)?;
    let workers = workers::count(request.workers);
    let state = || (zip.clone(), vec![0; CHUNK]);
    workers::run(workers, &contents.files, state, |(zip, buffer), item| {
        unpacking.file(zip, item, buffer)
    })?;
    let mut zip = zip;
    for link in &contents.links {
        unpacking.link(&mut zip, link)?;
    }
    unpacking.finish_dirs(&contents)?;
    let tree_hash = tree::tree_hash(staging.root(), "", request.workers, &NoProgress, request.cancel)?;
    staging.publish()?;
    Ok(UnpackReport {
        top: contents.top,
        files: contents.files.len() as u64,
        links: contents.links.len() as u64,
        bytes: contents.bytes,
        tree_hash,
    })
}

struct Unpacking<'a> {
    request: &'a UnpackRequest<'a>,
    root: &'a Root,
    needed: u64,
    written: AtomicU64,
}

impl Unpacking<'_> {
    fn make_dirs(&self, contents: &Contents) -> Result<(), UnpackError> {
        for path in contents.dirs.keys() {
            let parent = open_parent(self.root, path)?;
            rustix::fs::mkdirat(&parent, path.name().unwrap_or_default(), Mode::RWXU)
                .map_err(|error| self.write_error(path, error.into()))?;
        }
        Ok(())
    }

    fn finish_dirs(&self, contents: &Contents) -> Result<(), UnpackError> {
        let top = (RelPath::root(), 0o755);
        let dirs = contents.dirs.iter().map(|(path, mode)| (path.clone(), *mode));
        for (path, mode) in dirs.chain([top]) {
            let dir =
                beneath::open_dir(self.root.fd(), &path).on("open directory", || self.root.full(&path))?;
            self.give(dir.as_fd(), &path)?;
            rustix::fs::fchmod(&dir, Mode::from_raw_mode(mode))
                .on("set the mode of", || self.root.full(&path))?;
        }
        Ok(())
    }

    fn file(
        &self,
        zip: &mut ZipArchive<SharedReader>,
        item: &Item,
        buffer: &mut [u8],
    ) -> Result<(), UnpackError> {
        let parent = open_parent(self.root, &item.path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let name = item.path.name().unwrap_or_default();
        let fd = rustix::fs::openat(&parent, name, flags, Mode::RUSR | Mode::WUSR);
        let mut file = File::from(fd.map_err(|error| self.write_error(&item.path, error.into()))?);
        let mut content = self.open(zip, item)?;
        loop {
            self.request.cancel.check()?;
            let read = content
                .read(buffer)
                .map_err(|source| self.entry_error(item, source))?;
            let chunk = buffer.get(..read).unwrap_or_default();
            if chunk.is_empty() {
                break;
            }
            self.count(chunk.len() as u64)?;
            file.write_all(chunk)
                .map_err(|error| self.write_error(&item.path, error))?;
        }
        self.give(file.as_fd(), &item.path)?;
        let mode = Mode::from_raw_mode(item.mode);
        rustix::fs::fchmod(&file, mode).on("set the mode of", || self.root.full(&item.path))?;
        self.request.progress.add(1, 0);
        Ok(())
    }

    fn link(&self, zip: &mut ZipArchive<SharedReader>, item: &Item) -> Result<(), UnpackError> {
        let mut to = Vec::new();
        let content = self.open(zip, item)?;
        content
            .take(MAX_LINK + 1)
            .read_to_end(&mut to)
            .map_err(|source| self.entry_error(item, source))?;
        self.count(to.len() as u64)?;
        if to.len() as u64 > MAX_LINK || !contents::stays_inside(&item.path, &to) {
            let (path, to) = (self.request.zip.to_owned(), RelPath::root().child(&to));
            return Err(UnpackError::LinkEscape {
                path,
                entry: item.path.clone(),
                to,
            });
        }
        let parent = open_parent(self.root, &item.path)?;
        let name = item.path.name().unwrap_or_default();
        rustix::fs::symlinkat(to.as_slice(), &parent, name)
            .map_err(|error| self.write_error(&item.path, error.into()))?;
        if let Some((uid, gid)) = self.request.owner {
            let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            rustix::fs::chownat(&parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
                .on("set the owner of", || self.root.full(&item.path))?;
        }
        self.request.progress.add(1, 0);
        Ok(())
    }

    fn open<'z>(
        &self,
        zip: &'z mut ZipArchive<SharedReader>,
        item: &Item,
    ) -> Result<impl Read + use<'z>, UnpackError> {
        zip.by_index(item.index).map_err(|source| UnpackError::Zip {
            path: self.request.zip.to_owned(),
            source,
        })
    }

    /// What the zip says of its sizes is not believed: what comes out is counted.
    fn count(&self, bytes: u64) -> Result<(), UnpackError> {
        let before = self.written.fetch_add(bytes, Ordering::Relaxed);
        self.request.progress.add(0, bytes);
        let limit = self.request.max_bytes;
        if before.saturating_add(bytes) > limit {
            return Err(UnpackError::TooLarge {
                path: self.request.zip.to_owned(),
                limit,
            });
        }
        Ok(())
    }

    fn give(&self, fd: std::os::fd::BorrowedFd<'_>, path: &RelPath) -> Result<(), FileError> {
        let Some((uid, gid)) = self.request.owner else {
            return Ok(());
        };
        crate::atomic::set_owner(fd, uid, gid).on("set the owner of", || self.root.full(path))
    }

    fn entry_error(&self, item: &Item, source: io::Error) -> UnpackError {
        UnpackError::Entry {
            path: self.request.zip.to_owned(),
            entry: item.path.clone(),
            source,
        }
    }

    fn write_error(&self, path: &RelPath, error: io::Error) -> UnpackError {
        FileError::writing("write", &self.root.full(path), self.needed, error).into()
    }
}
