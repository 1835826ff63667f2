//! A home, from the inside: its files are reached from a handle of the home, and no link leads out of it. The
//! account that a server runs as can put a link anywhere in its home, and the agent may be root.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, OpenOptions, OpenOptionsExt};
use cutover_files::RelPath;
use cutover_files::beneath::BeneathError;
use rustix::fs::{Mode, OFlags};

/// The handle of a home.
#[derive(Debug)]
pub struct Inside {
    dir: Dir,
    home: PathBuf,
}

/// What lies below a folder.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct FilesBelow {
    /// Files, as paths from the home.
    pub files: Vec<String>,
    /// What is neither a file nor a folder inside: links out of the home or to folders, pipes, names that are not
    /// UTF-8.
    pub unread: Vec<String>,
}

impl Inside {
    /// Opens a home; `None` when there is none.
    ///
    /// # Errors
    /// When it is there and can't be opened.
    pub fn open(home: &Path) -> io::Result<Option<Self>> {
        let dir = present(Dir::open_ambient_dir(home, ambient_authority()))?;
        Ok(dir.map(|dir| Self {
            dir,
            home: home.to_owned(),
        }))
    }

    /// The home's own metadata.
    ///
    /// # Errors
    /// When it can't be looked at.
    pub fn home_metadata(&self) -> io::Result<Metadata> {
        self.dir.dir_metadata()
    }

    /// What is at a path, links that stay inside followed; `None` when nothing is.
    ///
    /// # Errors
    /// When it can't be looked at, or a link leads out of the home.
    pub fn metadata(&self, path: &str) -> io::Result<Option<Metadata>> {
        present(self.dir.metadata(path)).map_err(|error| self.refused(path, error))
    }

    /// Opens a regular file for reading; `None` when nothing is there.
    ///
    /// # Errors
    /// When it can't be opened, is anything but a regular file, or a link leads out of the home.
    pub fn file(&self, path: &str) -> io::Result<Option<File>> {
        present(open_regular(&self.dir, path.as_ref())).map_err(|error| self.refused(path, error))
    }

    /// Reads at most `max` bytes of a regular file; `None` when nothing is there.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn read(&self, path: &str, max: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = self.file(path)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(max).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Opens a folder; `None` when nothing is there.
    ///
    /// # Errors
    /// When it can't be opened, or a link leads out of the home.
    pub fn folder(&self, path: &str) -> io::Result<Option<Dir>> {
        present(self.dir.open_dir(path)).map_err(|error| self.refused(path, error))
    }

    /// The names in a folder, in order; none when it is not there.
    ///
    /// # Errors
    /// As [`Self::folder`].
    pub fn names(&self, path: &str) -> io::Result<Vec<String>> {
        let Some(folder) = self.folder(path)? else {
            return Ok(Vec::new());
        };
        let names = folder.entries()?.map(|entry| Ok(entry?.file_name()));
        let names: Vec<OsString> = names.collect::<io::Result<_>>()?;
        let mut names: Vec<String> = names
            .into_iter()
            .filter_map(|name| name.into_string().ok())
            .collect();
        names.sort();
        Ok(names)
    }

    /// Every file below a folder, as paths from the home in order; none when the folder is not there. Links to files
    /// that stay inside count as files, links to folders are not followed.
    ///
    /// # Errors
    /// When a folder can't be listed.
    pub fn files_below(&self, folder: &str) -> io::Result<FilesBelow> {
        let mut found = FilesBelow::default();
        let mut open = vec![folder.to_owned()];
        while let Some(folder) = open.pop() {
            let Some(dir) = self.folder(&folder)? else {
                continue;
            };
            for entry in dir.entries()? {
                let entry = entry?;
                let Ok(name) = entry.file_name().into_string() else {
                    found
                        .unread
                        .push(format!("{folder}/{}", entry.file_name().to_string_lossy()));
                    continue;
                };
                let path = format!("{folder}/{name}");
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    open.push(path);
                } else if kind.is_file() || self.dir.metadata(&path).is_ok_and(|meta| meta.is_file()) {
                    found.files.push(path);
                } else {
                    found.unread.push(path);
                }
            }
        }
        found.files.sort();
        found.unread.sort();
        Ok(found)
    }

    /// Removes the file or link of this name in the home itself; nothing that a link points to.
    ///
    /// # Errors
    /// When it is there and can't be removed.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        remove(&self.dir, name)
    }

    /// `cap-std` reports an escape as a permission error that no system call returned.
    fn refused(&self, path: &str, error: io::Error) -> io::Error {
        if error.kind() != io::ErrorKind::PermissionDenied || error.raw_os_error().is_some() {
            return error;
        }
        match RelPath::parse(path) {
            Ok(path) => io::Error::new(
                io::ErrorKind::PermissionDenied,
                BeneathError::Escape {
                    root: self.home.clone(),
                    path,
                },
            ),
            Err(error) => io::Error::new(io::ErrorKind::InvalidInput, error),
        }
    }
}

/// Opens a regular file. A FIFO in its place must not block the agent, a device not be read.
///
/// # Errors
/// When it can't be opened or is anything else.
pub(crate) fn open_regular(dir: &Dir, path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags(i32::try_from(OFlags::NONBLOCK.bits()).map_err(io::Error::other)?);
    let file = dir.open_with(path, &options)?.into_std();
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "it is not a regular file, and nothing else is read there",
    ))
}

/// Removes a name for good; one that is not there is no error.
///
/// # Errors
/// When it can't be removed.
pub(crate) fn remove(dir: &Dir, name: &str) -> io::Result<()> {
    match present(dir.remove_file(name))? {
        Some(()) => sync(dir),
        None => Ok(()),
    }
}

/// Makes the names in a folder survive a power cut.
///
/// # Errors
/// When it can't be synced.
pub(crate) fn sync(dir: &Dir) -> io::Result<()> {
    // The handle itself is only a place to start from: it can't be synced.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(dir, ".", flags, Mode::empty())?;
    Ok(rustix::fs::fsync(folder)?)
}

fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn home_when_a_link_leads_out_then_refused_and_named() {
        let temp = tempfile::tempdir().unwrap();
        let home = temp.path().join("home");
        fs::create_dir_all(home.join("conf")).unwrap();
        fs::write(temp.path().join("secret"), "secret").unwrap();
        fs::write(home.join("conf/a"), "a").unwrap();
        symlink("../secret", home.join("file")).unwrap();
        symlink(temp.path(), home.join("folder")).unwrap();
        symlink("conf/a", home.join("inside")).unwrap();
        let inside = Inside::open(&home).unwrap().unwrap();
        for path in ["file", "folder/secret"] {
            let error = inside.read(path, 10).unwrap_err();
            let step = crate::fault::io("read", &home.join(path), &error);
            assert_eq!(
                step.code,
                cutover_proto::report::ErrorCode::PolicyRefused,
                "{path}"
            );
            assert!(step.why.contains("symbolic link"), "{step:?}");
            assert!(inside.metadata(path).is_err(), "{path}");
        }
        assert!(inside.names("folder").is_err());
        assert_eq!(inside.read("inside", 10).unwrap().unwrap(), b"a");
        assert_eq!(inside.read("none", 10).unwrap(), None);
        assert_eq!(inside.names("none").unwrap(), Vec::<String>::new());
        inside.remove("file").unwrap();
        assert!(temp.path().join("secret").exists() && !home.join("file").is_symlink());
        assert!(Inside::open(&temp.path().join("none")).unwrap().is_none());
    }

    #[test]
    fn files_when_listed_then_links_to_folders_and_out_are_told_apart() {
        let temp = tempfile::tempdir().unwrap();
        let home = temp.path().join("home");
        fs::create_dir_all(home.join("conf/etc")).unwrap();
        fs::write(temp.path().join("secret"), "secret").unwrap();
        fs::write(home.join("conf/b"), "b").unwrap();
        fs::write(home.join("conf/etc/a"), "a").unwrap();
        symlink("etc/a", home.join("conf/inside")).unwrap();
        symlink("../../secret", home.join("conf/out")).unwrap();
        symlink(".", home.join("conf/loop")).unwrap();
        let inside = Inside::open(&home).unwrap().unwrap();
        let found = inside.files_below("conf").unwrap();
        assert_eq!(found.files, ["conf/b", "conf/etc/a", "conf/inside"]);
        assert_eq!(found.unread, ["conf/loop", "conf/out"]);
        assert_eq!(inside.files_below("none").unwrap(), FilesBelow::default());
    }

    #[test]
    fn file_when_it_is_a_fifo_or_a_device_then_refused_at_once() {
        let temp = tempfile::tempdir().unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            temp.path().join("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let inside = Inside::open(temp.path()).unwrap().unwrap();
        assert!(
            inside
                .file("fifo")
                .unwrap_err()
                .to_string()
                .contains("regular file")
        );
        assert!(inside.file(".").is_err());
    }
}
