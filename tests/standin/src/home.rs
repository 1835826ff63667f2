//! Builds a CARBON_HOME on disk, as unpacked from a distribution or as a site runs it.

mod artifacts;
mod conf;
mod datasources;
mod script;
mod site;
mod stock;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

pub use site::Site;

/// The database a home is connected to.
#[derive(Clone)]
pub struct Database {
    /// The JDBC URL, like `jdbc:mysql://127.0.0.1:3306/carbon?autoReconnect=true`.
    pub url: String,
    /// The database user.
    pub user: String,
    /// Its password, written into the configuration in plain text as most sites do.
    pub password: String,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("url", &self.url)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// What kind of home to build.
#[derive(Debug, Clone)]
pub struct HomeSpec {
    /// The product's full name, like `WSO2 Data Services Server`.
    pub product: String,
    /// The product's version, like `3.2.0`.
    pub version: String,
    /// The kernel's version, like `4.2.0`.
    pub kernel: String,
    /// The database of a site's home; without it the home is stock: embedded database, no site files.
    pub database: Option<Database>,
    /// The database of a registry that the home mounts.
    pub mount: Option<Database>,
    /// The RSS metadata database of a Storage Server.
    pub rss: Option<Database>,
    /// What else a site changed.
    pub site: Site,
    /// Added to every port.
    pub offset: u16,
    /// Ids of tenants that get folders of their own.
    pub tenants: Vec<i32>,
    /// A folder of real stock files (`carbon-<kernel>/conf`, …) to use instead of this package's own.
    pub corpus: Option<PathBuf>,
    /// The program the start script runs in place of a JVM.
    pub standin: PathBuf,
}

impl HomeSpec {
    /// A stock home of a product, run by the program at `standin`.
    #[must_use]
    pub fn stock(product: &str, version: &str, kernel: &str, standin: &Path) -> Self {
        Self {
            product: product.to_owned(),
            version: version.to_owned(),
            kernel: kernel.to_owned(),
            database: None,
            mount: None,
            rss: None,
            site: Site::default(),
            offset: 0,
            tenants: Vec::new(),
            corpus: None,
            standin: standin.to_owned(),
        }
    }

    /// The short key products carry in carbon.xml, like `DSS`.
    #[must_use]
    pub fn key(&self) -> String {
        let words = self
            .product
            .strip_prefix("WSO2 ")
            .unwrap_or(&self.product)
            .split_whitespace();
        let key: String = words.filter_map(|word| word.chars().next()).collect();
        if key == "E" { "ESB".to_owned() } else { key }
    }

    /// Storage Server keeps the metadata of its databases in one of its own.
    fn is_storage(&self) -> bool {
        self.key() == "SS"
    }

    fn is_site(&self) -> bool {
        self.database.is_some()
    }

    /// Whether the kernel is of the 4.2 generation or later.
    fn is_new(&self) -> bool {
        kernel_is_new(&self.kernel)
    }
}

/// Whether a kernel version belongs to the generation that needs UM_DOMAIN (4.2.0 on).
pub(crate) fn kernel_is_new(kernel: &str) -> bool {
    let mut parts = kernel.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (4, 2)
}

/// Builds the home in `dir`, which must not exist or be empty.
///
/// # Errors
/// When `dir` holds something already, a file cannot be written, or the corpus lacks the kernel.
pub fn make_home(dir: &Path, spec: &HomeSpec) -> Result<()> {
    let taken = dir.exists() && fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_some());
    if taken {
        bail!(
            "{} is not empty; a home is only built in a new folder",
            dir.display()
        );
    }
    fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    script::write(dir, spec)?;
    conf::write(dir, spec)?;
    artifacts::write(dir, spec)?;
    site::write(dir, spec)
}

/// Writes a file below `home`, with its folders.
fn put(home: &Path, path: &str, content: impl AsRef<[u8]>) -> Result<()> {
    let target = home.join(path);
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
    }
    fs::write(&target, content).with_context(|| format!("write {}", target.display()))
}
