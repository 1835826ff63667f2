//! Backup with the engine's own tool, proof by restoring it, and the way back.

pub mod catalog;
mod dump;
mod restore;
mod scratch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::connection::Connection;
use crate::error::{DatabaseError, Kind};
use crate::facts::{Flavour, ObjectKind, count_objects, engine_facts};
use crate::fingerprint::{self, TableFingerprint};
use crate::literal;
use crate::staging::empty;
use crate::target::{Engine, Target};
use crate::tools::Tools;

/// Told bytes done and, where it can be known, how many there will be.
pub type Progress<'a> = &'a (dyn Fn(u64, Option<u64>) + Send + Sync);

/// Where the server's log stood when a backup was taken, as far as the account may know.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LogPosition {
    /// Binary log file (MySQL).
    pub file: Option<String>,
    /// Offset in it (MySQL).
    pub offset: Option<u64>,
    /// Global transaction ids executed (MySQL, MariaDB).
    pub gtid: Option<String>,
    /// Write-ahead log position (PostgreSQL).
    pub lsn: Option<String>,
}

/// Evidence of a backup, bound to the state of the database when it was taken.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BackupReceipt {
    /// The file.
    pub file: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// Program and version line that wrote it.
    pub tool: String,
    /// Engine family.
    pub engine: Engine,
    /// Product.
    pub flavour: Flavour,
    /// Version of the server.
    pub server_version: String,
    /// Name of the database.
    pub database: String,
    /// Default character set or encoding.
    pub charset: String,
    /// Default collation or `LC_COLLATE`.
    pub collation: String,
    /// `LC_CTYPE` (PostgreSQL).
    pub ctype: Option<String>,
    /// Time on the server, UTC.
    pub server_time: String,
    /// Position of the server's log.
    pub position: LogPosition,
    /// Hash over all definitions.
    pub schema_sha256: String,
    /// Rows and checksum of every table and sequence.
    pub tables: BTreeMap<String, TableFingerprint>,
    /// Objects by kind.
    pub objects: BTreeMap<ObjectKind, u64>,
}

/// Proof that a backup can be restored.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RestoreProof {
    /// SHA-256 of the file that was restored.
    pub sha256: String,
    /// Tables and sequences that were compared.
    pub tables: usize,
    /// Rows in them.
    pub rows: u64,
    /// Duration: what an undo will take.
    pub millis: u64,
}

/// Backs a database up into `directory`/`name` with the suffix of the engine's format.
///
/// The file appears under its name only when it is complete, flushed to disk, and the database did not change
/// while it was written. Its receipt is kept beside it, see [`catalog`].
///
/// # Errors
/// The tool is missing or failed, the disk is full, or the database changed meanwhile ([`Kind::Integrity`]).
pub async fn backup(
    target: &Target,
    directory: &Path,
    name: &str,
    tools: &Tools,
    progress: Progress<'_>,
) -> Result<BackupReceipt, DatabaseError> {
    const ACTION: &str = "back up";
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Err(DatabaseError::new(
            Kind::Refused,
            ACTION,
            target,
            format!("`{name}` is not a file name"),
            "give the backup a plain name",
        ));
    }
    let mut connection = Connection::open(target).await?;
    let before = snapshot(&mut connection).await;
    connection.close().await;
    let before = before?;
    let written = dump::write(target, directory, name, tools, before.data_bytes, progress).await?;
    let mut connection = Connection::open(target).await?;
    let after = fingerprint::tables(&mut connection).await;
    connection.close().await;
    if let Some(moved) = fingerprint::difference(&before.receipt.tables, &after?) {
        written.discard(target)?;
        return Err(DatabaseError::new(
            Kind::Integrity,
            ACTION,
            target,
            format!("the database changed while it was written: {moved}"),
            "stop every server that uses it, then back up again",
        ));
    }
    let receipt = BackupReceipt {
        size: written.size,
        sha256: written.sha256.clone(),
        tool: written.tool.clone(),
        file: written.publish(target)?,
        ..before.receipt
    };
    catalog::store(&receipt).map_err(|error| DatabaseError::file(ACTION, target, &receipt.file, error))?;
    Ok(receipt)
}

struct Snapshot {
    receipt: BackupReceipt,
    data_bytes: u64,
}

/// Everything of the receipt but the file.
async fn snapshot(connection: &mut Connection) -> Result<Snapshot, DatabaseError> {
    let facts = engine_facts(connection).await?;
    let time = match connection.engine() {
        Engine::MySql => "SELECT UTC_TIMESTAMP()",
        Engine::Postgres => "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')",
    };
    let receipt = BackupReceipt {
        file: PathBuf::new(),
        size: 0,
        sha256: String::new(),
        tool: String::new(),
        engine: connection.engine(),
        flavour: facts.flavour,
        server_version: facts.version,
        database: facts.database,
        charset: facts.charset,
        collation: facts.collation,
        ctype: facts.ctype,
        server_time: connection
            .scalar("ask for the time", time)
            .await?
            .unwrap_or_default(),
        position: position(connection).await,
        schema_sha256: fingerprint::schema(connection).await?,
        tables: fingerprint::tables(connection).await?,
        objects: count_objects(connection).await?,
    };
    Ok(Snapshot {
        receipt,
        data_bytes: facts.data_bytes,
    })
}

/// Additional evidence only; an account without the privilege can back up all the same.
async fn position(connection: &mut Connection) -> LogPosition {
    match connection.engine() {
        Engine::Postgres => {
            let lsn = connection
                .scalar("ask for the log position", "SELECT pg_current_wal_lsn()")
                .await;
            LogPosition {
                lsn: lsn.ok().flatten(),
                ..LogPosition::default()
            }
        }
        Engine::MySql => {
            let mut found = LogPosition::default();
            for sql in ["SHOW MASTER STATUS", "SHOW BINARY LOG STATUS"] {
                if let Ok((rows, _)) = connection.run(sql).await
                    && let Some(row) = rows.first()
                {
                    found.file = row.get(0).map(str::to_owned);
                    found.offset = row.number(1);
                    found.gtid = row.get(4).map(str::to_owned);
                    break;
                }
            }
            if let Ok((rows, _)) = connection.run("SELECT @@GLOBAL.gtid_current_pos").await {
                found.gtid = rows
                    .first()
                    .and_then(|row| row.get(0))
                    .filter(|gtid| !gtid.is_empty())
                    .map(str::to_owned);
            }
            found
        }
    }
}

/// Why the backup is no longer of the present state; `None` when nothing has changed since.
///
/// # Errors
/// The database cannot be read.
pub async fn lapsed(target: &Target, receipt: &BackupReceipt) -> Result<Option<String>, DatabaseError> {
    let mut connection = Connection::open(target).await?;
    let now = present(&mut connection).await;
    connection.close().await;
    let (tables, schema) = now?;
    let rows = fingerprint::difference(&receipt.tables, &tables);
    Ok(rows.or_else(|| (schema != receipt.schema_sha256).then(|| "a definition changed".to_owned())))
}

async fn present(connection: &mut Connection) -> Result<(fingerprint::Tables, String), DatabaseError> {
    Ok((
        fingerprint::tables(connection).await?,
        fingerprint::schema(connection).await?,
    ))
}

/// Restores a backup into a database that is made for it on `server`'s server and dropped afterwards, also on
/// failure, and compares it with the receipt.
///
/// # Errors
/// [`Kind::Integrity`] when the file or what came out of it is not what was backed up.
pub async fn verify_by_restore(
    server: &Target,
    receipt: &BackupReceipt,
    scratch_name: &str,
    tools: &Tools,
    progress: Progress<'_>,
) -> Result<RestoreProof, DatabaseError> {
    let started = std::time::Instant::now();
    restore::check_file(server, receipt).await?;
    let scratch = scratch::create(server, receipt, scratch_name).await?;
    let restored = restore_and_compare(&scratch, receipt, tools, progress).await;
    let dropped = scratch::drop(server, scratch_name).await;
    let proof = restored?;
    dropped?;
    Ok(RestoreProof {
        millis: crate::script::millis(started),
        ..proof
    })
}

/// Puts a database back to the state of the backup: everything in it is dropped, then restored and compared.
/// It can be repeated after an interruption.
///
/// # Errors
/// [`Kind::Refused`] when the backup is of another database; [`Kind::Integrity`] before anything is dropped
/// when the file was altered, or afterwards when the result differs.
pub async fn restore_into(
    target: &Target,
    receipt: &BackupReceipt,
    tools: &Tools,
    progress: Progress<'_>,
) -> Result<RestoreProof, DatabaseError> {
    const ACTION: &str = "restore the backup";
    let started = std::time::Instant::now();
    restore::check_file(target, receipt).await?;
    restore::require_tool(target, receipt, tools)?;
    let mut connection = Connection::open(target).await?;
    let emptied = async {
        let here = engine_facts(&mut connection).await?;
        if here.flavour != receipt.flavour || here.database != receipt.database {
            return Err(DatabaseError::new(
                Kind::Refused,
                ACTION,
                target,
                format!(
                    "the backup is of `{}` on {}",
                    receipt.database,
                    receipt.flavour.name()
                ),
                "name the backup of this database",
            ));
        }
        empty(&mut connection).await?;
        if target.engine == Engine::MySql {
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
    .await;
    connection.close().await;
    emptied?;
    let proof = restore_and_compare(target, receipt, tools, progress).await?;
    Ok(RestoreProof {
        millis: crate::script::millis(started),
        ..proof
    })
}

async fn restore_and_compare(
    target: &Target,
    receipt: &BackupReceipt,
    tools: &Tools,
    progress: Progress<'_>,
) -> Result<RestoreProof, DatabaseError> {
    restore::run(target, receipt, tools, progress).await?;
    let mut connection = Connection::open(target).await?;
    let found = async {
        Ok::<_, DatabaseError>((
            fingerprint::tables(&mut connection).await?,
            count_objects(&mut connection).await?,
        ))
    }
    .await;
    connection.close().await;
    let (tables, objects) = found?;
    let differs = fingerprint::difference(&receipt.tables, &tables).or_else(|| {
        (objects != receipt.objects)
            .then(|| format!("objects are {objects:?} instead of {:?}", receipt.objects))
    });
    if let Some(differs) = differs {
        return Err(DatabaseError::new(
            Kind::Integrity,
            "restore the backup",
            target,
            format!("what was restored is not what was backed up: {differs}"),
            "keep the file for analysis and take another backup with the server's own version of the tool",
        ));
    }
    Ok(RestoreProof {
        sha256: receipt.sha256.clone(),
        tables: tables.len(),
        rows: tables.values().map(|table| table.rows).sum(),
        millis: 0,
    })
}
