//! Rows into staging: LOAD DATA LOCAL, or INSERT where the server does not take that.

use mysql_async::prelude::Queryable as _;
use tokio::sync::mpsc;

use super::rows::{CHUNK, Format, HASHES, KEYS, read};
use super::sql::{hashed, named};
use super::writer::Writer;
use crate::DeltaError;
use crate::session::Session;
use crate::spool::{Wanted, Wants};
use crate::table::{Loaded, Table};

/// Chunks under way between reader and loader.
const DEPTH: usize = 4;

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

pub(super) fn check(
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
