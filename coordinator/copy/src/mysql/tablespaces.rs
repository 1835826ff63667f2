//! Transportable tablespaces: inside one server a large InnoDB table is copied as the file it is in.
//!
//! Three parties: this side exports (the server writes everything of a table to its file, keeps it still and describes
//! it in a `.cfg`), somebody who may read and write the server's data folder copies `.ibd` and `.cfg` into staging's
//! folder, this side imports. The tables of production are locked against writers from the export to the import: it
//! is for a production that is fenced. What is not imported is streamed by the copy that follows, as if it had never
//! been tried: the copy's journal says which tables are whole.

use cutover_database::{OwnSession, OwnSessions, Target};
use sqlx::mysql::MySqlConnection;

use super::catalog::{self, Table};
use super::copy::identity_of;
use super::journal;
use super::session::{self, Writer, number, rows, run, text};
use super::syntax::{Item, ident};
use crate::journal::Whole;
use crate::tablespaces::Exportable;
use crate::{CopyError, CopyOptions};

/// Smaller ones are faster copied by rows: an import writes and flushes several pages of the server's own.
const WORTHWHILE: u64 = 1 << 20;

/// What a definition says when the file alone is not the table, or lies elsewhere, or would not fit.
const UNFIT: [&str; 9] = [
    "DATA DIRECTORY",
    "TABLESPACE",
    "ENCRYPT",
    "PAGE_COMPRESSED",
    "COMPRESSION=",
    "FULLTEXT",
    "SPATIAL",
    "VECTOR",
    // A default taken from a sequence, which is made later.
    "NEXTVAL(",
];

/// Tables that may be copied as files, and how many bytes they are; none where the server keeps them otherwise.
pub(crate) async fn exportable(
    from: &Target,
    to: &Target,
    options: &CopyOptions,
) -> Result<Exportable, CopyError> {
    let mut control = session::reader(from).await?;
    let sql = "SELECT @@datadir, @@innodb_file_per_table, DATABASE(), \
               (SELECT COUNT(*) FROM information_schema.USER_PRIVILEGES \
                WHERE PRIVILEGE_TYPE = 'RELOAD' \
                AND GRANTEE = CONCAT('\\'', REPLACE(CURRENT_USER(), '@', '\\'@\\''), '\\'')), @@log_bin";
    let found = rows(&mut control, from, "asking where the server keeps its files", sql).await?;
    let row = found.first().map(Vec::as_slice).unwrap_or_default();
    let mut exportable = Exportable {
        data_dir: text(row, 0).trim_end_matches('/').to_owned(),
        from: text(row, 2),
        to: folder(to).await?,
        ..Exportable::default()
    };
    let server = catalog::server(&mut control, from).await?;
    let cluster = "SHOW VARIABLES LIKE 'wsrep_on'";
    let cluster = rows(&mut control, from, "asking for a cluster", cluster).await?;
    exportable.obstacle = if !server.maria {
        Some(
            "MySQL keeps the files of a table that it did not take in; only MariaDB removes them with it"
                .to_owned(),
        )
    } else if cluster.iter().any(|row| text(row, 1) == "ON") {
        Some("the other nodes of the Galera cluster would lack the files".to_owned())
    } else if text(row, 4) != "0" {
        Some("the server writes a binary log, and a replica of it would lack the files".to_owned())
    } else if !["1", "ON"].contains(&text(row, 1).as_str()) {
        Some("the server keeps new tables in one file for all (innodb_file_per_table is OFF)".to_owned())
    } else if !plain(&exportable.from) || !plain(&exportable.to) {
        Some("the databases' names are not made of letters, digits and `_` alone".to_owned())
    } else if number(row, 3) == 0 {
        Some(format!(
            "the account {} may not lock tables for it: it lacks RELOAD",
            from.user
        ))
    } else {
        None
    };
    if exportable.obstacle.is_some() {
        return Ok(exportable);
    }
    let (tables, _) = catalog::tables(&mut control, from, &server, options).await?;
    for table in tables.iter().filter(|table| fit(table)) {
        exportable.tables.push(table.name.clone());
        exportable.bytes += table.size;
    }
    Ok(exportable)
}

/// The database's name as the server has it.
async fn folder(target: &Target) -> Result<String, CopyError> {
    let mut conn = session::reader(target).await?;
    let found = rows(
        &mut conn,
        target,
        "asking for the database's name",
        "SELECT DATABASE()",
    )
    .await?;
    Ok(found.first().map(|row| text(row, 0)).unwrap_or_default())
}

/// Names that are the same in the file system. Others are encoded there.
fn plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn fit(table: &Table) -> bool {
    let columns = &table.create.items;
    let says = |word: &str| {
        let mut texts = columns.iter().chain([&table.create.tail]);
        texts.any(|text| text.to_ascii_uppercase().contains(word))
    };
    table.transactional()
        && !table.partitioned
        && table.size >= WORTHWHILE
        && plain(&table.name)
        && !UNFIT.iter().chain(&["GENERATED ALWAYS"]).any(|word| says(word))
}

/// Tables of production that are locked and whose files may be copied. Dropping it ends the lock.
pub(crate) struct Export {
    lock: MySqlConnection,
    /// Told to those who look who else is connected.
    _own: OwnSession,
    from: Target,
    tables: Vec<Table>,
    /// What the server said when it did not lock them.
    refused: Option<String>,
}

impl Export {
    pub(crate) fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.iter().map(|table| table.name.as_str())
    }

    pub(crate) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.tables.iter().map(|table| table.size).sum()
    }
}

/// Makes the tables in staging without their files, and locks them in production.
pub(crate) async fn export(
    from: &Target,
    to: &Target,
    wanted: &[String],
    options: &CopyOptions,
    own: &OwnSessions,
) -> Result<Export, CopyError> {
    let mut lock = session::reader(from).await?;
    let entered = own.enter_mysql(from, &mut lock).await;
    let entered =
        entered.map_err(|error| CopyError::statement("asking for the session's number", from, error))?;
    let source = catalog::server(&mut lock, from).await?;
    let (all, _) = catalog::tables(&mut lock, from, &source, options).await?;
    let mut writer = Writer::open(to).await?;
    let options = CopyOptions {
        resume: false,
        ..options.clone()
    };
    journal::open(to, &mut writer, &identity_of(from, &all), &options).await?;
    let (mut tables, mut refused) = (Vec::new(), None);
    for table in all
        .into_iter()
        .filter(|table| wanted.contains(&table.name) && fit(table))
    {
        let what = format!("creating table `{}` without its file", table.name);
        let items = table.create.items.iter();
        let items = items.filter(|item| Item::of(item) != Item::ForeignKey);
        writer.run(&what, table.create.join(items).as_bytes()).await?;
        let discard = format!("ALTER TABLE {} DISCARD TABLESPACE", ident(&table.name));
        writer.run(&what, discard.as_bytes()).await?;
        tables.push(table);
    }
    if !tables.is_empty() {
        let names: Vec<String> = tables.iter().map(|table| ident(&table.name)).collect();
        let sql = format!("FLUSH TABLES {} FOR EXPORT", names.join(", "));
        let what = "locking the tables for the copy of their files";
        if let Err(error) = run(&mut lock, from, what, &sql).await {
            // Rows do as well: nothing is held up for want of a lock.
            refused = Some(reason(&error));
            for table in std::mem::take(&mut tables) {
                let drop = format!("DROP TABLE {}", ident(&table.name));
                let what = "removing a table without its file";
                writer.run(what, drop.as_bytes()).await?;
            }
        }
    }
    Ok(Export {
        lock,
        _own: entered,
        from: from.clone(),
        tables,
        refused,
    })
}

/// Takes the copied files in. Says which tables are in staging now, and of each other one why not; those are gone from
/// staging.
///
/// The session that locked the tables still answers, so the lock was never lost: the files are of one moment.
pub(crate) async fn import(mut export: Export, to: &Target) -> Result<(Vec<String>, Vec<String>), CopyError> {
    let (mut taken, mut notes) = (Vec::new(), Vec::new());
    let unlocked = run(
        &mut export.lock,
        &export.from,
        "unlocking the tables whose files were copied",
        "UNLOCK TABLES",
    )
    .await;
    let mut writer = Writer::open(to).await?;
    for table in &export.tables {
        let imported = match &unlocked {
            Ok(()) => take_in(&mut writer, table).await,
            Err(error) => Err(format!("the lock on its rows was lost: {}", reason(error))),
        };
        match imported {
            Ok(()) => taken.push(table.name.clone()),
            Err(why) => {
                let what = format!("removing table `{}`, whose file was not taken in", table.name);
                let drop = format!("DROP TABLE {}", ident(&table.name));
                writer.run(&what, drop.as_bytes()).await?;
                notes.push(format!("table `{}` is copied by rows: {why}", table.name));
            }
        }
    }
    Ok((taken, notes))
}

/// Takes one file in and notes the table as whole. A warning says that the server could not check the file.
async fn take_in(writer: &mut Writer, table: &Table) -> Result<(), String> {
    let said = |error: CopyError| reason(&error);
    let what = format!("taking in the file of table `{}`", table.name);
    let import = format!("ALTER TABLE {} IMPORT TABLESPACE", ident(&table.name));
    writer.run(&what, import.as_bytes()).await.map_err(said)?;
    if writer.conn.get_warnings() > 0 {
        return Err("the server took its file in with a warning, so without checking it".to_owned());
    }
    if let Some(next) = table.next_auto_increment {
        let counter = format!("ALTER TABLE {} AUTO_INCREMENT = {next}", ident(&table.name));
        writer.run(&what, counter.as_bytes()).await.map_err(said)?;
    }
    let whole = Whole {
        rows: table.rows,
        bytes: table.size,
    };
    let record = journal::record_table(table, whole);
    writer.run(&what, record.as_bytes()).await.map_err(said)
}

/// The server's own words.
fn reason(error: &CopyError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_when_the_file_system_has_another_then_not_plain() {
        assert!(plain("REG_CONTENT") && plain("t1"));
        for name in ["", "a-b", "ä", "a b", "a$"] {
            assert!(!plain(name), "{name}");
        }
    }
}
