//! Rows out of production, in the text a loader takes.

use std::collections::HashMap;

use cutover_database::pieces::push_field;
use futures::StreamExt as _;
use sqlx::mysql::MySqlRow;
use tokio::sync::mpsc;

use super::large::Large;
use super::load::check;
use super::sql::{hashed, literal, named, row_hash};
use crate::DeltaError;
use crate::session::{Session, mysql_value};
use crate::spool::{Wanted, Wants};
use crate::table::{Loaded, Table};

/// Below the driver's and every server's packet limit, large enough that the wait per packet does not show.
pub(super) const CHUNK: usize = 256 * 1024;
/// Rows named in one statement. Their number is bounded by what the optimizer takes before it reads all rows.
pub(super) const KEYS: usize = 250;
/// Bytes of hashes in one statement; each such statement reads the whole table.
pub(super) const HASHES: usize = 1 << 18;

pub(super) async fn read(
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
    let large = match sink.format {
        Format::Load => Large::of(table),
        // A statement holds its values whole.
        Format::Insert(_) => None,
    };
    let list = large
        .as_ref()
        .map_or_else(|| select_list(table), Large::select_list);
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
    let sql = format!("SELECT {head}{list} FROM {} WHERE {condition}", table.source);
    let what = format!("reading rows of table `{}`", table.label);
    let label = production.label().to_owned();
    let failed = |error| DeltaError::statement(what.as_str(), &label, error);
    let mut left_out = Vec::new();
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
        let larger = match &large {
            Some(large) => large.left_out(&row).map_err(failed)?,
            None => None,
        };
        match larger {
            Some(larger) => left_out.push(larger),
            None => sink
                .row(&row, first, first + table.columns.len())
                .await
                .map_err(failed)?,
        }
    }
    drop(rows);
    for place in &left_out {
        if let Some(large) = &large {
            large.send(production, place, sink).await?;
            sink.loaded.rows += 1;
            sink.loaded.in_pieces += 1;
        }
    }
    Ok(())
}

fn select_list(table: &Table) -> String {
    let list: Vec<&str> = table
        .columns
        .iter()
        .map(|column| column.select.as_str())
        .collect();
    list.join(",")
}

/// Rows on their way to the loader, in pieces of bearable size.
pub(super) struct Sink<'a> {
    format: &'a Format,
    size: usize,
    buffer: Vec<u8>,
    sender: mpsc::Sender<Vec<u8>>,
    loaded: Loaded,
}

impl Sink<'_> {
    /// Takes the row's values in these columns.
    async fn row(&mut self, row: &MySqlRow, first: usize, end: usize) -> Result<(), sqlx::Error> {
        match self.format {
            Format::Load => {
                for index in first..end {
                    if index > first {
                        self.buffer.push(b'\t');
                    }
                    match mysql_value(row, index)? {
                        None => push_field(&mut self.buffer, None),
                        // A large value leaves piece by piece: memory does not hold it a second time.
                        Some(bytes) => {
                            for piece in bytes.chunks(CHUNK) {
                                push_field(&mut self.buffer, Some(piece));
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
                    (first..end).map(|index| mysql_value(row, index)).collect();
                self.buffer.extend_from_slice(&tuple(&values?, around));
            }
        }
        self.loaded.rows += 1;
        self.flush_when_full().await;
        Ok(())
    }

    /// A part of a line, as it is.
    pub(super) async fn text(&mut self, text: &[u8]) {
        for piece in text.chunks(CHUNK) {
            self.buffer.extend_from_slice(piece);
            self.flush_when_full().await;
        }
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

/// The text a loader takes.
#[derive(Debug, Clone)]
pub(crate) enum Format {
    /// Fields ended by TAB, lines by LF, escapes by backslash.
    Load,
    /// `(…),(…)`; holds what stands around each value.
    Insert(Vec<(&'static str, &'static str)>),
}

impl Format {
    pub(super) fn insert(table: &Table) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

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
