//! A directory that is worked in, and never out of.
//!
//! Two ways lead down from a [`Root`]. Reading what an operator names goes through `cap-std`: links that stay
//! inside are followed, links that lead out are refused. Trees are walked and changed by plain names, one
//! `openat` with `O_NOFOLLOW` at a time: there no link is followed at all.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use rustix::fs::{AtFlags, Mode, OFlags};

use crate::error::{Context, FileError};
use crate::meta::Meta;
use crate::path::{PathError, RelPath};

/// A directory handle; everything done with it stays beneath it.
#[derive(Debug)]
pub struct Root {
    dir: Dir,
    path: PathBuf,
}

/// Why something beneath a root was not reached.
#[derive(Debug, thiserror::Error)]
pub enum BeneathError {
    /// The path is no path beneath a root.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A symbolic link leads out of the root.
    #[error("`{path}` leads out of `{}` through a symbolic link; nothing outside is touched", root.display())]
    Escape {
        /// The root.
        root: PathBuf,
        /// The path beneath it.
        path: RelPath,
    },
    /// The system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Root {
    /// Opens an existing directory. The path to it is trusted; what lies beneath is not.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, BeneathError> {
        let path = path.as_ref();
        let dir =
            Dir::open_ambient_dir(path, ambient_authority()).on("open directory", || path.to_owned())?;
        Ok(Self {
            dir,
            path: path.to_owned(),
        })
    }

    /// Opens a directory and makes it, with its parents, when it does not exist.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, BeneathError> {
        let path = path.as_ref();
        Dir::create_ambient_dir_all(path, ambient_authority()).on("make directory", || path.to_owned())?;
        Self::open(path)
    }

    /// The path it was opened at, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The handle, for what this crate does not offer.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// A directory beneath it as a root of its own.
    pub fn sub(&self, path: impl AsRef<Path>) -> Result<Self, BeneathError> {
        let path = RelPath::parse(path)?;
        let name = if path.is_root() {
            Path::new(".")
        } else {
            path.as_path()
        };
        let dir = self
            .dir
            .open_dir(name)
            .map_err(|error| self.refused("open directory", &path, error))?;
        Ok(Self {
            dir,
            path: self.full(&path),
        })
    }

    /// Opens a file for reading.
    pub fn open_file(&self, path: impl AsRef<Path>) -> Result<File, BeneathError> {
        let path = RelPath::parse(path)?;
        let mut options = OpenOptions::new();
        let file = self.dir.open_with(&path, options.read(true));
        file.map(cap_std::fs::File::into_std)
            .map_err(|error| self.refused("open", &path, error))
    }

    /// Reads a whole file.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Vec<u8>, BeneathError> {
        let path = RelPath::parse(path)?;
        self.dir
            .read(&path)
            .map_err(|error| self.refused("read", &path, error))
    }

    /// Whether something is there. A link that leads out is refused rather than called absent.
    pub fn exists(&self, path: impl AsRef<Path>) -> Result<bool, BeneathError> {
        let path = RelPath::parse(path)?;
        if path.is_root() {
            return Ok(true);
        }
        match self.dir.metadata(&path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.refused("look at", &path, error)),
        }
    }

    /// The path as messages show it.
    pub(crate) fn full(&self, path: &RelPath) -> PathBuf {
        if path.is_root() {
            self.path.clone()
        } else {
            self.path.join(path)
        }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// `cap-std` reports an escape as a permission error that no system call returned.
    pub(crate) fn refused(&self, action: &'static str, path: &RelPath, error: io::Error) -> BeneathError {
        if error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none() {
            return BeneathError::Escape {
                root: self.path.clone(),
                path: path.clone(),
            };
        }
        FileError::new(action, self.full(path), error).into()
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Opens a directory by plain names; a link anywhere on the way is an error.
pub(crate) fn open_dir(base: BorrowedFd<'_>, path: &RelPath) -> io::Result<OwnedFd> {
    let mut dir = None;
    for name in path.names() {
        let from = dir.as_ref().map_or(base, AsFd::as_fd);
        dir = Some(rustix::fs::openat(from, name, DIRECTORY, Mode::empty())?);
    }
    match dir {
        Some(dir) => Ok(dir),
        None => Ok(rustix::fs::openat(base, ".", DIRECTORY, Mode::empty())?),
    }
}

/// What stands under a name of a directory, links not followed; `None` when nothing does.
pub(crate) fn look(dir: impl AsFd, name: impl rustix::path::Arg) -> io::Result<Option<Meta>> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat.into())),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What stands at a path, reached by plain names; `None` when it or a directory on the way is missing.
pub(crate) fn look_at(base: BorrowedFd<'_>, path: &RelPath) -> io::Result<Option<Meta>> {
    let Some((parent, name)) = path.parent().zip(path.name()) else {
        return look(base, ".");
    };
    match open_dir(base, &parent) {
        Ok(dir) => look(dir, name),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn home() -> (tempfile::TempDir, Root) {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir_all(temp.path().join("home/conf")).unwrap();
        fs::write(temp.path().join("secret"), "secret").unwrap();
        fs::write(temp.path().join("home/conf/carbon.xml"), "<Server/>").unwrap();
        symlink("../secret", temp.path().join("home/relative")).unwrap();
        symlink(temp.path().join("secret"), temp.path().join("home/absolute")).unwrap();
        symlink("..", temp.path().join("home/up")).unwrap();
        symlink("conf", temp.path().join("home/inside")).unwrap();
        let root = Root::open(temp.path().join("home")).unwrap();
        (temp, root)
    }

    #[test]
    fn link_out_of_the_root_is_refused() {
        let (_temp, root) = home();
        for path in ["relative", "absolute", "up/secret"] {
            let error = root.read(path).unwrap_err();
            assert!(matches!(error, BeneathError::Escape { .. }), "{path}: {error:?}");
            assert!(root.exists(path).is_err(), "{path}");
            assert!(root.open_file(path).is_err(), "{path}");
        }
        assert!(matches!(root.sub("up").unwrap_err(), BeneathError::Escape { .. }));
    }

    #[test]
    fn climbing_and_absolute_paths_are_refused() {
        let (temp, root) = home();
        assert!(matches!(
            root.read("../secret").unwrap_err(),
            BeneathError::Path(_)
        ));
        assert!(matches!(
            root.read(temp.path().join("secret")).unwrap_err(),
            BeneathError::Path(_)
        ));
    }

    #[test]
    fn link_that_stays_inside_is_followed_for_reading_but_not_in_walks() {
        let (_temp, root) = home();
        assert_eq!(root.read("inside/carbon.xml").unwrap(), b"<Server/>");
        assert!(root.exists("inside/carbon.xml").unwrap());
        assert!(!root.exists("inside/none.xml").unwrap());
        assert!(root.sub("inside").unwrap().exists("carbon.xml").unwrap());
        assert!(open_dir(root.fd(), &RelPath::parse("inside").unwrap()).is_err());
        assert!(open_dir(root.fd(), &RelPath::parse("conf").unwrap()).is_ok());
    }
}
