//! The two files of the authority: `ca.key` (mode 0600) and `ca.pem`.
//!
//! A file appears whole or not at all, and never replaces another: it is written under a temporary name,
//! synced, and linked to its own name, which fails if that name is taken.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::error::CaError;

const KEY: &str = "ca.key";
const CERTIFICATE: &str = "ca.pem";

pub(crate) fn key_path(dir: &Path) -> PathBuf {
    dir.join(KEY)
}

pub(crate) fn certificate_path(dir: &Path) -> PathBuf {
    dir.join(CERTIFICATE)
}

/// Makes the directory, for its owner only, if it is missing.
pub(crate) fn ensure_directory(dir: &Path) -> Result<(), CaError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| file_error("create", dir, source))
}

pub(crate) fn create_key(dir: &Path, pem: &str) -> Result<(), CaError> {
    create(dir, &key_path(dir), 0o600, pem)
}

pub(crate) fn create_certificate(dir: &Path, pem: &str) -> Result<(), CaError> {
    create(dir, &certificate_path(dir), 0o644, pem)
}

fn create(dir: &Path, path: &Path, mode: u32, content: &str) -> Result<(), CaError> {
    let temporary = path.with_extension("new");
    // What a killed creation left behind was never in use.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(file_error("remove", &temporary, error));
        }
        Ok(()) | Err(_) => {}
    }
    let linked = write_new(&temporary, mode, content).and_then(|()| link(&temporary, path));
    let removed = fs::remove_file(&temporary).map_err(|source| file_error("remove", &temporary, source));
    linked?;
    removed?;
    sync_directory(dir)
}

fn write_new(path: &Path, mode: u32, content: &str) -> Result<(), CaError> {
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)?;
        // The umask may have taken more away than wanted, never less.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(content.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|source| file_error("write", path, source))
}

fn link(temporary: &Path, path: &Path) -> Result<(), CaError> {
    fs::hard_link(temporary, path).map_err(|source| match source.kind() == io::ErrorKind::AlreadyExists {
        true => CaError::Exists {
            path: path.to_owned(),
        },
        false => file_error("create", path, source),
    })
}

fn sync_directory(dir: &Path) -> Result<(), CaError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|source| file_error("sync", dir, source))
}

/// The key, if nobody but its owner can get at it.
pub(crate) fn read_key(dir: &Path) -> Result<SecretString, CaError> {
    let path = key_path(dir);
    let file = File::open(&path).map_err(|source| open_error(&path, source))?;
    let mode = file
        .metadata()
        .map_err(|source| file_error("read", &path, source))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        return Err(CaError::KeyExposed {
            path,
            mode: mode & 0o7777,
        });
    }
    let pem = io::read_to_string(file).map_err(|source| file_error("read", &path, source))?;
    Ok(SecretString::from(pem))
}

pub(crate) fn read_certificate(dir: &Path) -> Result<String, CaError> {
    let path = certificate_path(dir);
    fs::read_to_string(&path).map_err(|source| open_error(&path, source))
}

/// Whether the name is taken, if only by a link that leads nowhere.
pub(crate) fn exists(path: &Path) -> Result<bool, CaError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(file_error("look for", path, error)),
    }
}

fn open_error(path: &Path, source: io::Error) -> CaError {
    match source.kind() == io::ErrorKind::NotFound {
        true => CaError::Missing {
            path: path.to_owned(),
        },
        false => file_error("read", path, source),
    }
}

fn file_error(action: &'static str, path: &Path, source: io::Error) -> CaError {
    CaError::File {
        action,
        path: path.to_owned(),
        source,
    }
}
