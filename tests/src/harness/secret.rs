//! Passwords that must be found nowhere but where they belong.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use sha2::{Digest as _, Sha256};

/// What every planted password begins with.
pub const PLANTED: &str = "Pl4nted-S3cret-";

/// The passwords, each in a file that only its owner can read.
#[derive(Debug, Clone)]
pub struct Secrets {
    dir: PathBuf,
}

impl Secrets {
    /// Writes them below `dir`.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn plant(dir: &Path) -> Result<Self> {
        let secrets = Self { dir: dir.to_owned() };
        fs::create_dir_all(dir)?;
        for (name, value) in [
            ("app", secrets.app()),
            ("dba", secrets.dba()),
            ("admin", secrets.admin()),
        ] {
            let path = secrets.file(name);
            let mut file = fs::File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .with_context(|| format!("write {}", path.display()))?;
            writeln!(file, "{value}")?;
        }
        Ok(secrets)
    }

    /// The folder they lie in.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file of `app`, `dba` or `admin`.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.pw"))
    }

    /// How an upgrade file refers to it.
    #[must_use]
    pub fn reference(&self, name: &str) -> String {
        format!("file:{}", self.file(name).display())
    }

    /// Of the account that the servers use. It holds what XML and shells treat in their own way.
    #[must_use]
    pub fn app(&self) -> String {
        format!("{PLANTED}App<&>#7")
    }

    /// Of the account that Cutover uses on the databases.
    #[must_use]
    pub fn dba(&self) -> String {
        format!("{PLANTED}Dba-41c")
    }

    /// Of the key store that a site has of its own, and of its vault.
    #[must_use]
    pub fn keystore(&self) -> String {
        format!("{PLANTED}Key'&\"55")
    }

    /// Of the product's administrator.
    #[must_use]
    pub fn admin(&self) -> String {
        format!("{PLANTED}Adm-902")
    }

    /// How a Carbon user store keeps the administrator's password under the sample rows' salt.
    #[must_use]
    pub fn admin_hash(&self) -> String {
        let digest = Sha256::digest(format!("{}salt0", self.admin()));
        base64::engine::general_purpose::STANDARD.encode(digest)
    }
}
