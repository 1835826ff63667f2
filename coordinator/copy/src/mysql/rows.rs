//! Rows of one table from production into staging.

use std::sync::Arc;

use cutover_database::Target;
use cutover_database::pieces::push_field;
use futures::TryStreamExt as _;
use mysql_async::prelude::Queryable as _;
use sqlx::AssertSqlSafe;
use sqlx::mysql::{MySqlConnection, MySqlRow};
use tokio::sync::mpsc;

use super::catalog::Table;
use super::columns::{load_columns, name_list, select_list};
use super::encode::{Format, push_tuple};
use super::journal;
use super::large::Large;
use super::session::{Writer, value};
use super::syntax::ident;
use crate::journal::Whole;
use crate::progress::TableMeter;
use crate::workers::Worker;
use crate::{CopyError, CopyProgress, CopyWay};

/// Below the driver's and every server's packet limit, large enough that the wait per packet does not show.
const CHUNK: usize = 256 * 1024;
/// Chunks under way between reader and loader.
const DEPTH: usize = 8;

/// A connection on each side.
pub(crate) struct RowCopier {
    pub(crate) from: Target,
    pub(crate) reader: MySqlConnection,
    pub(crate) writer: Writer,
    pub(crate) way: CopyWay,
    pub(crate) progress: Arc<dyn CopyProgress>,
    /// Bytes of one INSERT statement, below what the server takes.
    pub(crate) insert_size: usize,
}

/// A table to fill, and the statement that completes it afterwards.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) table: Table,
    pub(crate) indexes: Option<String>,
    /// The rows are there already.
    pub(crate) kept: Option<Whole>,
}

/// A table that is whole.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) name: String,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

impl Worker for RowCopier {
    type Item = Load;
    type Output = Loaded;

    async fn run(&mut self, load: Load) -> Result<(Loaded, Vec<Load>), CopyError> {
        let name = load.table.name.clone();
        let result = self.copy(&load).await;
        result
            .map(|loaded| (loaded, Vec::new()))
            .map_err(|source| CopyError::Table {
                table: name,
                from: self.from.to_string(),
                to: self.writer.label().to_owned(),
                complete: Vec::new(),
                source: Box::new(source),
            })
    }
}

impl RowCopier {
    async fn copy(&mut self, load: &Load) -> Result<Loaded, CopyError> {
        let table = &load.table;
        let mut meter = TableMeter::new(&self.progress, &table.name);
        match load.kept {
            Some(whole) => (meter.rows, meter.bytes) = (whole.rows, whole.bytes),
            None => self.fill(table, &mut meter).await?,
        }
        if let Some(sql) = &load.indexes {
            let what = format!("building the indexes of table `{}`", table.name);
            self.writer.run(&what, sql.as_bytes()).await?;
        }
        meter.done();
        Ok(Loaded {
            name: table.name.clone(),
            rows: meter.rows,
            bytes: meter.bytes,
        })
    }

    /// The journal's row goes with the table's rows: both are there, or neither is.
    async fn fill(&mut self, table: &Table, meter: &mut TableMeter) -> Result<(), CopyError> {
        let what = format!("loading table `{}`", table.name);
        self.writer.run(&what, b"START TRANSACTION").await?;
        match self.way {
            CopyWay::Stream => self.stream(table, meter).await?,
            CopyWay::Insert => self.insert(table, meter).await?,
            CopyWay::SameServer | CopyWay::Template => self.select(table, meter).await?,
        }
        let whole = Whole {
            rows: meter.rows,
            bytes: meter.bytes,
        };
        let record = journal::record_table(table, whole);
        self.writer.run(&what, record.as_bytes()).await?;
        self.writer.run(&what, b"COMMIT").await
    }

    async fn stream(&mut self, table: &Table, meter: &mut TableMeter) -> Result<(), CopyError> {
        let (list, set) = load_columns(&table.columns);
        let sql = format!(
            "LOAD DATA LOCAL INFILE 'rows' INTO TABLE {} CHARACTER SET binary \
             FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' ({list}){set}",
            ident(&table.name)
        );
        let (sender, mut receiver) = mpsc::channel::<Vec<u8>>(DEPTH);
        let chunks = futures::stream::poll_fn(move |context| {
            let next = receiver.poll_recv(context);
            next.map(|chunk| chunk.map(|bytes| Ok(bytes.into())))
        });
        // Used once, for whatever file the server names: no file of this host is ever read.
        self.writer
            .conn
            .set_infile_handler(async move { Ok(Box::pin(chunks) as mysql_async::InfileData) });
        let keep = sender.clone();
        let read = read(
            &mut self.reader,
            &self.from,
            table,
            &Format::Load,
            CHUNK,
            sender,
            meter,
        );
        let label = self.writer.label().to_owned();
        let what = format!("loading table `{}`", table.name);
        let load = async {
            let done = self.writer.conn.query_drop(sql).await;
            done.map_err(|error| CopyError::statement(&what, &label, error))
        };
        let sent = join(read, keep, load).await?;
        check_stored(&mut self.writer, table, sent).await
    }

    async fn insert(&mut self, table: &Table, meter: &mut TableMeter) -> Result<(), CopyError> {
        let columns = &table.columns;
        let head = format!(
            "INSERT INTO {} ({}) VALUES ",
            ident(&table.name),
            name_list(columns)
        );
        let (sender, mut receiver) = mpsc::channel::<Vec<u8>>(DEPTH);
        let format = Format::insert(columns);
        let size = self.insert_size;
        let keep = sender.clone();
        let read = read(&mut self.reader, &self.from, table, &format, size, sender, meter);
        let writer = &mut self.writer;
        let mut stored = 0;
        let load = async {
            while let Some(values) = receiver.recv().await {
                let sql = [head.as_bytes(), &values].concat();
                let what = format!(
                    "inserting {} bytes into table `{}` (with local_infile=ON there is no limit to a value's size)",
                    sql.len(),
                    table.name
                );
                writer.run(&what, &sql).await?;
                stored += writer.conn.affected_rows();
                if writer.conn.get_warnings() > 0 {
                    return Err(changed(writer, table, stored, stored).await);
                }
            }
            Ok(())
        };
        let sent = join(read, keep, load).await?;
        if stored == sent {
            return Ok(());
        }
        Err(changed(&mut self.writer, table, sent, stored).await)
    }

    async fn select(&mut self, table: &Table, meter: &mut TableMeter) -> Result<(), CopyError> {
        let names = name_list(&table.columns);
        let sql = format!(
            "INSERT INTO {name} ({names}) SELECT {names} FROM {db}.{name}",
            name = ident(&table.name),
            db = ident(&self.from.database)
        );
        let what = format!("loading table `{}`", table.name);
        self.writer.run(&what, sql.as_bytes()).await?;
        meter.rows = self.writer.conn.affected_rows();
        meter.bytes = table.size;
        if self.writer.conn.get_warnings() > 0 {
            return Err(changed(&mut self.writer, table, meter.rows, meter.rows).await);
        }
        Ok(())
    }
}

/// Runs both until the rows are in. A loader that fails ends the reader, which would wait for it forever.
async fn join(
    read: impl Future<Output = Result<u64, CopyError>>,
    keep: mpsc::Sender<Vec<u8>>,
    load: impl Future<Output = Result<(), CopyError>>,
) -> Result<u64, CopyError> {
    tokio::pin!(read, load);
    let rows = tokio::select! {
        loaded = &mut load => {
            loaded?;
            // The stream cannot have ended while a sender is kept: the server did not ask for it.
            return Err(CopyError::local("loading", "the server ended the load before all rows were sent"));
        }
        rows = &mut read => rows?,
    };
    // Only now may the stream end: a reader that failed must not look like one that finished.
    drop(keep);
    load.await?;
    Ok(rows)
}

async fn read(
    reader: &mut MySqlConnection,
    from: &Target,
    table: &Table,
    format: &Format,
    chunk: usize,
    sender: mpsc::Sender<Vec<u8>>,
    meter: &mut TableMeter,
) -> Result<u64, CopyError> {
    let failed = |error| CopyError::statement(format!("reading table `{}`", table.name), from, error);
    let large = Large::of(table).filter(|_| matches!(format, Format::Load));
    let list = large
        .as_ref()
        .map_or_else(|| select_list(&table.columns), Large::select_list);
    let sql = format!("SELECT {list} FROM {}", ident(&table.name));
    let mut out = Out {
        buffer: Vec::with_capacity(chunk * 2),
        chunk,
        sender,
        meter,
    };
    let mut rows = 0;
    let mut left_out = Vec::new();
    let mut stream = sqlx::raw_sql(AssertSqlSafe(sql)).fetch(&mut *reader);
    while let Some(row) = stream.try_next().await.map_err(failed)? {
        let larger = match &large {
            Some(large) => large.left_out(&row, rows).map_err(failed)?,
            None => None,
        };
        match (format, larger) {
            (_, Some(larger)) => left_out.push(larger),
            (Format::Load, None) => out.line(&row, table.columns.len()).await.map_err(failed)?,
            (Format::Insert(around), None) => {
                let first = out.buffer.is_empty();
                push_tuple(&mut out.buffer, &row, around, first).map_err(failed)?;
            }
        }
        rows += 1;
        if out.buffer.len() >= chunk {
            out.meter.rows = rows;
            out.send().await;
        }
    }
    drop(stream);
    for place in &left_out {
        if let Some(large) = &large {
            large.send(reader, from, place, &mut out).await?;
        }
    }
    out.meter.rows = rows;
    out.send().await;
    Ok(rows)
}

/// Gathers rows and hands them on in pieces that fit into packets.
pub(super) struct Out<'a> {
    buffer: Vec<u8>,
    chunk: usize,
    sender: mpsc::Sender<Vec<u8>>,
    meter: &'a mut TableMeter,
}

impl Out<'_> {
    /// A line for LOAD DATA of the first `columns` values.
    async fn line(&mut self, row: &MySqlRow, columns: usize) -> Result<(), sqlx::Error> {
        for index in 0..columns {
            if index > 0 {
                self.buffer.push(b'\t');
            }
            match value(row, index)? {
                None => push_field(&mut self.buffer, None),
                // A large one goes on piece by piece, so that it is not held a second time.
                Some(bytes) => {
                    for piece in bytes.chunks(self.chunk) {
                        push_field(&mut self.buffer, Some(piece));
                        self.send_when_full().await;
                    }
                }
            }
        }
        self.buffer.push(b'\n');
        Ok(())
    }

    /// A part of a line, as it is.
    pub(super) async fn text(&mut self, text: &[u8]) {
        for piece in text.chunks(self.chunk) {
            self.buffer.extend_from_slice(piece);
            self.send_when_full().await;
        }
    }

    async fn send_when_full(&mut self) {
        if self.buffer.len() >= self.chunk {
            self.send().await;
        }
    }

    /// A closed channel is not reported here: the loader knows why it closed it.
    async fn send(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        self.meter.sent(self.buffer.len());
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(self.chunk * 2));
        self.sender.send(full).await.ok();
    }
}

/// LOAD DATA LOCAL turns errors into warnings and skips rows; neither may pass.
async fn check_stored(writer: &mut Writer, table: &Table, sent: u64) -> Result<(), CopyError> {
    let (stored, warnings) = (writer.conn.affected_rows(), writer.conn.get_warnings());
    if stored == sent && warnings == 0 {
        return Ok(());
    }
    Err(changed(writer, table, sent, stored).await)
}

async fn changed(writer: &mut Writer, table: &Table, sent: u64, stored: u64) -> CopyError {
    let first: Result<Option<(String, u32, String)>, _> =
        writer.conn.query_first("SHOW WARNINGS LIMIT 1").await;
    let warning = match first {
        Ok(Some((_, code, message))) => format!("{code}: {message}"),
        Ok(None) => "no warning given".to_owned(),
        Err(error) => error.to_string(),
    };
    CopyError::RowsChanged {
        table: table.name.clone(),
        database: writer.label().to_owned(),
        sent,
        stored,
        warning,
    }
}
