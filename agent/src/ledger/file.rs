//! The file of the journal: whole lines only, each on the disk before it counts.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::LedgerError;
use super::entry::Entry;

#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
    lines: usize,
}

impl Journal {
    /// Opens or begins the file, and cuts off a torn last line.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<Entry>), LedgerError> {
        let failed = |doing: &'static str| {
            let path = path.to_owned();
            move |source| LedgerError::Io { doing, path, source }
        };
        let mut file = private(path).map_err(failed("open"))?;
        sync_folder(path).map_err(failed("open"))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed("read"))?;
        let (entries, length) = read_lines(&bytes).map_err(|line| LedgerError::Corrupt {
            path: path.to_owned(),
            line,
        })?;
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        file.set_len(length).map_err(failed("repair"))?;
        file.seek(SeekFrom::Start(length)).map_err(failed("repair"))?;
        file.sync_all().map_err(failed("repair"))?;
        let journal = Self {
            path: path.to_owned(),
            file,
            length,
            lines: entries.len(),
        };
        Ok((journal, entries))
    }

    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    /// Writes one line and waits until it is on the disk. A write that fails leaves no half line behind.
    pub(super) fn append(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        let line = entry.to_line().map_err(LedgerError::Encode)?;
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            self.file.set_len(self.length).ok();
            self.file.seek(SeekFrom::Start(self.length)).ok();
            return Err(self.failed("append to", source));
        }
        self.length += u64::try_from(line.len()).unwrap_or(u64::MAX);
        self.lines += 1;
        Ok(())
    }

    /// Replaces the file by one with these entries: the old one or the new one is there at every instant.
    pub(super) fn rewrite(&mut self, entries: &[Entry]) -> Result<(), LedgerError> {
        let mut bytes = Vec::new();
        for entry in entries {
            bytes.extend(entry.to_line().map_err(LedgerError::Encode)?);
        }
        let next = self.path.with_extension("jsonl.next");
        let file = replace(&next, &self.path, &bytes).map_err(|source| self.failed("compact", source))?;
        self.file = file;
        self.length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.lines = entries.len();
        Ok(())
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> LedgerError {
        LedgerError::Io {
            doing,
            path: self.path.clone(),
            source,
        }
    }
}

fn replace(next: &Path, path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = private(next)?;
    file.set_len(0)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(next, path)?;
    sync_folder(path)?;
    Ok(file)
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// The entries and the length of what is whole. The error is the number of a damaged line that others follow.
fn read_lines(bytes: &[u8]) -> Result<(Vec<Entry>, usize), usize> {
    let mut entries = Vec::new();
    let mut length = 0;
    let mut lines = bytes
        .split_inclusive(|&byte| byte == b'\n')
        .enumerate()
        .peekable();
    while let Some((number, line)) = lines.next() {
        let whole = line.strip_suffix(b"\n").and_then(Entry::from_line);
        match whole {
            Some(entry) => {
                entries.push(entry);
                length += line.len();
            }
            None if lines.peek().is_none() => break,
            None => return Err(number + 1),
        }
    }
    Ok((entries, length))
}
