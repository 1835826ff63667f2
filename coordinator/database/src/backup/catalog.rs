//! The backups in a directory: each file has its receipt beside it, so that it can be verified and restored years
//! later, by whoever finds it.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{BackupReceipt, Progress, RestoreProof, restore, restore_and_compare, verify_by_restore};
use crate::connection::Connection;
use crate::error::{DatabaseError, Kind};
use crate::facts::{count_objects, engine_facts};
use crate::literal;
use crate::script::millis;
use crate::target::{Engine, Target};
use crate::tools::Tools;

const SUFFIX: &str = ".receipt.json";

/// A backup in a directory.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CatalogEntry {
    /// The backup.
    pub file: PathBuf,
    /// Its evidence, when it can be read.
    pub receipt: Option<BackupReceipt>,
    /// Why it cannot be used as it is: no receipt, no file, another size. The contents are not looked at.
    pub problem: Option<String>,
}

/// Why a backup or its receipt cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The directory or a file cannot be read.
    #[error("`{path}` cannot be read: {source}; check the path and the permissions of the coordinator")]
    Read {
        /// What was read.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A backup without evidence.
    #[error(
        "`{0}` has no receipt beside it, so nobody knows what it should contain; use another backup, or restore it by hand with the database's own tool"
    )]
    NoReceipt(PathBuf),
    /// The receipt was changed, or is of another program.
    #[error("the receipt `{0}` is damaged or was changed: its own hash does not fit; use another backup")]
    Damaged(PathBuf),
    /// The database part failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// The receipt with a hash over itself: one flipped byte in it is found, too.
#[derive(serde::Serialize, serde::Deserialize)]
struct Sealed {
    receipt: BackupReceipt,
    sha256: String,
}

fn seal(receipt: &BackupReceipt) -> io::Result<String> {
    Ok(hex::encode(Sha256::digest(serde_json::to_vec(receipt)?)))
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(SUFFIX);
    PathBuf::from(name)
}

/// Writes the receipt beside its file; it is there entirely or not at all.
pub(super) fn store(receipt: &BackupReceipt) -> io::Result<()> {
    let path = beside(&receipt.file);
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let sealed = Sealed {
        receipt: receipt.clone(),
        sha256: seal(receipt)?,
    };
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(&serde_json::to_vec_pretty(&sealed)?)?;
    temporary.as_file().sync_all()?;
    temporary.persist(&path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// The receipt of a backup. It may have been moved since, together with its file.
///
/// # Errors
/// There is none, or it was changed.
pub fn receipt_of(file: &Path) -> Result<BackupReceipt, CatalogError> {
    let path = beside(file);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(CatalogError::NoReceipt(file.to_owned()));
        }
        Err(source) => return Err(CatalogError::Read { path, source }),
    };
    let Ok(sealed) = serde_json::from_slice::<Sealed>(&bytes) else {
        return Err(CatalogError::Damaged(path));
    };
    if seal(&sealed.receipt).ok().as_ref() != Some(&sealed.sha256) {
        return Err(CatalogError::Damaged(path));
    }
    Ok(BackupReceipt {
        file: file.to_owned(),
        ..sealed.receipt
    })
}

/// Every backup in a directory, the oldest first; those without a usable receipt last.
///
/// # Errors
/// The directory cannot be read.
pub fn list(directory: &Path) -> Result<Vec<CatalogEntry>, CatalogError> {
    let read = |source| CatalogError::Read {
        path: directory.to_owned(),
        source,
    };
    let mut files = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(directory).map_err(read)? {
        let path = entry.map_err(read)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if name.starts_with('.') || !path.is_file() {
            continue;
        }
        match name.strip_suffix(SUFFIX) {
            Some(of) => files.insert(directory.join(of)),
            None if name.ends_with(".sql") || name.ends_with(".dump") => files.insert(path),
            None => false,
        };
    }
    let mut entries: Vec<CatalogEntry> = files.into_iter().map(entry).collect();
    let order = |entry: &CatalogEntry| {
        let time = entry.receipt.as_ref().map(|receipt| receipt.server_time.clone());
        (time.is_none(), time, entry.file.clone())
    };
    entries.sort_by_key(order);
    Ok(entries)
}

fn entry(file: PathBuf) -> CatalogEntry {
    let (receipt, problem) = match receipt_of(&file) {
        Err(error) => (None, Some(error.to_string())),
        Ok(receipt) => {
            let problem = match std::fs::metadata(&file) {
                Err(error) => Some(format!("the file cannot be read: {error}")),
                Ok(found) if found.len() != receipt.size => Some(format!(
                    "it has {} bytes instead of {}",
                    found.len(),
                    receipt.size
                )),
                Ok(_) => None,
            };
            (Some(receipt), problem)
        }
    };
    CatalogEntry {
        file,
        receipt,
        problem,
    }
}

/// Proves a backup: its hash, then a restore into a scratch database on `server`, compared with the receipt.
///
/// # Errors
/// The receipt is missing or damaged, the file is not what was written, or what comes out of it is not what was
/// backed up.
pub async fn verify(
    server: &Target,
    file: &Path,
    scratch_name: &str,
    tools: &Tools,
    progress: Progress<'_>,
) -> Result<RestoreProof, CatalogError> {
    let receipt = receipt_of(file)?;
    Ok(verify_by_restore(server, &receipt, scratch_name, tools, progress).await?)
}

/// Restores a backup into an empty database, of whatever name, and compares it with the receipt.
///
/// # Errors
/// [`Kind::Refused`] when the database holds any object, or is of another product or encoding; otherwise as
/// [`verify`]. A restore that was interrupted leaves a part: empty the database before it is repeated.
pub async fn restore_empty(
    file: &Path,
    into: &Target,
    tools: &Tools,
    progress: Progress<'_>,
) -> Result<RestoreProof, CatalogError> {
    let started = std::time::Instant::now();
    let receipt = receipt_of(file)?;
    restore::check_file(into, &receipt).await?;
    restore::require_tool(into, &receipt, tools)?;
    let mut connection = Connection::open(into).await?;
    let ready = make_ready(&mut connection, &receipt).await;
    connection.close().await;
    ready?;
    let proof = restore_and_compare(into, &receipt, tools, progress).await?;
    Ok(RestoreProof {
        millis: millis(started),
        ..proof
    })
}

async fn make_ready(connection: &mut Connection, receipt: &BackupReceipt) -> Result<(), DatabaseError> {
    const ACTION: &str = "restore the backup";
    let here = engine_facts(connection).await?;
    let refuse = |why: String, remedy: &str| {
        Err(DatabaseError::new(
            Kind::Refused,
            ACTION,
            connection.target(),
            why,
            remedy,
        ))
    };
    if here.flavour != receipt.flavour {
        let why = format!("the backup is of {}", receipt.flavour.name());
        return refuse(why, "name a database on a server of that product");
    }
    if connection.engine() == Engine::Postgres && here.charset != receipt.charset {
        let why = format!(
            "the backup is in {} and the database in {}",
            receipt.charset, here.charset
        );
        return refuse(why, "create an empty database with the backup's encoding");
    }
    let objects = count_objects(connection).await?;
    if let Some((kind, number)) = objects.iter().next() {
        let target = connection.target();
        return Err(DatabaseError::new(
            Kind::Refused,
            ACTION,
            target,
            format!(
                "`{}` is not empty: it has {number} of kind {kind}",
                target.database
            ),
            "name an empty database",
        ));
    }
    if connection.engine() == Engine::MySql {
        let sql = format!(
            "ALTER DATABASE {} CHARACTER SET {} COLLATE {}",
            literal::name(Engine::MySql, &here.database),
            literal::name(Engine::MySql, &receipt.charset),
            literal::name(Engine::MySql, &receipt.collation)
        );
        connection.execute(ACTION, &sql).await?;
    }
    Ok(())
}
