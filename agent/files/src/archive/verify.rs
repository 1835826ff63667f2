//! Proving an archive.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use tar::EntryType;
use zstd::stream::read::Decoder;

use crate::archive::ArchiveError;
use crate::archive::io::Hashing;
use crate::archive::receipt::{BackupReceipt, manifest_path};
use crate::error::Context;
use crate::hash::{self, CHUNK, Digest};
use crate::meta::Kind;
use crate::path::RelPath;
use crate::progress::{Cancel, Progress};
use crate::tree::Entry;
use crate::tree::manifest::hash_entries;

/// Reads an archive from its first to its last byte and compares everything with its manifest and its receipt: the
/// digest of the archive and of the manifest, every entry's path, kind, mode, size, link target and content.
pub fn verify(
    archive: &Path,
    receipt: &BackupReceipt,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<(), ArchiveError> {
    let entries = read_manifest(archive)?;
    let manifest = manifest_path(archive);
    if hash::sha256_file(&manifest)? != receipt.manifest_sha256 {
        return Err(ArchiveError::damaged(
            &manifest,
            "its SHA-256 is not that of the receipt",
        ));
    }
    if hash_entries(&entries) != receipt.tree_hash || entries.len() as u64 != receipt.entries {
        return Err(ArchiveError::damaged(
            &manifest,
            "its entries are not those of the receipt",
        ));
    }
    progress.total(receipt.entries, receipt.content_bytes);
    let (sha256, size) = read_archive(archive, &entries, cancel, &mut |entry, content| {
        let hash = hash_content(content, progress, cancel)?;
        if entry.kind == Kind::File && entry.blake3 != Some(hash) {
            return Err(Step::Entry("has other content than the manifest says"));
        }
        progress.add(1, 0);
        Ok(())
    })?;
    if (sha256, size) != (receipt.sha256, receipt.size) {
        return Err(ArchiveError::damaged(
            archive,
            "its size or SHA-256 is not that of the receipt",
        ));
    }
    Ok(())
}

/// Why handling one entry stopped.
pub(crate) enum Step {
    /// The entry is not what the manifest says.
    Entry(&'static str),
    /// The archive cannot be read on.
    Read(io::Error),
    /// Something else went wrong.
    Other(ArchiveError),
}

impl<E: Into<ArchiveError>> From<E> for Step {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

fn hash_content(content: &mut dyn Read, progress: &dyn Progress, cancel: &Cancel) -> Result<Digest, Step> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        cancel.check()?;
        let read = content.read(&mut buffer).map_err(Step::Read)?;
        if read == 0 {
            return Ok(hasher.finalize().into());
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
        progress.add(0, read as u64);
    }
}

/// Reads the manifest that stands beside an archive.
pub(crate) fn read_manifest(archive: &Path) -> Result<Vec<Entry>, ArchiveError> {
    let path = manifest_path(archive);
    let content = std::fs::read(&path).on("read", || path.clone())?;
    let lines = content
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let entries = lines.map(serde_json::from_slice).collect::<Result<_, _>>();
    entries.map_err(|error| ArchiveError::Unreadable {
        path,
        source: error.into(),
    })
}

/// Walks an archive side by side with its manifest; `each` gets every entry and its content. Returns the digest and
/// size of the whole file, what follows the last entry included.
pub(crate) fn read_archive(
    archive: &Path,
    entries: &[Entry],
    cancel: &Cancel,
    each: &mut dyn FnMut(&Entry, &mut dyn Read) -> Result<(), Step>,
) -> Result<(Digest, u64), ArchiveError> {
    let unreadable = |source| ArchiveError::Unreadable {
        path: archive.to_owned(),
        source,
    };
    let file = File::open(archive).on("open", || archive.to_owned())?;
    let decoder =
        Decoder::with_buffer(BufReader::with_capacity(1 << 20, Hashing::new(file))).map_err(unreadable)?;
    let mut tar = tar::Archive::new(decoder);
    let mut expected = entries.iter();
    for found in tar.entries().map_err(unreadable)? {
        cancel.check()?;
        let mut found = found.map_err(unreadable)?;
        let Some(entry) = expected.next() else {
            return Err(ArchiveError::damaged(
                archive,
                "it holds more entries than its manifest",
            ));
        };
        check_header(archive, entry, &found)?;
        each(entry, &mut found).map_err(|step| match step {
            Step::Entry(what) => ArchiveError::entry(archive, &entry.path, what),
            Step::Read(source) => unreadable(source),
            Step::Other(error) => error,
        })?;
    }
    if let Some(entry) = expected.next() {
        return Err(ArchiveError::entry(
            archive,
            &entry.path,
            "and what should follow it are missing",
        ));
    }
    // The digest covers the whole file, also what no reader of entries asks for.
    let mut decoder = tar.into_inner();
    io::copy(&mut decoder, &mut io::sink()).map_err(unreadable)?;
    let mut raw = decoder.finish();
    io::copy(&mut raw, &mut io::sink()).map_err(unreadable)?;
    Ok(raw.into_inner().finish())
}

fn check_header(
    archive: &Path,
    entry: &Entry,
    found: &tar::Entry<'_, impl Read>,
) -> Result<(), ArchiveError> {
    let differs = |what: &str| Err(ArchiveError::entry(archive, &entry.path, what));
    let bytes = found.path_bytes();
    let path: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(&bytes);
    let path = RelPath::parse(path).map_err(|source| ArchiveError::BadPath {
        path: archive.to_owned(),
        source,
    })?;
    if path != entry.path {
        return differs("is not where the manifest says");
    }
    let header = found.header();
    let entry_type = header.entry_type();
    let kinds = [
        (EntryType::Regular, Kind::File),
        (EntryType::Directory, Kind::Dir),
        (EntryType::Symlink, Kind::Link),
    ];
    let kind = kinds
        .into_iter()
        .find(|(known, _)| *known == entry_type)
        .map_or(Kind::Special, |(_, kind)| kind);
    let mode = header.mode().unwrap_or(u32::MAX);
    if kind != entry.kind || mode != entry.mode || found.size() != entry.size {
        return differs("has another kind, mode or size than the manifest says");
    }
    if kind == Kind::Link
        && found.link_name_bytes().as_deref() != entry.link.as_ref().map(|link| link.0.as_slice())
    {
        return differs("points elsewhere than the manifest says");
    }
    Ok(())
}
