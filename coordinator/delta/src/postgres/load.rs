//! Rows from production into staging by COPY.

use futures::StreamExt as _;
use tokio::sync::mpsc;

use super::catalog::Method;
use super::sql;
use crate::DeltaError;
use crate::session::Session;
use crate::spool::Wants;
use crate::table::Table;

/// The server sends a message per row; sending each on alone would cost a system call per row.
const CHUNK: usize = 256 * 1024;
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

/// Brings over the next rows that are named; rows and bytes.
pub(crate) async fn load(
    production: &mut Session,
    staging: &mut Session,
    way: Way,
    table: &Table,
    wants: &mut Wants,
) -> Result<(u64, u64), DeltaError> {
    let batch = wants.batch(most(table), HASHES)?;
    let format = match way.same_major && table.portable() {
        true => "binary",
        false => "text",
    };
    let out = format!(
        "COPY ({}) TO STDOUT (FORMAT {format})",
        sql::select(table, &batch, way.method)
    );
    let into = format!(
        "COPY {} ({}) FROM STDIN (FORMAT {format})",
        table.quoted,
        table.column_list()
    );
    let (sender, receiver) = mpsc::channel(DEPTH);
    let (read, written) = futures::try_join!(
        read(production, table, &out, sender),
        write(staging, table, &into, receiver)
    )?;
    let wanted = batch.iter().map(|one| one.count).sum();
    check(production.label(), table, "found", wanted, written)?;
    Ok((written, read))
}

enum Part {
    Rows(Vec<u8>),
    /// The reader has seen the end; without it a broken reader would look like a short table.
    End,
}

async fn read(
    production: &mut Session,
    table: &Table,
    sql: &str,
    sender: mpsc::Sender<Part>,
) -> Result<u64, DeltaError> {
    let label = production.label().to_owned();
    let failed =
        |error| DeltaError::statement(format!("reading rows of table `{}`", table.label), &label, error);
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
            // A closed channel is not reported here: the writer knows why it closed it.
            if sender
                .send(Part::Rows(std::mem::take(&mut buffer)))
                .await
                .is_err()
            {
                return Ok(bytes);
            }
        }
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

fn not_postgres() -> DeltaError {
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
