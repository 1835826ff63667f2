//! A directory that is filled beside its destination and becomes it by one rename.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::archive::io::sync_parent;
use crate::beneath::{self, BeneathError, Root};
use crate::error::{Context, FileError};
use crate::path::RelPath;
use crate::remove;

/// The directory being filled. Removed with all it holds unless published.
#[derive(Debug)]
pub(crate) struct Staging {
    parent: Root,
    name: OsString,
    root: Root,
    dest: PathBuf,
    published: bool,
}

impl Staging {
    /// Makes the directory, in place of one that a crash has left. `None` when the destination is taken.
    pub(crate) fn create(dest: &Path) -> Result<Option<Self>, FileError> {
        if !is_free(dest)? {
            return Ok(None);
        }
        let (Some(parent), Some(name)) = (dest.parent(), dest.file_name()) else {
            return Ok(None);
        };
        let parent = if parent.as_os_str().is_empty() {
            Path::new(".")
        } else {
            parent
        };
        let parent = open_root(parent)?;
        let staged = partial_name(name);
        remove(&parent, &staged)?;
        let path = parent.path().join(&staged);
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| FileError::writing("make directory", &path, 0, error))?;
        let root = open_root(&path)?;
        Ok(Some(Self {
            parent,
            name: staged,
            root,
            dest: dest.to_owned(),
            published: false,
        }))
    }

    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    /// Waits until everything is on the disk and renames the directory to its destination.
    pub(crate) fn publish(mut self) -> Result<(), FileError> {
        let shown = || self.root.path().to_owned();
        let dir = beneath::open_dir(self.root.fd(), &RelPath::root()).on("open directory", shown)?;
        rustix::fs::syncfs(&dir).on("sync the file system of", shown)?;
        // An empty directory is replaced, anything else makes the rename fail.
        fs::rename(self.root.path(), &self.dest).on("rename to the destination", shown)?;
        self.published = true;
        sync_parent(&self.dest)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.published {
            // Nothing more can be done here; the next attempt removes it too.
            remove(&self.parent, &self.name).ok();
        }
    }
}

/// Where something is unpacked to before it is renamed to `dest`. What a crash has left there may be removed.
#[must_use]
pub fn partial(dest: &Path) -> PathBuf {
    dest.with_file_name(partial_name(dest.file_name().unwrap_or_default()))
}

fn partial_name(name: &OsStr) -> OsString {
    let mut partial = OsString::from(".");
    partial.push(name);
    partial.push(".cutover-part");
    partial
}

fn is_free(dest: &Path) -> Result<bool, FileError> {
    match fs::symlink_metadata(dest) {
        Ok(meta) if meta.is_dir() => {
            let mut entries = fs::read_dir(dest).on("list", || dest.to_owned())?;
            Ok(entries.next().is_none())
        }
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(FileError::new("look at", dest, error)),
    }
}

fn open_root(path: &Path) -> Result<Root, FileError> {
    Root::open(path).map_err(|error| plain(error, path))
}

fn remove(parent: &Root, name: &OsString) -> Result<(), FileError> {
    match remove::remove_tree(parent, name) {
        Ok(_) => Ok(()),
        Err(error) => Err(plain(error, &parent.path().join(name))),
    }
}

/// The names used here are single names that exist in no link: only the system can refuse.
fn plain(error: BeneathError, path: &Path) -> FileError {
    match error {
        BeneathError::File(error) => error,
        error @ (BeneathError::Path(_) | BeneathError::Escape { .. }) => {
            FileError::new("open directory", path, io::Error::other(error))
        }
    }
}
