//! Streams that hash what passes through them, and temporary files that do not stay.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sha2::Digest as _;

use crate::archive::receipt::with_suffix;
use crate::error::{Context, FileError};
use crate::hash::{self, Digest};

/// A file under a temporary name beside its final one: renamed by [`TempFile::publish`], removed otherwise.
#[derive(Debug)]
pub(crate) struct TempFile {
    file: File,
    temp: PathBuf,
    path: PathBuf,
    published: bool,
}

impl TempFile {
    pub(crate) fn create(path: &Path) -> Result<Self, FileError> {
        let temp = with_suffix(path, ".cutover-part");
        match std::fs::remove_file(&temp) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(FileError::new("remove", temp, error));
            }
            Ok(()) | Err(_) => {}
        }
        // A home holds keystores and passwords: nobody but the owner reads its backup.
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temp);
        let file = file.map_err(|error| FileError::writing("make", &temp, 0, error))?;
        Ok(Self {
            file,
            temp,
            path: path.to_owned(),
            published: false,
        })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn temp_path(&self) -> &Path {
        &self.temp
    }

    /// Syncs the content, renames, syncs the directory.
    pub(crate) fn publish(mut self) -> Result<(), FileError> {
        self.file
            .sync_all()
            .map_err(|error| FileError::writing("sync", &self.temp, 0, error))?;
        std::fs::rename(&self.temp, &self.path).on("rename", || self.temp.clone())?;
        self.published = true;
        sync_parent(&self.path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if !self.published {
            // Nothing more can be done here; the next attempt removes it too.
            std::fs::remove_file(&self.temp).ok();
        }
    }
}

/// Makes sure the name of a file is on the disk.
pub(crate) fn sync_parent(path: &Path) -> Result<(), FileError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    File::open(parent)
        .and_then(|dir| dir.sync_all())
        .on("sync", || parent.to_owned())
}

/// Hashes and counts what passes.
#[derive(Debug)]
pub(crate) struct Hashing<T> {
    inner: T,
    hasher: sha2::Sha256,
    bytes: u64,
}

impl<T> Hashing<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self {
            inner,
            hasher: sha2::Sha256::new(),
            bytes: 0,
        }
    }

    pub(crate) fn finish(self) -> (Digest, u64) {
        (hash::sha256_of(self.hasher), self.bytes)
    }

    fn note(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }
}

impl<T: Write> Write for Hashing<T> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.note(buffer.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Hashing<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.note(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}
