//! Listing a tree without following links.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::fs::Dir;

use crate::beneath;
use crate::error::FileError;
use crate::meta::{Kind, Meta};
use crate::path::RelPath;
use crate::workers;

/// One entry of a tree.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) path: RelPath,
    pub(crate) meta: Meta,
    /// Where a link points, byte for byte.
    pub(crate) link: Option<Vec<u8>>,
}

/// What to do about an entry when a tree is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visit {
    Take,
    /// Leave it out, and everything beneath it.
    Omit,
}

/// The entries beneath a directory, without itself, ordered by path. `shown` is its path in messages. Entries that
/// vanish while they are listed are left out.
pub(crate) fn walk(
    base: BorrowedFd<'_>,
    shown: &Path,
    workers: usize,
    visit: &(dyn Fn(&Node) -> Visit + Sync),
) -> Result<Vec<Node>, FileError> {
    let mut nodes = Vec::new();
    let mut level = vec![RelPath::root()];
    while !level.is_empty() {
        let found = Mutex::new(Vec::new());
        workers::run(
            workers,
            &level,
            || (),
            |(), dir| {
                let listed = list(base, shown, dir, visit)?;
                found
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend(listed);
                Ok(())
            },
        )?;
        let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        level = found
            .iter()
            .filter(|node| node.meta.kind == Kind::Dir)
            .map(|node| node.path.clone())
            .collect();
        nodes.extend(found);
    }
    nodes.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(nodes)
}

fn list(
    base: BorrowedFd<'_>,
    shown: &Path,
    dir: &RelPath,
    visit: &(dyn Fn(&Node) -> Visit + Sync),
) -> Result<Vec<Node>, FileError> {
    let full = |path: &RelPath| {
        if path.is_root() {
            shown.to_owned()
        } else {
            shown.join(path)
        }
    };
    let fd = match beneath::open_dir(base, dir) {
        Ok(fd) => fd,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !dir.is_root() => return Ok(Vec::new()),
        Err(error) => return Err(FileError::new("open directory", full(dir), error)),
    };
    let listing = Dir::read_from(&fd).map_err(|error| FileError::new("list", full(dir), error))?;
    let mut nodes = Vec::new();
    for entry in listing {
        let entry = entry.map_err(|error| FileError::new("list", full(dir), error))?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let path = dir.child(name.to_bytes());
        let node = node(fd.as_fd(), name, path.clone())
            .map_err(|error| FileError::new("look at", full(&path), error))?;
        nodes.extend(node.filter(|node| visit(node) == Visit::Take));
    }
    Ok(nodes)
}

/// Looks at one name of a directory; `None` when it is gone.
pub(crate) fn node(
    dir: BorrowedFd<'_>,
    name: impl rustix::path::Arg + Copy,
    path: RelPath,
) -> io::Result<Option<Node>> {
    let Some(meta) = beneath::look(dir, name)? else {
        return Ok(None);
    };
    let link = match meta.kind {
        Kind::Link => Some(rustix::fs::readlinkat(dir, name, Vec::new())?.into_bytes()),
        Kind::File | Kind::Dir | Kind::Special => None,
    };
    Ok(Some(Node { path, meta, link }))
}
