//! Rows of one table from production into staging.

use std::collections::BTreeMap;
use std::sync::Arc;

use cutover_database::Target;
use cutover_database::pieces::{TRAILER, holds_no_row};
use futures::StreamExt as _;
use sqlx::postgres::PgConnection;
use tokio::sync::mpsc;

use super::catalog::Table;
use super::entries::Entry;
use super::journal::Journal;
use super::large::{self, LargeRow};
use super::session::run;
use super::small;
use crate::journal::{Whole, table_place};
use crate::progress::TableMeter;
use crate::workers::Worker;
use crate::{CopyError, CopyProgress};

/// The server sends a message per row; sending each on alone would cost a system call per row.
const CHUNK: usize = 256 * 1024;
const DEPTH: usize = 8;

/// A connection on each side; the reader is inside the common snapshot.
pub(crate) struct RowCopier {
    pub(crate) from: Target,
    pub(crate) to: Target,
    pub(crate) reader: PgConnection,
    pub(crate) writer: PgConnection,
    /// Both servers have one major version.
    pub(crate) same_major: bool,
    pub(crate) progress: Arc<dyn CopyProgress>,
    pub(crate) journal: Arc<Journal>,
    /// What can be created when the rows of a table are there.
    pub(crate) entries: Arc<BTreeMap<String, Vec<Entry>>>,
}

/// Rows of a table, or an index of a table whose rows are there.
pub(crate) enum Item {
    Load(Box<Table>),
    /// The constraints one after the other, as each locks the table; then the indexes, side by side.
    Create(Vec<Entry>),
}

/// A table that is whole.
pub(crate) struct Loaded {
    pub(crate) name: String,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// An interrupted copy had left it whole.
    pub(crate) kept: bool,
}

impl Worker for RowCopier {
    type Item = Item;
    type Output = Option<Loaded>;

    async fn run(&mut self, item: Item) -> Result<(Option<Loaded>, Vec<Item>), CopyError> {
        let table = match item {
            Item::Load(table) => table,
            Item::Create(entries) => return Ok((None, self.create(entries).await?)),
        };
        let loaded = self.copy(&table).await.map_err(|source| CopyError::Table {
            table: table.label(),
            from: self.from.to_string(),
            to: self.to.to_string(),
            complete: Vec::new(),
            source: Box::new(source),
        })?;
        let entries = self.entries.get(&loaded.name).cloned().unwrap_or_default();
        Ok((Some(loaded), vec![Item::Create(entries)]))
    }
}

impl RowCopier {
    async fn create(&mut self, entries: Vec<Entry>) -> Result<Vec<Item>, CopyError> {
        if let [entry] = entries.as_slice() {
            entry.create(&mut self.writer, &self.to, &self.journal).await?;
            return Ok(Vec::new());
        }
        let (constraints, indexes): (Vec<Entry>, Vec<Entry>) =
            entries.into_iter().partition(Entry::is_constraint);
        for entry in constraints {
            entry.create(&mut self.writer, &self.to, &self.journal).await?;
        }
        Ok(indexes
            .into_iter()
            .map(|entry| Item::Create(vec![entry]))
            .collect())
    }

    async fn copy(&mut self, table: &Table) -> Result<Loaded, CopyError> {
        let mut meter = TableMeter::new(&self.progress, &table.label());
        let what = format!("loading table `{}`", table.label());
        // Truncated in the same transaction, the rows may be stored as visible to all at once.
        let begin = format!("BEGIN; TRUNCATE ONLY {}", table.quoted());
        if small::fits(table) {
            let found = small::statement(&mut self.reader, &self.from, table).await?;
            if let Some((insert, rows, bytes)) = found {
                (meter.rows, meter.bytes) = (rows, bytes);
                let all = [begin, insert, self.end(table, &meter)].concat();
                run(&mut self.writer, &self.to, &what, &all).await?;
                return Ok(loaded(table, &meter));
            }
        }
        run(&mut self.writer, &self.to, &what, &begin).await?;
        let format = if self.same_major && table.binary {
            "binary"
        } else {
            "text"
        };
        let list = match table.columns.is_empty() {
            true => String::new(),
            false => format!(" ({})", table.column_list()),
        };
        let large = match format {
            "binary" => large::find(&mut self.reader, &self.from, table).await?,
            _ => Vec::new(),
        };
        let sql = match large.is_empty() {
            true => format!("COPY {}{list} TO STDOUT (FORMAT {format})", table.quoted()),
            false => large::without(table),
        };
        let into = format!(
            "COPY {}{list} FROM STDIN (FORMAT {format}, FREEZE)",
            table.quoted()
        );

        let (sender, receiver) = mpsc::channel(DEPTH);
        let out = Out::new(sender, &mut meter);
        let read = read(&mut self.reader, &self.from, table, &sql, &large, out);
        let write = write(&mut self.writer, &self.to, table, &into, receiver);
        let ((), rows) = futures::try_join!(read, write)?;
        meter.rows = rows;
        let end = format!("SELECT{}", self.end(table, &meter));
        run(&mut self.writer, &self.to, &what, &end).await?;
        Ok(loaded(table, &meter))
    }

    /// What follows the rows. The journal's row goes with them: both are there, or neither is.
    fn end(&self, table: &Table, meter: &TableMeter) -> String {
        let whole = Whole {
            rows: meter.rows,
            bytes: meter.bytes,
        };
        let record = self.journal.record(&table_place(&table.label()), whole);
        format!("{record}; COMMIT; ANALYZE {}", table.quoted())
    }
}

fn loaded(table: &Table, meter: &TableMeter) -> Loaded {
    meter.done();
    Loaded {
        name: table.label(),
        rows: meter.rows,
        bytes: meter.bytes,
        kept: false,
    }
}

enum Part {
    Rows(Vec<u8>),
    /// The reader has seen the end; without it a broken reader would look like a short table.
    End,
}

/// Gathers what the server sends and hands it on in larger pieces.
pub(super) struct Out<'a> {
    buffer: Vec<u8>,
    sender: mpsc::Sender<Part>,
    meter: &'a mut TableMeter,
    /// Nobody takes anything any more: the writer knows why.
    closed: bool,
}

impl<'a> Out<'a> {
    fn new(sender: mpsc::Sender<Part>, meter: &'a mut TableMeter) -> Self {
        Out {
            buffer: Vec::with_capacity(2 * CHUNK),
            sender,
            meter,
            closed: false,
        }
    }

    /// A row may be cut anywhere: a large one goes on piece by piece, so that it is not held a second time.
    pub(super) async fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(CHUNK) {
            self.buffer.extend_from_slice(piece);
            if self.buffer.len() >= CHUNK {
                self.send().await;
            }
        }
    }

    async fn send(&mut self) {
        self.meter.sent(self.buffer.len());
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(2 * CHUNK));
        self.closed |= self.sender.send(Part::Rows(full)).await.is_err();
    }

    async fn end(mut self) {
        self.send().await;
        self.sender.send(Part::End).await.ok();
    }
}

/// Sends a table's rows, and then those with large values. What ends COPY's binary form goes last.
async fn read(
    reader: &mut PgConnection,
    from: &Target,
    table: &Table,
    sql: &str,
    large: &[LargeRow],
    mut out: Out<'_>,
) -> Result<(), CopyError> {
    let what = format!("reading table `{}`", table.label());
    let failed = |error| CopyError::statement(&what, from, error);
    let mut stream = reader.copy_out_raw(sql).await.map_err(failed)?;
    let mut held = None;
    while let Some(message) = stream.next().await {
        let message = message.map_err(failed)?;
        if let Some(earlier) = held.replace(message) {
            out.meter.rows += 1;
            out.push(&earlier).await;
        }
        if out.closed {
            return Ok(());
        }
    }
    drop(stream);
    let last = held.unwrap_or_default();
    if large.is_empty() {
        out.push(&last).await;
    } else {
        let rest = last.strip_suffix(&TRAILER);
        let rest =
            rest.ok_or_else(|| CopyError::local(&what, "the server did not end the rows as expected"))?;
        out.push(rest).await;
        for row in large {
            out.meter.rows += 1;
            large::send(reader, from, table, row, &mut out).await?;
        }
        out.push(&TRAILER).await;
    }
    out.end().await;
    Ok(())
}

async fn write(
    writer: &mut PgConnection,
    to: &Target,
    table: &Table,
    sql: &str,
    mut receiver: mpsc::Receiver<Part>,
) -> Result<u64, CopyError> {
    let what = format!("loading table `{}`", table.label());
    let failed = |error| CopyError::statement(&what, to, error);
    let stopped = || CopyError::local(&what, "production stopped sending");
    let mut part = receiver.recv().await;
    if matches!(&part, Some(Part::Rows(bytes)) if holds_no_row(bytes)) {
        // A COPY waits for the network several times: a database of many empty tables is spared it.
        return match receiver.recv().await {
            Some(Part::End) => Ok(0),
            Some(Part::Rows(_)) | None => Err(stopped()),
        };
    }
    let mut copy = writer.copy_in_raw(sql).await.map_err(failed)?;
    loop {
        match part {
            Some(Part::Rows(bytes)) if bytes.is_empty() => {}
            Some(Part::Rows(bytes)) => {
                if let Err(error) = copy.send(bytes).await {
                    return Err(failed(error));
                }
            }
            Some(Part::End) => return copy.finish().await.map_err(failed),
            None => {
                copy.abort("the rows could not be read to their end").await.ok();
                return Err(stopped());
            }
        }
        part = receiver.recv().await;
    }
}
