//! What a zip holds, checked before anything is written.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use zip::ZipArchive;

use crate::meta::Kind;
use crate::path::RelPath;
use crate::unpack::UnpackError;
use crate::unpack::reader::SharedReader;

/// The longest target a link can have on Linux.
pub(crate) const MAX_LINK: u64 = 4096;
const KIND_MASK: u32 = 0o170_000;

/// A file or link of a zip.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) index: usize,
    /// Without the top directory.
    pub(crate) path: RelPath,
    pub(crate) mode: u32,
}

/// Everything a zip holds, beneath its one top directory.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) top: String,
    pub(crate) files: Vec<Item>,
    pub(crate) links: Vec<Item>,
    /// With the mode each gets; parents before children.
    pub(crate) dirs: BTreeMap<RelPath, u32>,
    pub(crate) bytes: u64,
}

struct Raw {
    index: usize,
    path: RelPath,
    kind: Kind,
    mode: Option<u32>,
    size: u64,
}

/// Lists a zip and refuses what no distribution holds.
pub(crate) fn list(
    path: &Path,
    zip: &ZipArchive<SharedReader>,
    expect_top: Option<&str>,
    limit: u64,
) -> Result<Contents, UnpackError> {
    let raw = (0..zip.len())
        .map(|index| look(path, zip, index))
        .collect::<Result<Vec<_>, _>>()?;
    let top = top(path, &raw, expect_top)?;
    let mut contents = Contents {
        top: top.to_string(),
        ..Contents::default()
    };
    let mut seen = BTreeSet::new();
    for Raw {
        index,
        path: full,
        kind,
        mode,
        size,
    } in raw
    {
        let Some(below) = full.strip_prefix(&top) else {
            continue;
        };
        for parent in below.ancestors() {
            contents.dirs.entry(parent).or_insert(0o755);
        }
        let unexpected = |what| UnpackError::Unexpected {
            path: path.to_owned(),
            entry: full.clone(),
            what,
        };
        if kind != Kind::Dir && !seen.insert(below.clone()) {
            return Err(unexpected("there twice"));
        }
        // No set-id bits out of a zip.
        let permissions = |default| mode.map_or(default, |mode| mode & 0o777);
        match kind {
            Kind::Dir if below.is_root() => {}
            // Not even a directory that its owner cannot enter is worth following a zip to the letter.
            Kind::Dir => drop(contents.dirs.insert(below, permissions(0o755) | 0o700)),
            Kind::File => contents.files.push(Item {
                index,
                path: below,
                mode: permissions(0o644),
            }),
            Kind::Link if size > MAX_LINK => return Err(unexpected("a link with too long a target")),
            Kind::Link => contents.links.push(Item {
                index,
                path: below,
                mode: 0o777,
            }),
            Kind::Special => return Err(unexpected("a socket, pipe or device")),
        }
        contents.bytes = contents.bytes.saturating_add(size);
    }
    if contents.bytes > limit {
        return Err(UnpackError::TooLarge {
            path: path.to_owned(),
            limit,
        });
    }
    if let Some(file) = contents
        .files
        .iter()
        .chain(&contents.links)
        .find(|file| contents.dirs.contains_key(&file.path))
    {
        let (path, entry) = (path.to_owned(), file.path.clone());
        return Err(UnpackError::Unexpected {
            path,
            entry,
            what: "a file and a directory",
        });
    }
    Ok(contents)
}

fn look(path: &Path, zip: &ZipArchive<SharedReader>, index: usize) -> Result<Raw, UnpackError> {
    let entry = zip.by_index_data(index).map_err(|source| UnpackError::Zip {
        path: path.to_owned(),
        source,
    })?;
    let name = Path::new(OsStr::from_bytes(entry.name_raw()));
    let below = RelPath::parse(name).map_err(|source| UnpackError::Escape {
        path: path.to_owned(),
        source,
    })?;
    let unexpected = |what| UnpackError::Unexpected {
        path: path.to_owned(),
        entry: below.clone(),
        what,
    };
    if entry.encrypted() {
        return Err(unexpected("encrypted"));
    }
    if entry.name_raw().contains(&b'\\') {
        return Err(unexpected("named with a backslash"));
    }
    let mode = entry.unix_mode();
    let kind = match mode.map_or(0, |mode| mode & KIND_MASK) {
        _ if entry.is_dir() => Kind::Dir,
        _ if entry.is_symlink() => Kind::Link,
        0 | 0o100_000 => Kind::File,
        _ => Kind::Special,
    };
    Ok(Raw {
        index,
        path: below,
        kind,
        mode,
        size: entry.size(),
    })
}

/// The one directory at the top.
fn top(path: &Path, raw: &[Raw], expect: Option<&str>) -> Result<RelPath, UnpackError> {
    let tops: BTreeSet<&OsStr> = raw.iter().filter_map(|entry| entry.path.names().next()).collect();
    let stray = raw
        .iter()
        .any(|entry| entry.kind != Kind::Dir && entry.path.ancestors().is_empty());
    let wanted = expect.map_or_else(
        || "one directory".to_owned(),
        |name| format!("the one directory `{name}`"),
    );
    let mut names: Vec<String> = tops
        .iter()
        .take(4)
        .map(|name| format!("`{}`", RelPath::root().child(name.as_bytes())))
        .collect();
    if tops.len() > names.len() {
        names.push("…".to_owned());
    }
    let found = if names.is_empty() {
        "nothing".to_owned()
    } else {
        names.join(", ")
    };
    let other = |found| UnpackError::Top {
        path: path.to_owned(),
        found,
        wanted: wanted.clone(),
    };
    match tops.first() {
        Some(_) if stray => Err(other(format!("files among {found}"))),
        Some(top) if tops.len() == 1 && expect.is_none_or(|expect| *top == expect) => {
            Ok(RelPath::root().child(top.as_bytes()))
        }
        Some(_) | None => Err(other(found)),
    }
}

/// Whether a link at `path` that points to `to` stays within the root, whatever other links there are: any number of
/// `..` first, not more than the link lies deep, and none after a name.
pub(crate) fn stays_inside(path: &RelPath, to: &[u8]) -> bool {
    let mut depth = path.ancestors().len();
    let mut named = false;
    for component in Path::new(OsStr::from_bytes(to)).components() {
        match component {
            Component::Normal(_) => named = true,
            Component::CurDir => {}
            Component::ParentDir if named || depth == 0 => return false,
            Component::ParentDir => depth -= 1,
            Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    !to.is_empty()
}
