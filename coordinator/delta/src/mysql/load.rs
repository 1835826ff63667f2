//! Rows from production into staging: LOAD DATA LOCAL, or INSERT where the server does not take that.

use std::collections::HashMap;

use futures::StreamExt as _;
use mysql_async::prelude::Queryable as _;
use sqlx::Row as _;
use sqlx::mysql::MySqlRow;
use tokio::sync::mpsc;

use super::sql::{hashed, literal, named, row_hash};
use super::writer::Writer;
use crate::DeltaError;
use crate::session::{Session, mysql_value};
use crate::spool::{Wanted, Wants};
use crate::table::Table;

/// Below the driver's and every server's packet limit, large enough that the wait per packet does not show.
const CHUNK: usize = 256 * 1024;
/// Chunks under way between reader and loader.
const DEPTH: usize = 4;
/// Rows named in one statement. Their number is bounded by what the optimizer takes before it reads all rows.
const KEYS: usize = 250;
/// Bytes of hashes in one statement; each such statement reads the whole table.
const HASHES: usize = 1 << 18;

/// Deletes the rows that are named and returns how many there were.
pub(crate) async fn remove(writer: &mut Writer, table: &Table, wants: &mut Wants) -> Result<u64, DeltaError> {
    let what = format!("deleting rows of table `{}`", table.label);
    let batch = wants.batch(if table.keyless() { usize::MAX } else { KEYS }, HASHES)?;
    let mut deleted = 0;
    let (all, some): (Vec<Wanted>, Vec<Wanted>) = batch.into_iter().partition(|one| one.count == one.of);
    if !all.is_empty() {
        let condition = match table.keyless() {
            true => hashed(table, &all),
            false => named(table, &all),
        };
        let sql = format!("DELETE FROM {} WHERE {condition}", table.quoted);
        let found = writer.run(&what, sql).await?;
        check(
            writer.label(),
            table,
            "deleted",
            all.iter().map(|one| one.count).sum(),
            found,
        )?;
        deleted += found;
    }
    for one in some {
        let condition = hashed(table, std::slice::from_ref(&one));
        let sql = format!(
            "DELETE FROM {} WHERE {condition} LIMIT {}",
            table.quoted, one.count
        );
        let found = writer.run(&what, sql).await?;
        check(writer.label(), table, "deleted", one.count, found)?;
        deleted += found;
    }
    Ok(deleted)
}

/// What one transaction brought over.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Loaded {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// Brings over the rows that are named, until about `limit` bytes are stored or none is left.
pub(crate) async fn load(
    production: &mut Session,
    writer: &mut Writer,
    local_infile: Option<()>,
    insert_size: usize,
    table: &Table,
    wants: &mut Wants,
    limit: u64,
) -> Result<Loaded, DeltaError> {
    let format = match local_infile {
        Some(()) => Format::Load,
        None => Format::insert(table),
    };
    let (sender, receiver) = mpsc::channel::<Vec<u8>>(DEPTH);
    let keep = sender.clone();
    let size = if local_infile.is_some() {
        CHUNK
    } else {
        insert_size
    };
    let read = read(production, table, &format, size, wants, limit, sender);
    match local_infile {
        Some(()) => stream(writer, table, read, keep, receiver).await,
        None => insert(writer, table, read, keep, receiver).await,
    }
}

async fn stream(
    writer: &mut Writer,
    table: &Table,
    read: impl Future<Output = Result<Loaded, DeltaError>>,
    keep: mpsc::Sender<Vec<u8>>,
    mut receiver: mpsc::Receiver<Vec<u8>>,
) -> Result<Loaded, DeltaError> {
    let chunks = futures::stream::poll_fn(move |context| {
        let next = receiver.poll_recv(context);
        next.map(|chunk| chunk.map(|bytes| Ok(bytes.into())))
    });
    // Used once, for whatever file the server names: no file of this host is ever read.
    writer
        .conn
        .set_infile_handler(async move { Ok(Box::pin(chunks) as mysql_async::InfileData) });
    let label = writer.label().to_owned();
    let what = format!("loading rows of table `{}`", table.label);
    let sql = load_statement(table);
    let load = async {
        let done = writer.conn.query_drop(sql).await;
        done.map_err(|error| DeltaError::statement(&what, &label, error))
    };
    let sent = join(read, keep, load).await?;
    let (stored, warnings) = (writer.conn.affected_rows(), writer.conn.get_warnings());
    // LOAD DATA LOCAL turns errors into warnings and skips rows; neither may pass.
    if stored == sent.rows && warnings == 0 {
        return Ok(sent);
    }
    Err(changed(writer, table, sent.rows, stored).await)
}

async fn insert(
    writer: &mut Writer,
    table: &Table,
    read: impl Future<Output = Result<Loaded, DeltaError>>,
    keep: mpsc::Sender<Vec<u8>>,
    mut receiver: mpsc::Receiver<Vec<u8>>,
) -> Result<Loaded, DeltaError> {
    let head = format!("INSERT INTO {} ({}) VALUES ", table.quoted, table.column_list());
    let mut stored = 0;
    let load = async {
        while let Some(values) = receiver.recv().await {
            let sql = [head.as_bytes(), &values].concat();
            let what = format!(
                "inserting {} bytes into table `{}` (with local_infile=ON there is no limit to a value's size)",
                sql.len(),
                table.label
            );
            stored += writer.run(&what, sql).await?;
            if writer.conn.get_warnings() > 0 {
                return Err(changed(writer, table, stored, stored).await);
            }
        }
        Ok(())
    };
    let sent = join(read, keep, load).await?;
    check(writer.label(), table, "stored", sent.rows, stored)?;
    Ok(sent)
}

/// Runs both until the rows are in. A loader that fails ends the reader, which would wait for it forever.
async fn join(
    read: impl Future<Output = Result<Loaded, DeltaError>>,
    keep: mpsc::Sender<Vec<u8>>,
    load: impl Future<Output = Result<(), DeltaError>>,
) -> Result<Loaded, DeltaError> {
    tokio::pin!(read, load);
    let sent = tokio::select! {
        loaded = &mut load => {
            loaded?;
            // The stream cannot have ended while a sender is kept: the server did not ask for it.
            return Err(DeltaError::local("loading", "the server ended the load before all rows were sent"));
        }
        sent = &mut read => sent?,
    };
    // Only now may the stream end: a reader that failed must not look like one that finished.
    drop(keep);
    load.await?;
    Ok(sent)
}

async fn read(
    production: &mut Session,
    table: &Table,
    format: &Format,
    size: usize,
    wants: &mut Wants,
    limit: u64,
    sender: mpsc::Sender<Vec<u8>>,
) -> Result<Loaded, DeltaError> {
    let mut sink = Sink {
        format,
        size,
        buffer: Vec::with_capacity(CHUNK),
        sender,
        loaded: Loaded::default(),
    };
    while sink.loaded.bytes < limit {
        let batch = wants.batch(if table.keyless() { usize::MAX } else { KEYS }, HASHES)?;
        if batch.is_empty() {
            break;
        }
        let before = sink.loaded.rows;
        read_batch(production, table, &batch, &mut sink).await?;
        let wanted = batch.iter().map(|one| one.count).sum();
        if table.transactional {
            check(
                production.label(),
                table,
                "found",
                wanted,
                sink.loaded.rows - before,
            )?;
        }
    }
    sink.flush().await;
    Ok(sink.loaded)
}

async fn read_batch(
    production: &mut Session,
    table: &Table,
    batch: &[Wanted],
    sink: &mut Sink<'_>,
) -> Result<(), DeltaError> {
    let list: Vec<&str> = table
        .columns
        .iter()
        .map(|column| column.select.as_str())
        .collect();
    // Of rows that are alike only some may be wanted, so that each comes with its hash in front.
    let (mut left, head, condition) = match table.keyless() {
        true => {
            let counts = batch
                .iter()
                .filter_map(|one| Some((one.key.first()?.clone(), one.count)));
            let counts: HashMap<Vec<u8>, u64> = counts.collect();
            (
                Some(counts),
                format!("{},", row_hash(table)),
                hashed(table, batch),
            )
        }
        false => (None, String::new(), named(table, batch)),
    };
    let sql = format!(
        "SELECT {head}{} FROM {} WHERE {condition}",
        list.join(","),
        table.source
    );
    let what = format!("reading rows of table `{}`", table.label);
    let label = production.label().to_owned();
    let failed = |error| DeltaError::statement(what.as_str(), &label, error);
    let mut rows = production.mysql_stream(what.as_str(), sql);
    while let Some(row) = rows.next().await.transpose()? {
        let mut first = 0;
        if let Some(left) = &mut left {
            let hash = mysql_value(&row, 0).map_err(failed)?.unwrap_or_default();
            match left.get_mut(hash).filter(|count| **count > 0) {
                Some(count) => *count -= 1,
                None => continue,
            }
            first = 1;
        }
        sink.row(&row, first).await.map_err(failed)?;
    }
    Ok(())
}

/// Rows on their way to the loader, in pieces of bearable size.
struct Sink<'a> {
    format: &'a Format,
    size: usize,
    buffer: Vec<u8>,
    sender: mpsc::Sender<Vec<u8>>,
    loaded: Loaded,
}

impl Sink<'_> {
    /// Takes the row's values from column `first` on.
    async fn row(&mut self, row: &MySqlRow, first: usize) -> Result<(), sqlx::Error> {
        match self.format {
            Format::Load => {
                for index in first..row.len() {
                    if index > first {
                        self.buffer.push(b'\t');
                    }
                    match mysql_value(row, index)? {
                        None => self.buffer.extend_from_slice(b"\\N"),
                        // A large value leaves piece by piece: memory holds it once.
                        Some(bytes) => {
                            for piece in bytes.chunks(CHUNK) {
                                escape(&mut self.buffer, piece);
                                self.flush_when_full().await;
                            }
                        }
                    }
                }
                self.buffer.push(b'\n');
            }
            Format::Insert(around) => {
                if !self.buffer.is_empty() {
                    self.buffer.push(b',');
                }
                let values: Result<Vec<Option<&[u8]>>, sqlx::Error> =
                    (first..row.len()).map(|index| mysql_value(row, index)).collect();
                self.buffer.extend_from_slice(&tuple(&values?, around));
            }
        }
        self.loaded.rows += 1;
        self.flush_when_full().await;
        Ok(())
    }

    async fn flush_when_full(&mut self) {
        if self.buffer.len() >= self.size {
            self.flush().await;
        }
    }

    /// A closed channel is not reported here: the loader knows why it closed it.
    async fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        self.loaded.bytes += full.len() as u64;
        self.sender.send(full).await.ok();
    }
}

fn check(
    database: &str,
    table: &Table,
    did: &'static str,
    wanted: u64,
    found: u64,
) -> Result<(), DeltaError> {
    if wanted == found {
        return Ok(());
    }
    Err(DeltaError::RowsChanged {
        table: table.label.clone(),
        database: database.to_owned(),
        did,
        wanted,
        found,
        reason: "rows changed meanwhile, or a key means other rows here than there".to_owned(),
    })
}

async fn changed(writer: &mut Writer, table: &Table, wanted: u64, found: u64) -> DeltaError {
    DeltaError::RowsChanged {
        table: table.label.clone(),
        database: writer.label().to_owned(),
        did: "stored",
        wanted,
        found,
        reason: writer.warning().await,
    }
}

fn load_statement(table: &Table) -> String {
    let mut list = Vec::new();
    let mut set = Vec::new();
    // With a SET clause, MariaDB takes a 0 that is not named there for a request to number the row.
    let named = table.columns.iter().any(|column| column.around.is_some());
    for (index, column) in table.columns.iter().enumerate() {
        match column.around.or((named && column.integer).then_some(("", ""))) {
            None => list.push(column.quoted.clone()),
            Some((before, after)) => {
                list.push(format!("@v{index}"));
                set.push(format!("{} = {before}@v{index}{after}", column.quoted));
            }
        }
    }
    let set = match set.is_empty() {
        true => String::new(),
        false => format!(" SET {}", set.join(", ")),
    };
    format!(
        "LOAD DATA LOCAL INFILE 'rows' INTO TABLE {} CHARACTER SET binary \
         FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' ({}){set}",
        table.quoted,
        list.join(", ")
    )
}

/// The text a loader takes.
#[derive(Debug, Clone)]
pub(crate) enum Format {
    /// Fields ended by TAB, lines by LF, escapes by backslash.
    Load,
    /// `(…),(…)`; holds what stands around each value.
    Insert(Vec<(&'static str, &'static str)>),
}

impl Format {
    fn insert(table: &Table) -> Self {
        let around = table
            .columns
            .iter()
            .map(|column| column.around.unwrap_or_default());
        Format::Insert(around.collect())
    }
}

/// The values of a row as INSERT takes them; in hexadecimal, which no setting can read otherwise.
fn tuple(row: &[Option<&[u8]>], around: &[(&str, &str)]) -> Vec<u8> {
    let values = row
        .iter()
        .zip(around)
        .map(|(value, (before, after))| match value {
            None => "NULL".to_owned(),
            Some(bytes) => format!("{before}{}{after}", plain(bytes)),
        });
    format!("({})", values.collect::<Vec<_>>().join(",")).into_bytes()
}

/// A hexadecimal literal is bytes to a text column and a number to a number column: numbers, dates and times go as
/// quoted text, which means the same to all of them.
pub(crate) fn plain(bytes: &[u8]) -> String {
    let safe = |byte: &u8| byte.is_ascii_alphanumeric() || b"-+:. _/@".contains(byte);
    match bytes.iter().all(safe) {
        true => format!("'{}'", String::from_utf8_lossy(bytes)),
        false => literal(bytes),
    }
}

/// LOAD DATA's escapes: TAB, LF, backslash and NUL.
fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut start = 0;
    for (index, byte) in bytes.iter().enumerate() {
        let letter = match byte {
            b'\t' => b't',
            b'\n' => b'n',
            b'\\' => b'\\',
            0 => b'0',
            _ => continue,
        };
        out.extend_from_slice(&bytes[start..index]);
        out.extend_from_slice(&[b'\\', letter]);
        start = index + 1;
    }
    out.extend_from_slice(&bytes[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_when_special_then_escaped_and_all_others_kept() {
        let mut out = Vec::new();
        escape(&mut out, b"a\tb\nc\\d\0e\x08'\xff");
        assert_eq!(out, b"a\\tb\\nc\\\\d\\0e\x08'\xff");
    }

    #[test]
    fn tuple_when_bytes_are_special_then_in_hexadecimal() {
        let row: [Option<&[u8]>; 4] = [None, Some(b"it's"), Some(b"-1.5"), Some(b"")];
        let around = [("", ""), ("", ""), ("CAST(", " AS UNSIGNED)"), ("", "")];
        assert_eq!(
            String::from_utf8_lossy(&tuple(&row, &around)),
            "(NULL,X'69742773',CAST('-1.5' AS UNSIGNED),'')"
        );
    }
}
