//! What a tree consists of, entry by entry, and the one hash that stands for it.

use std::fs::File;
use std::io::Read;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use crate::beneath::{self, Root};
use crate::error::{Context, FileError};
use crate::hash::{CHUNK, Digest};
use crate::meta::{Kind, Meta, Mtime};
use crate::path::{self, RelPath};
use crate::progress::{Cancel, Progress};
use crate::tree::TreeError;
use crate::walk::{self, Node, Visit};
use crate::workers;

/// One entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Relative to the tree.
    pub path: RelPath,
    /// File, directory or link.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Bytes of a file; 0 for anything else.
    pub size: u64,
    /// When it was last changed.
    pub mtime: Mtime,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Hash of a file's content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blake3: Option<Digest>,
    /// Where a link points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkTarget>,
}

/// Where a symbolic link points, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkTarget(
    /// The bytes the link holds; need not be UTF-8.
    pub Vec<u8>,
);

impl Serialize for LinkTarget {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        path::serialize_bytes(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for LinkTarget {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        path::deserialize_bytes(deserializer).map(Self)
    }
}

impl Entry {
    pub(crate) fn new(path: RelPath, meta: &Meta, blake3: Option<Digest>, link: Option<Vec<u8>>) -> Self {
        Self {
            path,
            kind: meta.kind,
            mode: meta.mode,
            size: if meta.kind == Kind::File { meta.size } else { 0 },
            mtime: meta.mtime,
            uid: meta.uid,
            gid: meta.gid,
            blake3,
            link: link.map(LinkTarget),
        }
    }

    /// Whether two entries hold the same: kind, content and link target. Mode, owner and times are marks, not
    /// content.
    pub fn same_content(&self, other: &Self) -> bool {
        self.kind == other.kind && self.blake3 == other.blake3 && self.link == other.link
    }
}

/// Lists a tree with the hash of every file, ordered by path. The directory itself is not an entry.
pub fn manifest(
    root: &Root,
    path: impl AsRef<Path>,
    workers: Option<NonZeroUsize>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Vec<Entry>, TreeError> {
    let base = root.sub(path)?;
    let workers = workers::count(workers);
    let nodes = walk::walk(base.fd(), base.path(), workers, &|_| Visit::Take)?;
    entries(&base, nodes, workers, progress, cancel)
}

/// The hash of a tree: BLAKE3 over path, kind, mode and content of every entry in the order of the paths. Owner and
/// times are not part of it.
pub fn tree_hash(
    root: &Root,
    path: impl AsRef<Path>,
    workers: Option<NonZeroUsize>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Digest, TreeError> {
    Ok(hash_entries(&manifest(root, path, workers, progress, cancel)?))
}

pub(crate) fn entries(
    base: &Root,
    nodes: Vec<Node>,
    workers: usize,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Vec<Entry>, TreeError> {
    let files = nodes.iter().filter(|node| node.meta.kind == Kind::File);
    progress.total(
        files.clone().count() as u64,
        files.map(|node| node.meta.size).sum(),
    );
    let hashes: Vec<OnceLock<Digest>> = nodes.iter().map(|_| OnceLock::new()).collect();
    let work: Vec<(&Node, &OnceLock<Digest>)> = nodes.iter().zip(&hashes).collect();
    let buffer = || vec![0; CHUNK];
    // Runs of neighbours share their directory, so it is opened once per run.
    let runs: Vec<_> = work
        .chunk_by(|(a, _), (b, _)| a.path.parent() == b.path.parent())
        .collect();
    workers::run(workers, &runs, buffer, |buffer, run| {
        hash_run(base, run, buffer, progress, cancel)
    })?;
    let hashed = nodes.into_iter().zip(hashes);
    Ok(hashed
        .map(|(node, hash)| Entry::new(node.path, &node.meta, hash.into_inner(), node.link))
        .collect())
}

fn hash_run(
    base: &Root,
    run: &[(&Node, &OnceLock<Digest>)],
    buffer: &mut [u8],
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<(), TreeError> {
    let Some(parent) = run.first().and_then(|(node, _)| node.path.parent()) else {
        return Ok(());
    };
    let dir = beneath::open_dir(base.fd(), &parent).on("open directory", || base.full(&parent))?;
    for (node, hash) in run.iter().filter(|(node, _)| node.meta.kind == Kind::File) {
        let full = || base.full(&node.path);
        let file = open_file(dir.as_fd(), &node.path).on("open", full)?;
        let Some(digest) = hash_file(file, &node.meta, buffer, cancel, &full)? else {
            return Err(TreeError::SourceChanged { path: full() });
        };
        hash.get_or_init(|| digest);
        progress.add(1, node.meta.size);
    }
    Ok(())
}

/// The hash of a file that is expected to be as `meta` says; `None` when it is not, before or after reading.
pub(crate) fn hash_file(
    mut file: File,
    meta: &Meta,
    buffer: &mut [u8],
    cancel: &Cancel,
    full: &dyn Fn() -> PathBuf,
) -> Result<Option<Digest>, TreeError> {
    let mut hasher = blake3::Hasher::new();
    let mut left = meta.size;
    loop {
        cancel.check()?;
        let read = file.read(buffer).on("read", full)?;
        hasher.update(buffer.get(..read).unwrap_or_default());
        left = left.saturating_sub(read as u64);
        // The last read is followed by a look at the size, which tells more than a read of nothing.
        if read == 0 || left == 0 {
            break;
        }
    }
    let after = Meta::from(rustix::fs::fstat(&file).on("look at", full)?);
    Ok(after.unchanged_since(meta).then(|| hasher.finalize().into()))
}

/// Opens a file by the last name of its path; a link in its place is an error, a pipe does not block.
pub(crate) fn open_file(dir: BorrowedFd<'_>, path: &RelPath) -> std::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let name = path.name().unwrap_or_default();
    Ok(File::from(rustix::fs::openat(dir, name, flags, Mode::empty())?))
}

/// The hash over entries that are ordered by path. The tree's own directory does not count, when it is listed.
pub(crate) fn hash_entries(entries: &[Entry]) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("cutover 2026 tree hash: path, kind, mode, content");
    for entry in entries.iter().filter(|entry| !entry.path.is_root()) {
        let mut field = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        field(entry.path.as_bytes());
        field(entry.kind.noun().as_bytes());
        // The mode of a link means nothing on Linux and differs between file systems.
        let mode = if entry.kind == Kind::Link { 0 } else { entry.mode };
        field(&mode.to_le_bytes());
        field(
            entry
                .blake3
                .as_ref()
                .map_or(&[], |digest| digest.as_bytes().as_slice()),
        );
        field(entry.link.as_ref().map_or(&[], |link| link.0.as_slice()));
    }
    hasher.finalize().into()
}

/// The bytes that reading a tree will take, for checks of free space.
pub(crate) fn total_bytes<'a>(nodes: impl Iterator<Item = &'a Node>) -> u64 {
    nodes
        .filter(|node| node.meta.kind == Kind::File)
        .map(|node| node.meta.size)
        .sum()
}

/// Opens a link, file or directory's parent by plain names, for messages that name the whole path.
pub(crate) fn open_parent(base: &Root, path: &RelPath) -> Result<std::os::fd::OwnedFd, FileError> {
    let parent = path.parent().unwrap_or_default();
    beneath::open_dir(base.fd(), &parent).on("open directory", || base.full(&parent))
}
