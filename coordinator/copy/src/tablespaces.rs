//! Copying the large tables of a MariaDB server as files: what the callers see of it.

use cutover_database::{OwnSessions, Target};

use crate::{CopyError, CopyOptions, mysql};

/// Tables that may be copied as files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exportable {
    /// The server's data folder, as it says itself.
    pub data_dir: String,
    /// Production's folder in it.
    pub from: String,
    /// Staging's folder in it.
    pub to: String,
    /// Why there are none, where it is not for want of such tables.
    pub obstacle: Option<String>,
    /// Their names; letters, digits and `_` only, so that the files are called so too.
    pub tables: Vec<String>,
    /// Bytes in them, as the server reckons.
    pub bytes: u64,
}

/// Which tables of a MariaDB database may be copied as files, on a server without binary log and Galera: InnoDB tables of at least 1 MiB with a file of
/// their own whose name the file system takes as it is, not partitioned, encrypted or compressed by pages, without
/// generated columns, full-text or spatial indexes.
///
/// # Errors
/// When a database can't be read.
pub async fn exportable(from: &Target, to: &Target, options: &CopyOptions) -> Result<Exportable, CopyError> {
    mysql::tablespaces::exportable(from, to, options).await
}

/// Tables of production that nobody can write to and whose files may be copied. Dropping it ends the lock.
pub struct Export(mysql::tablespaces::Export);

impl std::fmt::Debug for Export {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.tables()).finish()
    }
}

impl Export {
    /// Names of the tables.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.0.tables()
    }

    /// What the server said when it did not lock them; there are none then, and the copy takes their rows.
    #[must_use]
    pub fn refused(&self) -> Option<&str> {
        self.0.refused()
    }

    /// Bytes in them, as the server reckons.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    /// Ends the lock and takes in the files that were copied. Tables whose file does not fit, or is not there, are
    /// removed from staging again; the copy that goes on afterwards ([`CopyOptions::resume`]) copies their rows.
    /// Returns the tables taken in, and of the others why not.
    ///
    /// # Errors
    /// When staging can't be reached.
    pub async fn import(self, to: &Target) -> Result<(Vec<String>, Vec<String>), CopyError> {
        mysql::tablespaces::import(self.0, to).await
    }
}

/// Makes those of the `wanted` tables that may be copied as files in the empty database `to`, without their files,
/// and locks them in `from` until the export is imported or dropped. The files `TABLE.ibd` and `TABLE.cfg` in
/// the folder of `from` may then be copied to that of `to`. The session that holds the lock is entered into `own`.
///
/// # Errors
/// When a table can't be made; staging has to be emptied then.
pub async fn export(
    from: &Target,
    to: &Target,
    wanted: &[String],
    options: &CopyOptions,
    own: &OwnSessions,
) -> Result<Export, CopyError> {
    Box::pin(mysql::tablespaces::export(from, to, wanted, options, own))
        .await
        .map(Export)
}
