//! What a copy held, kept in files: the name and the hash of every row.
//!
//! One file per table, compressed, in the order in which the rows are compared later, so that neither writing nor
//! comparing needs memory for more than one row. A file of contents names them all with their hashes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use cutover_database::{Engine, Target};
use futures::TryStreamExt as _;
use tokio_util::sync::CancellationToken;

use crate::DeltaError;
use crate::dialect::Dialect;
use crate::entry::Entry;
use crate::layout::{Layout, Selection};
use crate::options::SyncOptions;
use crate::session::Session;
use crate::spool::{array, read_key, write_key};
use crate::sync;
use crate::table::Table;

const CONTENTS: &str = "manifest.json";
const FORMAT: u32 = 1;

/// The rows of one table as they were.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ManifestTable {
    /// File in the manifest's folder.
    pub file: String,
    /// Rows that the table held.
    pub rows: u64,
    /// BLAKE3 of the file, in hexadecimal.
    pub blake3: String,
    /// Columns with their descriptions.
    pub columns: Vec<(String, String)>,
    /// Columns that name a row; none where a row is named by all of it.
    pub key: Vec<String>,
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Contents {
    format: u32,
    engine: Engine,
    /// How rows were hashed.
    hashing: String,
    tables: BTreeMap<String, ManifestTable>,
}

/// What a copy held. It is captured from the un-migrated copy, whose rows are those that production had, and compared
/// with production once the copy is migrated.
#[derive(Debug, Clone)]
pub struct Manifest {
    dir: PathBuf,
    id: String,
    contents: Contents,
}

impl Manifest {
    /// Writes the manifest of `target` as it is at one moment into the folder `dir`, which is created. A manifest that
    /// was not finished is replaced.
    ///
    /// # Errors
    /// When the database cannot be read, or the folder not written.
    pub async fn capture(
        target: &Target,
        dir: &Path,
        options: &SyncOptions,
        cancel: &CancellationToken,
    ) -> Result<Self, DeltaError> {
        crate::cancellable(Box::pin(capture(target, dir, options)), cancel).await
    }

    /// Opens a manifest and verifies every file of it.
    ///
    /// # Errors
    /// [`DeltaError::Manifest`] when a file is missing or is not the one that was written.
    pub fn load(dir: &Path) -> Result<Self, DeltaError> {
        let path = dir.join(CONTENTS);
        let text = std::fs::read(&path).map_err(|error| unusable(&path, error))?;
        let contents: Contents = serde_json::from_slice(&text).map_err(|error| unusable(&path, error))?;
        if contents.format != FORMAT {
            return Err(unusable(
                &path,
                format!("its format {} is not known", contents.format),
            ));
        }
        for table in contents.tables.values() {
            let path = dir.join(&table.file);
            let mut hasher = blake3::Hasher::new();
            let file = File::open(&path).map_err(|error| unusable(&path, error))?;
            hasher
                .update_reader(file)
                .map_err(|error| unusable(&path, error))?;
            if hasher.finalize().to_hex().as_str() != table.blake3 {
                return Err(unusable(&path, "it is not the file that was written"));
            }
        }
        Ok(Manifest {
            dir: dir.to_owned(),
            id: id(&text),
            contents,
        })
    }

    /// Tells this manifest from every other.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Tables by name.
    #[must_use]
    pub fn tables(&self) -> &BTreeMap<String, ManifestTable> {
        &self.contents.tables
    }

    pub(crate) fn engine(&self) -> Engine {
        self.contents.engine
    }

    pub(crate) fn hashing(&self) -> &str {
        &self.contents.hashing
    }

    pub(crate) fn unusable(&self, why: impl ToString) -> DeltaError {
        unusable(&self.dir, why)
    }

    /// The rows of a table, in order.
    pub(crate) fn rows(&self, table: &ManifestTable) -> Result<Rows, DeltaError> {
        let path = self.dir.join(&table.file);
        let opened = File::open(&path).and_then(zstd::Decoder::new);
        Ok(Rows {
            file: opened.map_err(|error| unusable(&path, error))?,
            ended: false,
            path,
        })
    }
}

async fn capture(target: &Target, dir: &Path, options: &SyncOptions) -> Result<Manifest, DeltaError> {
    std::fs::create_dir_all(dir).map_err(|error| unusable(dir, error))?;
    let contents_path = dir.join(CONTENTS);
    if contents_path.exists() {
        std::fs::remove_file(&contents_path).map_err(|error| unusable(&contents_path, error))?;
    }
    let (mut session, dialect, tables) = sync::frozen(target, options).await?;
    let mut contents = Contents {
        format: FORMAT,
        engine: target.engine,
        hashing: hashing(&mut session, dialect).await?,
        tables: BTreeMap::new(),
    };
    for (index, table) in tables.into_iter().enumerate() {
        let written = write_table(&mut session, dialect, &table, dir, index).await?;
        contents.tables.insert(table.label, written);
    }
    let text = serde_json::to_vec_pretty(&contents).map_err(|error| unusable(&contents_path, error))?;
    // Written last and moved into place: a folder with contents is complete.
    let draft = dir.join("manifest.draft");
    std::fs::write(&draft, &text)
        .and_then(|()| File::open(&draft)?.sync_all())
        .and_then(|()| std::fs::rename(&draft, &contents_path))
        .map_err(|error| unusable(&contents_path, error))?;
    Ok(Manifest {
        dir: dir.to_owned(),
        id: id(&text),
        contents,
    })
}

/// What the hashes of rows depend on; two that differ cannot be compared.
pub(crate) async fn hashing(session: &mut Session, dialect: Dialect) -> Result<String, DeltaError> {
    Ok(match dialect {
        Dialect::MySql { .. } => "mysql:md5".to_owned(),
        Dialect::Postgres(method) => {
            let major = crate::postgres::catalog::major(session).await?;
            format!("postgres:{method:?}:{major}").to_lowercase()
        }
    })
}

async fn write_table(
    session: &mut Session,
    dialect: Dialect,
    table: &Table,
    dir: &Path,
    index: usize,
) -> Result<ManifestTable, DeltaError> {
    let name = format!("{index:05}.rows.zst");
    let path = dir.join(&name);
    let failed = |error: std::io::Error| unusable(&path, error);
    let file = File::create(&path).map_err(failed)?;
    let mut out = zstd::Encoder::new(BufWriter::new(file), 1).map_err(failed)?;
    let mut entries = dialect.entries(session, table, Layout::Whole, &Selection::All);
    let mut rows = 0;
    while let Some(entry) = entries.try_next().await? {
        rows += entry.count;
        write_entry(&mut out, &entry).map_err(failed)?;
    }
    let file = out
        .finish()
        .and_then(|out| out.into_inner().map_err(std::io::IntoInnerError::into_error));
    file.and_then(|file| file.sync_all()).map_err(failed)?;
    let mut hasher = blake3::Hasher::new();
    let file = File::open(&path).map_err(failed)?;
    hasher.update_reader(file).map_err(failed)?;
    Ok(ManifestTable {
        file: name,
        rows,
        blake3: hasher.finalize().to_hex().to_string(),
        columns: table.signature.clone(),
        key: table.key_columns().map(|column| column.name.clone()).collect(),
    })
}

fn write_entry(out: &mut impl Write, entry: &Entry) -> std::io::Result<()> {
    out.write_all(&[1])?;
    write_key(out, std::slice::from_ref(&entry.sort))?;
    write_key(out, &entry.key)?;
    out.write_all(&entry.hash)?;
    out.write_all(&entry.count.to_le_bytes())
}

fn read_entry(file: &mut impl Read) -> std::io::Result<Entry> {
    Ok(Entry {
        sort: read_key(file)?.pop().unwrap_or_default(),
        key: read_key(file)?,
        hash: array(file)?,
        count: u64::from_le_bytes(array(file)?),
    })
}

/// The rows of one table of a manifest.
pub(crate) struct Rows {
    file: zstd::Decoder<'static, BufReader<File>>,
    ended: bool,
    path: PathBuf,
}

impl Iterator for Rows {
    type Item = Result<Entry, DeltaError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let mut mark = [0];
        match self.file.read(&mut mark) {
            Ok(0) => {
                self.ended = true;
                None
            }
            Ok(_) => Some(read_entry(&mut self.file).map_err(|error| unusable(&self.path, error))),
            Err(error) => {
                self.ended = true;
                Some(Err(unusable(&self.path, error)))
            }
        }
    }
}

fn id(text: &[u8]) -> String {
    blake3::hash(text).to_hex().as_str().chars().take(32).collect()
}

fn unusable(path: &Path, why: impl ToString) -> DeltaError {
    DeltaError::Manifest {
        path: path.display().to_string(),
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_when_written_then_read_back() {
        let entry = Entry {
            sort: vec![0, 255, 7],
            key: vec![b"a".to_vec(), Vec::new()],
            hash: [9; 16],
            count: u64::MAX,
        };
        let mut bytes = Vec::new();
        write_entry(&mut bytes, &entry).unwrap();
        assert_eq!(read_entry(&mut bytes.get(1..).unwrap()).unwrap(), entry);
        assert!(read_entry(&mut bytes.get(1..bytes.len() - 1).unwrap()).is_err());
    }
}
