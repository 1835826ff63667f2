//! The durable record of a copy: what it is about to do, line by line, synced before it is done.
//!
//! One line is one JSON value. A line that was cut short by a crash is the last one, and nothing it announces has
//! been done yet: it is dropped.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use crate::error::{Context, FileError};
use crate::hash::Digest;
use crate::meta::{Kind, Meta, Mtime};
use crate::path::RelPath;
use crate::tree::TreeError;
use crate::tree::keep::Keep;
use crate::tree::manifest::LinkTarget;

/// The name of the journal in the keep directory.
pub(crate) const NAME: &str = "journal.jsonl";

/// What tells a file this copy made from one somebody else put there or changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Identity {
    File { size: u64, mtime: Mtime },
    Link { to: LinkTarget },
}

impl Identity {
    pub(crate) fn of(meta: &Meta, link: Option<&[u8]>) -> Self {
        match link {
            Some(to) => Self::Link {
                to: LinkTarget(to.to_vec()),
            },
            None => Self::File {
                size: meta.size,
                mtime: meta.mtime,
            },
        }
    }

    pub(crate) fn matches(&self, meta: &Meta, link: Option<&[u8]>) -> bool {
        match self {
            Self::File { size, mtime } => {
                meta.kind == Kind::File && meta.size == *size && meta.mtime == *mtime
            }
            Self::Link { to } => meta.kind == Kind::Link && link == Some(to.0.as_slice()),
        }
    }
}

/// One line of the journal. Paths are relative to the target's root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    /// A run of the copy that is named.
    Begin { version: u32, copy: String },
    /// The directory does not exist and will be made.
    MakeDir { path: RelPath },
    /// The directory exists; what changes in it changes its time.
    EnterDir { path: RelPath, mtime: Mtime },
    /// Nothing is there; the file staged as `number` will land.
    Make {
        path: RelPath,
        number: u64,
        identity: Identity,
    },
    /// The original will be preserved as `number`; the file staged as `number` will land.
    Replace {
        path: RelPath,
        number: u64,
        identity: Identity,
    },
    /// This copy's own earlier file will be replaced by the one staged as `number`.
    Rewrite {
        path: RelPath,
        number: u64,
        identity: Identity,
    },
    /// What somebody made of this copy's file will be moved aside as `number`, and the staged one will land.
    Aside {
        path: RelPath,
        number: u64,
        identity: Identity,
    },
    /// What this copy had done to the path has been taken back.
    Withdrawn { path: RelPath },
    /// Everything announced has been done and is on the disk.
    Complete { tree_hash: Digest },
    /// Everything announced has been taken back and is on the disk.
    Undone,
}

/// How a path stood before this copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Absent,
    Preserved(u64),
}

/// A file or link this copy has made or may have made.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) origin: Origin,
    /// As what it may stand there: one per run that rewrote it.
    pub(crate) identities: Vec<Identity>,
    /// Under which number it was staged last.
    pub(crate) number: u64,
}

impl Held {
    pub(crate) fn is_ours(&self, meta: &Meta, link: Option<&[u8]>) -> bool {
        self.identities
            .iter()
            .any(|identity| identity.matches(meta, link))
    }
}

/// A directory this copy has made or changed something in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeldDir {
    Made,
    Entered(Mtime),
}

/// What the journal's lines amount to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) copy: Option<String>,
    pub(crate) held: BTreeMap<RelPath, Held>,
    pub(crate) dirs: BTreeMap<RelPath, HeldDir>,
    /// The first number that was never used.
    pub(crate) next: u64,
}

impl Ledger {
    pub(crate) fn apply(&mut self, line: Line) {
        match line {
            Line::Begin { version: _, copy } => self.copy = Some(copy),
            Line::MakeDir { path } => {
                self.dirs.entry(path).or_insert(HeldDir::Made);
            }
            Line::EnterDir { path, mtime } => {
                self.dirs.entry(path).or_insert(HeldDir::Entered(mtime));
            }
            Line::Make {
                path,
                number,
                identity,
            } => self.hold(path, Some(Origin::Absent), number, identity),
            Line::Replace {
                path,
                number,
                identity,
            } => {
                self.hold(path, Some(Origin::Preserved(number)), number, identity);
            }
            Line::Rewrite {
                path,
                number,
                identity,
            }
            | Line::Aside {
                path,
                number,
                identity,
            } => {
                self.hold(path, None, number, identity);
            }
            Line::Withdrawn { path } => {
                self.held.remove(&path);
                if self.dirs.get(&path) == Some(&HeldDir::Made) {
                    self.dirs.remove(&path);
                }
            }
            Line::Complete { tree_hash: _ } => {}
            Line::Undone => {
                self.held.clear();
                self.dirs.clear();
            }
        }
    }

    /// Records a file. Without an origin, the one known from before stands.
    fn hold(&mut self, path: RelPath, origin: Option<Origin>, number: u64, identity: Identity) {
        self.next = self.next.max(number + 1);
        let fresh = Held {
            origin: Origin::Absent,
            identities: Vec::new(),
            number,
        };
        let held = self.held.entry(path).or_insert(fresh);
        held.origin = origin.unwrap_or(held.origin);
        held.number = number;
        if !held.identities.contains(&identity) {
            held.identities.push(identity);
        }
    }
}

/// The open journal of a keep directory.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Opens the journal, drops a line that was cut short, and returns what it says so far. `None` when there is no
    /// journal and none is wanted.
    pub(crate) fn open(keep: &Keep, create: bool) -> Result<Option<(Self, Ledger)>, TreeError> {
        let path = keep.root().path().join(NAME);
        let mut flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if create {
            flags |= OFlags::CREATE;
        }
        let mut file = match rustix::fs::openat(keep.root().fd(), NAME, flags, Mode::RUSR | Mode::WUSR) {
            Ok(fd) => File::from(fd),
            Err(rustix::io::Errno::NOENT) if !create => return Ok(None),
            Err(error) => return Err(FileError::new("open", path, error).into()),
        };
        let mut content = Vec::new();
        file.read_to_end(&mut content).on("read", || path.clone())?;
        let whole = content
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let mut ledger = Ledger::default();
        let lines = content
            .get(..whole)
            .unwrap_or_default()
            .split(|byte| *byte == b'\n');
        for (index, line) in lines.enumerate().filter(|(_, line)| !line.is_empty()) {
            let line = serde_json::from_slice(line);
            ledger.apply(line.map_err(|source| TreeError::Journal {
                path: path.clone(),
                line: index + 1,
                source,
            })?);
        }
        if whole < content.len() {
            file.set_len(whole as u64).on("cut", || path.clone())?;
        }
        file.seek(SeekFrom::End(0)).on("read", || path.clone())?;
        Ok(Some((Self { file, path }, ledger)))
    }

    /// Appends lines and waits until they are on the disk.
    pub(crate) fn append<'a>(&mut self, lines: impl Iterator<Item = &'a Line>) -> Result<(), TreeError> {
        let write = |error| FileError::writing("write", &self.path, 0, error);
        let mut out = BufWriter::with_capacity(1 << 20, &self.file);
        for line in lines {
            serde_json::to_writer(&mut out, line).map_err(|error| write(error.into()))?;
            out.write_all(b"\n").map_err(write)?;
        }
        out.flush().map_err(write)?;
        drop(out);
        rustix::fs::fdatasync(self.file.as_fd()).map_err(|error| write(error.into()))?;
        Ok(())
    }
}
