//! Removing a tree.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir};
use rustix::io::Errno;

use crate::beneath::{self, BeneathError, Root};
use crate::error::{Context, FileError};
use crate::meta::Kind;
use crate::path::{PathError, RelPath};

/// Removes what stands at a path: a file, a link (never what it points to) or a directory with all it holds.
/// Returns how many entries went; 0 when nothing was there. The root itself is refused, and so is a tree that holds
/// a mounted file system. No link on the way is followed.
pub fn remove_tree(root: &Root, path: impl AsRef<Path>) -> Result<u64, BeneathError> {
    let path = RelPath::parse(path)?;
    let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
        return Err(PathError {
            path: PathBuf::from("."),
            reason: "the root itself is not removed",
        }
        .into());
    };
    let full = root.full(&path);
    let dir = match beneath::open_dir(root.fd(), &parent) {
        Ok(dir) => dir,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(FileError::new("open the directory of", full, error).into()),
    };
    let Some(meta) = beneath::look(&dir, name).on("look at", || full.clone())? else {
        return Ok(0);
    };
    if meta.kind != Kind::Dir {
        return Ok(unlink(
            dir.as_fd(),
            name.as_encoded_bytes(),
            &full,
            AtFlags::empty(),
        )?);
    }
    let inner = beneath::open_dir(dir.as_fd(), &RelPath::root().child(name.as_encoded_bytes()));
    let inner = inner.on("open directory", || full.clone())?;
    let mut removed = empty_below(&inner, &full, meta.dev)?;
    removed += unlink(dir.as_fd(), name.as_encoded_bytes(), &full, AtFlags::REMOVEDIR)?;
    Ok(removed)
}

/// Removes everything in a directory and leaves it empty.
pub(crate) fn empty(dir: BorrowedFd<'_>, shown: &Path) -> Result<u64, FileError> {
    let own = beneath::open_dir(dir, &RelPath::root()).on("open directory", || shown.to_owned())?;
    let meta = beneath::look(&own, ".").on("look at", || shown.to_owned())?;
    empty_below(&own, shown, meta.map_or(0, |meta| meta.dev))
}

/// Empties a directory, going down with an explicit stack: the depth of a tree is not ours to choose.
fn empty_below(top: &OwnedFd, shown: &Path, dev: u64) -> Result<u64, FileError> {
    let mut removed = 0;
    // Directories on the way down; those that have been seen are empty when they come up again.
    let mut stack: Vec<(RelPath, bool)> = vec![(RelPath::root(), false)];
    while let Some((path, seen)) = stack.pop() {
        let full = |path: &RelPath| {
            if path.is_root() {
                shown.to_owned()
            } else {
                shown.join(path)
            }
        };
        if seen {
            let parent = path.parent().unwrap_or_default();
            let dir = beneath::open_dir(top.as_fd(), &parent).on("open directory", || full(&parent))?;
            let name = path.name().unwrap_or_default();
            removed += unlink(
                dir.as_fd(),
                name.as_encoded_bytes(),
                &full(&path),
                AtFlags::REMOVEDIR,
            )?;
            continue;
        }
        let dir = beneath::open_dir(top.as_fd(), &path).on("open directory", || full(&path))?;
        if !path.is_root() {
            stack.push((path.clone(), true));
        }
        let listing = Dir::read_from(&dir).on("list", || full(&path))?;
        for entry in listing {
            let entry = entry.on("list", || full(&path))?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let child = path.child(name);
            match beneath::look(&dir, name).on("look at", || full(&child))? {
                None => {}
                Some(meta) if meta.kind == Kind::Dir && meta.dev != dev => {
                    let error = io::Error::other("another file system is mounted there");
                    return Err(FileError::new("remove", full(&child), error));
                }
                Some(meta) if meta.kind == Kind::Dir => stack.push((child, false)),
                Some(_) => removed += unlink(dir.as_fd(), name, &full(&child), AtFlags::empty())?,
            }
        }
    }
    Ok(removed)
}

fn unlink(dir: BorrowedFd<'_>, name: &[u8], full: &Path, flags: AtFlags) -> Result<u64, FileError> {
    match rustix::fs::unlinkat(dir, name, flags) {
        Ok(()) => Ok(1),
        Err(Errno::NOENT) => Ok(0),
        Err(error) => Err(FileError::new("remove", full, error)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_removed_and_never_followed() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir_all(temp.path().join("home/a/b/c")).unwrap();
        fs::create_dir(temp.path().join("outside")).unwrap();
        fs::write(temp.path().join("outside/precious"), "x").unwrap();
        fs::write(temp.path().join("home/a/b/file\nname"), "x").unwrap();
        symlink("../../outside", temp.path().join("home/a/link")).unwrap();
        symlink("../outside", temp.path().join("home/out")).unwrap();
        let root = Root::open(temp.path().join("home")).unwrap();
        assert!(remove_tree(&root, "out/precious").is_err());
        assert_eq!(remove_tree(&root, "a").unwrap(), 5);
        assert_eq!(remove_tree(&root, "a").unwrap(), 0);
        assert_eq!(remove_tree(&root, "out").unwrap(), 1);
        assert!(temp.path().join("outside/precious").exists());
    }

    #[test]
    fn the_root_and_what_is_outside_are_refused() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("home")).unwrap();
        let root = Root::open(temp.path().join("home")).unwrap();
        for path in ["", ".", "..", "../home", "/"] {
            assert!(remove_tree(&root, path).is_err(), "{path:?}");
        }
        assert!(temp.path().join("home").exists());
    }

    #[test]
    fn a_deep_tree_goes() {
        let temp = tempfile::tempdir().unwrap();
        let root = Root::open(temp.path()).unwrap();
        let deep = vec!["d"; 300].join("/");
        fs::create_dir_all(temp.path().join(deep)).unwrap();
        assert_eq!(remove_tree(&root, "d").unwrap(), 300);
    }
}
