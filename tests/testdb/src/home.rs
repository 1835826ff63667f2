//! The folder of one instance.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

const PREFIX: &str = "cutover-testdb-";
/// `sun_path` holds 108 bytes; PostgreSQL adds a file name of its own to the folder.
const LONGEST_SOCKET_DIR: usize = 80;

/// The folder an instance lives in: its own temporary one, or one the caller keeps.
#[derive(Debug)]
pub(crate) struct Home {
    dir: PathBuf,
    socket_dir: PathBuf,
    /// Temporary folders, removed with the instance.
    _owned: Vec<TempDir>,
}

impl Home {
    pub(crate) fn temporary() -> Result<Self> {
        sweep_leftovers();
        let owned = temp_dir()?;
        Ok(Self {
            dir: owned.path().to_owned(),
            socket_dir: owned.path().to_owned(),
            _owned: vec![owned],
        })
    }

    pub(crate) fn at(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
        let dir = dir.canonicalize()?;
        if dir.as_os_str().len() <= LONGEST_SOCKET_DIR {
            return Ok(Self {
                socket_dir: dir.clone(),
                dir,
                _owned: Vec::new(),
            });
        }
        let owned = temp_dir()?;
        Ok(Self {
            dir,
            socket_dir: owned.path().to_owned(),
            _owned: vec![owned],
        })
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// Lets the user the server runs as reach the folders and write in them.
    pub(crate) fn give_to(&self, user: Option<(u32, u32)>) -> Result<()> {
        let Some((uid, gid)) = user else { return Ok(()) };
        for dir in [&self.dir, &self.socket_dir] {
            std::os::unix::fs::chown(dir, Some(uid), Some(gid))
                .with_context(|| format!("give {} to user {uid}", dir.display()))?;
        }
        Ok(())
    }
}

/// A password nobody else knows.
pub(crate) fn random_password() -> Result<String> {
    use std::io::Read as _;
    let mut bytes = [0_u8; 12];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn temp_dir() -> Result<TempDir> {
    let base = std::env::temp_dir();
    // Not inside a deep TMPDIR: the socket's path would not fit.
    let base = if base.as_os_str().len() > 40 {
        PathBuf::from("/tmp")
    } else {
        base
    };
    let prefix = format!("{PREFIX}{}-", std::process::id());
    tempfile::Builder::new()
        .prefix(&prefix)
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(&base)
        .with_context(|| format!("create a folder in {}", base.display()))
}

/// A test process that is killed leaves its folders; remove those whose process is gone for a while.
fn sweep_leftovers() {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok());
        let Some(owner) = owner else { continue };
        let alive = owner_alive(owner);
        let age = entry
            .metadata()
            .and_then(|meta| meta.modified())
            .ok()
            .and_then(|at| at.elapsed().ok());
        if !alive && age.is_some_and(|age| age > Duration::from_secs(120)) {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

fn owner_alive(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}
