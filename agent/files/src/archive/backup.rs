//! Writing an archive.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use tar::{EntryType, Header};
use zstd::stream::write::Encoder;

use crate::archive::ArchiveError;
use crate::archive::io::{Hashing, TempFile};
use crate::archive::receipt::{BackupReceipt, manifest_path};
use crate::beneath::Root;
use crate::error::{Context, FileError};
use crate::hash::Digest;
use crate::meta::{Kind, Meta};
use crate::path::RelPath;
use crate::pattern::{BadPattern, Patterns};
use crate::progress::{Cancel, Cancelled, Progress};
use crate::space::{self, FreeSpace};
use crate::tree::Entry;
use crate::tree::manifest::{hash_entries, open_file, open_parent, total_bytes};
use crate::walk::{self, Node, Visit};
use crate::workers;

/// What no backup of a home needs: what the server throws away itself, and the pid of a process that will be long
/// gone when the backup is restored, and may by then be somebody else.
pub const DEFAULT_EXCLUDES: [&str; 2] = ["tmp/*", "wso2carbon.pid"];

/// Files up to this size are read again when they change under the reader.
const REREAD_LIMIT: u64 = 32 << 20;
const REREADS: u32 = 3;
/// What an entry takes beside its content: its header, padding, and its line in the manifest.
const ENTRY_OVERHEAD: u64 = 2048;

/// A backup to take.
#[derive(Debug)]
pub struct BackupRequest<'a> {
    /// The home.
    pub source: &'a Path,
    /// The archive to write, `<name>.tar.zst`, outside the home. Replaced when it exists.
    pub dest: &'a Path,
    /// Patterns relative to the home of what to leave out, such as [`DEFAULT_EXCLUDES`].
    pub exclude: &'a [String],
    /// Told how far it is.
    pub progress: &'a dyn Progress,
    /// Stops it.
    pub cancel: &'a Cancel,
}

/// Backs up a home. Nothing stands at the destination until the archive and its manifest are whole and synced.
pub fn backup(request: &BackupRequest<'_>) -> Result<BackupReceipt, ArchiveError> {
    backup_into(request, &|path| space::free_bytes(path))
}

pub(crate) fn backup_into(
    request: &BackupRequest<'_>,
    free: FreeSpace<'_>,
) -> Result<BackupReceipt, ArchiveError> {
    let excludes = Patterns::parse(request.exclude)
        .map_err(|BadPattern { pattern, source }| ArchiveError::Pattern { pattern, source })?;
    let base = Root::open(request.source)?;
    let place = refuse_inside(request.source, request.dest)?;
    let (nodes, excluded) = list(&base, &excludes)?;
    let (bytes, entries) = (total_bytes(nodes.iter()), nodes.len() as u64);
    let needed = bytes + entries * ENTRY_OVERHEAD;
    space::ensure(&place, needed, free)?;
    request.progress.total(entries, bytes);

    let archive = TempFile::create(request.dest)?;
    let mut writer = Writer {
        base: &base,
        needed,
        place: archive.temp_path().to_owned(),
        progress: request.progress,
        cancel: request.cancel,
        entries: Vec::with_capacity(nodes.len()),
        skipped: Vec::new(),
        changed: Vec::new(),
        vanished: Vec::new(),
    };
    let (sha256, size) = writer.write_archive(&nodes, &archive)?;
    let manifest_sha256 = writer.write_manifest(&manifest_path(request.dest), archive)?;
    Ok(BackupReceipt {
        file: request.dest.to_owned(),
        size,
        sha256,
        entries: writer.entries.len() as u64,
        content_bytes: writer.entries.iter().map(|entry| entry.size).sum(),
        manifest_sha256,
        tree_hash: hash_entries(&writer.entries),
        excluded,
        skipped: writer.skipped,
        changed_while_read: writer.changed,
        vanished: writer.vanished,
    })
}

/// The directory the archive goes to, once it is sure that it is not part of what is archived.
fn refuse_inside(source: &Path, dest: &Path) -> Result<std::path::PathBuf, ArchiveError> {
    let parent = match dest.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let place = parent.canonicalize().on("open directory", || parent.to_owned())?;
    let home = source.canonicalize().on("open directory", || source.to_owned())?;
    if place.starts_with(home) {
        return Err(ArchiveError::Inside {
            path: dest.to_owned(),
        });
    }
    Ok(place)
}

fn list(base: &Root, excludes: &Patterns) -> Result<(Vec<Node>, Vec<RelPath>), ArchiveError> {
    let left_out = Mutex::new(BTreeSet::new());
    let visit = |node: &Node| {
        if !excludes.matches(&node.path) {
            return Visit::Take;
        }
        left_out
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(node.path.clone());
        Visit::Omit
    };
    let top = walk::node(base.fd(), ".", RelPath::root()).on("look at", || base.path().to_owned())?;
    let mut nodes: Vec<Node> = top.into_iter().collect();
    nodes.extend(walk::walk(base.fd(), base.path(), workers::count(None), &visit)?);
    let left_out = left_out.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok((nodes, left_out.into_iter().collect()))
}

type Tar<'a> = tar::Builder<Encoder<'static, Hashing<BufWriter<&'a std::fs::File>>>>;

/// An archive being written.
struct Writer<'a> {
    base: &'a Root,
    needed: u64,
    place: std::path::PathBuf,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
    entries: Vec<Entry>,
    skipped: Vec<RelPath>,
    changed: Vec<RelPath>,
    vanished: Vec<RelPath>,
}

impl Writer<'_> {
    fn write_archive(&mut self, nodes: &[Node], archive: &TempFile) -> Result<(Digest, u64), ArchiveError> {
        let out = Hashing::new(BufWriter::with_capacity(1 << 20, archive.file()));
        let mut zstd = Encoder::new(out, 3).map_err(|error| self.write_error(error))?;
        zstd.include_checksum(true)
            .map_err(|error| self.write_error(error))?;
        let threads = u32::try_from(workers::count(None)).unwrap_or(1);
        zstd.multithread(threads)
            .map_err(|error| self.write_error(error))?;
        let mut tar = tar::Builder::new(zstd);
        for node in nodes {
            self.cancel.check()?;
            self.append(node, &mut tar)?;
        }
        let finished = tar.into_inner().and_then(Encoder::finish).and_then(|mut out| {
            out.flush()?;
            Ok(out)
        });
        Ok(finished.map_err(|error| self.write_error(error))?.finish())
    }

    fn append(&mut self, node: &Node, tar: &mut Tar<'_>) -> Result<(), ArchiveError> {
        match node.meta.kind {
            Kind::Special => {
                self.skipped.push(node.path.clone());
                return Ok(());
            }
            Kind::Dir => {
                let mut header = header(&node.meta, EntryType::Directory, 0);
                let path = if node.path.is_root() {
                    Path::new(".")
                } else {
                    node.path.as_path()
                };
                let appended = tar.append_data(&mut header, path, io::empty());
                appended.map_err(|error| self.write_error(error))?;
                self.entries
                    .push(Entry::new(node.path.clone(), &node.meta, None, None));
            }
            Kind::Link => {
                let mut header = header(&node.meta, EntryType::Symlink, 0);
                let to = node.link.clone().unwrap_or_default();
                let target: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(to.as_slice());
                let appended = tar.append_link(&mut header, &node.path, target);
                appended.map_err(|error| self.write_error(error))?;
                self.entries
                    .push(Entry::new(node.path.clone(), &node.meta, None, Some(to)));
            }
            Kind::File => return self.append_file(node, tar),
        }
        self.progress.add(1, 0);
        Ok(())
    }

    fn append_file(&mut self, node: &Node, tar: &mut Tar<'_>) -> Result<(), ArchiveError> {
        let shown = || self.base.full(&node.path);
        let opened = open_parent(self.base, &node.path)
            .map(|parent| open_file(std::os::fd::AsFd::as_fd(&parent), &node.path));
        let mut file = match opened {
            Ok(Ok(file)) => file,
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                self.vanished.push(node.path.clone());
                return Ok(());
            }
            Ok(Err(error)) => return Err(FileError::new("open", shown(), error).into()),
            Err(FileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                self.vanished.push(node.path.clone());
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let before = Meta::from(rustix::fs::fstat(&file).on("look at", shown)?);
        let (entry, changed) = if before.size <= REREAD_LIMIT {
            let (content, meta, changed) = self.read_whole(&mut file, node, before)?;
            let mut header = header(&meta, EntryType::Regular, content.len() as u64);
            let hash = blake3::hash(&content).into();
            self.progress.add(0, content.len() as u64);
            let appended = tar.append_data(&mut header, &node.path, content.as_slice());
            appended.map_err(|error| self.write_error(error))?;
            (
                Entry {
                    size: content.len() as u64,
                    ..Entry::new(node.path.clone(), &meta, Some(hash), None)
                },
                changed,
            )
        } else {
            self.stream(&mut file, node, before, tar)?
        };
        if changed {
            self.changed.push(node.path.clone());
        }
        self.entries.push(entry);
        self.progress.add(1, 0);
        Ok(())
    }

    /// Reads a file into memory, again when it changed meanwhile. The last reading counts, and is reported.
    fn read_whole(
        &self,
        file: &mut std::fs::File,
        node: &Node,
        mut before: Meta,
    ) -> Result<(Vec<u8>, Meta, bool), ArchiveError> {
        let shown = || self.base.full(&node.path);
        let mut content = Vec::new();
        for attempt in 1.. {
            self.cancel.check()?;
            content.clear();
            io::Seek::rewind(file).on("read", shown)?;
            // A log that grows without end must not be followed.
            Read::by_ref(file)
                .take(before.size)
                .read_to_end(&mut content)
                .on("read", shown)?;
            let after = Meta::from(rustix::fs::fstat(&*file).on("look at", shown)?);
            let whole = content.len() as u64 == before.size;
            if whole && after.unchanged_since(&before) {
                return Ok((content, before, false));
            }
            if attempt == REREADS {
                return Ok((content, before, true));
            }
            before = after;
        }
        Ok((content, before, true))
    }

    /// Passes a large file through.
    fn stream(
        &self,
        file: &mut std::fs::File,
        node: &Node,
        before: Meta,
        tar: &mut Tar<'_>,
    ) -> Result<(Entry, bool), ArchiveError> {
        let shown = || self.base.full(&node.path);
        let mut header = header(&before, EntryType::Regular, before.size);
        let mut reader = FileReader {
            inner: Read::by_ref(file).take(before.size),
            hasher: blake3::Hasher::new(),
            progress: self.progress,
            cancel: self.cancel,
            failure: None,
            read: 0,
        };
        let appended = tar.append_data(&mut header, &node.path, &mut reader);
        let (read, hash, failure) = (
            reader.read,
            reader.hasher.finalize().into(),
            reader.failure.take(),
        );
        if let Some(error) = failure {
            return Err(FileError::new("read", shown(), error).into());
        }
        self.cancel.check()?;
        appended.map_err(|error| self.write_error(error))?;
        if read != before.size {
            return Err(ArchiveError::Truncated { path: shown() });
        }
        let after = Meta::from(rustix::fs::fstat(&*file).on("look at", shown)?);
        Ok((
            Entry::new(node.path.clone(), &before, Some(hash), None),
            !after.unchanged_since(&before),
        ))
    }

    /// Writes the manifest and publishes both files, the archive last.
    fn write_manifest(&self, path: &Path, archive: TempFile) -> Result<Digest, ArchiveError> {
        let manifest = TempFile::create(path)?;
        let write = || -> io::Result<Digest> {
            let mut out = Hashing::new(BufWriter::new(manifest.file()));
            for entry in &self.entries {
                serde_json::to_writer(&mut out, entry)?;
                out.write_all(b"\n")?;
            }
            out.flush()?;
            Ok(out.finish().0)
        };
        let digest = write().map_err(|error| FileError::writing("write", path, self.needed, error))?;
        manifest.publish()?;
        archive.publish()?;
        Ok(digest)
    }

    fn write_error(&self, error: io::Error) -> ArchiveError {
        FileError::writing("write", &self.place, self.needed, error).into()
    }
}

fn header(meta: &Meta, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(meta.mode);
    header.set_uid(meta.uid.into());
    header.set_gid(meta.gid.into());
    // The manifest has the time to the nanosecond; times before 1970 exist only there.
    header.set_mtime(u64::try_from(meta.mtime.0).unwrap_or(0));
    header
}

/// Hashes a file on its way into the archive, and tells its failures from those of the archive.
struct FileReader<'a> {
    inner: io::Take<&'a mut std::fs::File>,
    hasher: blake3::Hasher,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
    failure: Option<io::Error>,
    read: u64,
}

impl Read for FileReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.cancel
            .check()
            .map_err(|Cancelled| io::Error::other("cancelled"))?;
        match self.inner.read(buffer) {
            Ok(read) => {
                self.hasher.update(buffer.get(..read).unwrap_or_default());
                self.progress.add(0, read as u64);
                self.read += read as u64;
                Ok(read)
            }
            Err(error) => {
                self.failure = Some(error);
                Err(io::Error::other("the source file cannot be read"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
