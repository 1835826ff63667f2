//! Rows from production into staging by COPY.

use cutover_database::pieces::TRAILER;
use futures::StreamExt as _;
use tokio::sync::mpsc;

use super::catalog::Method;
use super::large::{self, LargeRow};
use super::sql;
use crate::DeltaError;
use crate::session::Session;
use crate::spool::Wants;
use crate::table::{Loaded, Table};

/// The server sends a message per row; sending each on alone would cost a system call per row.
pub(super) const CHUNK: usize = 256 * 1024;
const DEPTH: usize = 4;
/// Rows named in one statement.
const KEYS: usize = 2000;
/// Bytes of hashes in one statement; each such statement reads the whole table.
const HASHES: usize = 4 << 20;

/// Staging's side of a table, and how both are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    pub(crate) method: Method,
    /// Both servers have one major version.
    pub(crate) same_major: bool,
}

/// Deletes the rows that are named and returns how many there were.
pub(crate) async fn remove(
    staging: &mut Session,
    way: Way,
    table: &Table,
    wants: &mut Wants,
) -> Result<u64, DeltaError> {
    let batch = wants.batch(most(table), HASHES)?;
    let what = format!("deleting rows of table `{}`", table.label);
    let found = staging.run(&what, sql::delete(table, &batch, way.method)).await?;
    let wanted = batch.iter().map(|one| one.count).sum();
    check(staging.label(), table, "deleted", wanted, found)?;
    Ok(found)
}

fn most(table: &Table) -> usize {
    match table.keyless() {
        true => usize::MAX,
        false => KEYS,
    }
}

/// Brings over the next rows that are named.
pub(crate) async fn load(
    production: &mut Session,
    staging: &mut Session,
    way: Way,
    table: &Table,
    wants: &mut Wants,
) -> Result<Loaded, DeltaError> {
    let batch = wants.batch(most(table), HASHES)?;
    let format = match way.same_major && table.portable() {
        true => "binary",
        false => "text",
    };
    let large = match format {
        "binary" => large::find(production, way, table, &batch).await?,
        _ => Vec::new(),
    };
    let select = match large.is_empty() {
        true => sql::select(table, &batch, way.method),
        false => sql::select_others(table, &batch, way.method),
    };
    let out = format!("COPY ({select}) TO STDOUT (FORMAT {format})");
    let into = format!(
        "COPY {} ({}) FROM STDIN (FORMAT {format})",
        table.quoted,
        table.column_list()
    );
    let (sender, receiver) = mpsc::channel(DEPTH);
    let (read, written) = futures::try_join!(
        read(production, table, &out, &large, sender),
        write(staging, table, &into, receiver)
    )?;
    let wanted = batch.iter().map(|one| one.count).sum();
    check(production.label(), table, "found", wanted, written)?;
    Ok(Loaded {
        rows: written,
        bytes: read,
        in_pieces: large.len() as u64,
    })
}

pub(super) enum Part {
    Rows(Vec<u8>),
    /// The reader has seen the end; without it a broken reader would look like a short table.
    End,
}

/// Sends the rows, and then those with large values. What ends COPY's binary form goes last.
async fn read(
    production: &mut Session,
    table: &Table,
    sql: &str,
    large: &[LargeRow],
    sender: mpsc::Sender<Part>,
) -> Result<u64, DeltaError> {
    let label = production.label().to_owned();
    let what = format!("reading rows of table `{}`", table.label);
    let failed = |error| DeltaError::statement(what.as_str(), &label, error);
    let conn = production.postgres().ok_or_else(not_postgres)?;
    let mut stream = conn.copy_out_raw(sql).await.map_err(failed)?;
    let mut buffer = Vec::new();
    let mut bytes = 0;
    while let Some(message) = stream.next().await {
        let message = message.map_err(failed)?;
        bytes += message.len() as u64;
        // A large row leaves piece by piece: memory holds it once.
        for piece in message.chunks(CHUNK) {
            buffer.extend_from_slice(piece);
            if buffer.len() < CHUNK {
                continue;
            }
            let tail = buffer.split_off(buffer.len() - TRAILER.len());
            let full = std::mem::replace(&mut buffer, tail);
            // A closed channel is not reported here: the writer knows why it closed it.
            if sender.send(Part::Rows(full)).await.is_err() {
                return Ok(bytes);
            }
        }
    }
    drop(stream);
    if !large.is_empty() {
        if !buffer.ends_with(&TRAILER) {
            let why = "the server did not end the rows as expected";
            return Err(DeltaError::local(what, why));
        }
        buffer.truncate(buffer.len() - TRAILER.len());
        sender.send(Part::Rows(buffer)).await.ok();
        for row in large {
            bytes += large::send(production, table, row, &sender).await?;
        }
        buffer = TRAILER.to_vec();
    }
    sender.send(Part::Rows(buffer)).await.ok();
    sender.send(Part::End).await.ok();
    Ok(bytes)
}

async fn write(
    staging: &mut Session,
    table: &Table,
    sql: &str,
    mut receiver: mpsc::Receiver<Part>,
) -> Result<u64, DeltaError> {
    let label = staging.label().to_owned();
    let failed =
        |error| DeltaError::statement(format!("loading rows of table `{}`", table.label), &label, error);
    let conn = staging.postgres().ok_or_else(not_postgres)?;
    let mut copy = conn.copy_in_raw(sql).await.map_err(failed)?;
    loop {
        match receiver.recv().await {
            Some(Part::Rows(bytes)) if bytes.is_empty() => {}
            Some(Part::Rows(bytes)) => {
                for part in bytes.chunks(CHUNK) {
                    if let Err(error) = copy.send(part).await {
                        return Err(failed(error));
                    }
                }
            }
            Some(Part::End) => return copy.finish().await.map_err(failed),
            None => {
                copy.abort("the rows could not be read to their end").await.ok();
                return Err(DeltaError::local(
                    format!("loading rows of table `{}`", table.label),
                    "production stopped sending",
                ));
            }
        }
    }
}

pub(super) fn not_postgres() -> DeltaError {
    DeltaError::local("loading rows", "the connection is not one to PostgreSQL")
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
