//! The `bin` folder of a home, by its handle: whatever is linked or renamed meanwhile, only names in this very
//! folder are changed, and only files of the home are read.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::path::Path;

use cap_std::fs::{Dir, MetadataExt, OpenOptions, OpenOptionsExt};

use crate::service::inside::{self, Inside};

/// The start script.
pub(super) const SCRIPT: &str = "wso2server.sh";
/// The original while the guard is in its place.
pub(super) const HELD: &str = "wso2server.sh.cutover-held";
/// The guard while it is being written.
pub(super) const NEXT: &str = ".wso2server.sh.cutover-next";
/// The original while it is being copied.
const COPY: &str = "wso2server.sh.cutover-copy";
/// More than any start script has.
const SCRIPT_MAX: u64 = 16 << 20;

pub(super) struct Bin {
    home: Inside,
    dir: Dir,
}

impl Bin {
    /// `None` when there is no such home, or no `bin` in it.
    pub(super) fn open(home: &Path) -> io::Result<Option<Self>> {
        let Some(home) = Inside::open(home)? else {
            return Ok(None);
        };
        let dir = home.folder("bin")?;
        Ok(dir.map(|dir| Self { home, dir }))
    }

    pub(super) fn exists(&self, name: &str) -> io::Result<bool> {
        match self.dir.symlink_metadata(name) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// How the script begins; `None` when there is none.
    pub(super) fn head(&self) -> io::Result<Option<Vec<u8>>> {
        self.home.read(&in_home(SCRIPT), 64)
    }

    /// Whether script and original are one file under two names.
    pub(super) fn is_linked(&self) -> bool {
        match (self.dir.symlink_metadata(SCRIPT), self.dir.symlink_metadata(HELD)) {
            (Ok(one), Ok(other)) => one.dev() == other.dev() && one.ino() == other.ino(),
            (Err(_), _) | (_, Err(_)) => false,
        }
    }

    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        inside::remove(&self.dir, name)
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.dir.rename(from, &self.dir, to)?;
        inside::sync(&self.dir)
    }

    /// Gives the script its second name.
    pub(super) fn second_name(&self) -> io::Result<()> {
        if self.is_linked() {
            return Ok(());
        }
        self.remove(HELD)?;
        match self.dir.hard_link(SCRIPT, &self.dir, HELD) {
            Ok(()) => inside::sync(&self.dir),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            // Some file systems have no hard links: then a copy, with the same rights, under a name of its own first.
            Err(_) => self.copy_script(),
        }
    }

    fn copy_script(&self) -> io::Result<()> {
        self.remove(COPY)?;
        let script = self
            .home
            .read(&in_home(SCRIPT), SCRIPT_MAX + 1)?
            .unwrap_or_default();
        if u64::try_from(script.len()).is_ok_and(|length| length > SCRIPT_MAX) {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.write_like(COPY, &script, SCRIPT)?;
        self.rename(COPY, HELD)
    }

    /// A new file with the mode and owner of another.
    pub(super) fn write_like(&self, name: &str, content: &[u8], like: &str) -> io::Result<()> {
        let like = self.home.metadata(&in_home(like))?;
        let like = like.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = self.dir.open_with(name, &options)?.into_std();
        file.write_all(content)?;
        let owner = file.metadata()?;
        if (owner.uid(), owner.gid()) != (like.uid(), like.gid()) {
            std::os::unix::fs::fchown(&file, Some(like.uid()), Some(like.gid()))?;
        }
        file.set_permissions(Permissions::from_mode(like.mode() & 0o777))?;
        file.sync_all()
    }
}

fn in_home(name: &str) -> String {
    format!("bin/{name}")
}
