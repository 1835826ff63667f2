//! Rows with values too large to be held: they are left out of the stream of their table and follow it, each put
//! together in COPY's binary form from pieces, all in the reader's snapshot.

use cutover_database::Target;
use futures::StreamExt as _;
use sqlx::postgres::PgConnection;

use super::catalog::{Cut, Table};
use super::rows::Out;
use super::session::{ident, number, rows, text};
use crate::CopyError;

/// Values above this travel in pieces of about this.
pub(crate) const LARGE: u64 = 8 << 20;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// COPY's signature, flags and the length of an extension that is never there.
const HEADER: usize = 19;
/// What ends COPY's binary form.
pub(crate) const TRAILER: [u8; 2] = [0xff, 0xff];

/// Whether all that a COPY sent, in either form, is no row: nothing, or the beginning and the end of its binary form.
pub(crate) fn holds_no_row(bytes: &[u8]) -> bool {
    let binary = bytes.len() == HEADER + TRAILER.len() && bytes.starts_with(SIGNATURE);
    bytes.is_empty() || binary
}

/// Rows of a table that have large values: where each lies, and the length of each such value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LargeRow {
    ctid: String,
    /// Place of the column and length of its value.
    values: Vec<(usize, u64)>,
}

/// The length of a value that lies outside of its row is known without reading it.
fn length_of(column: &str, cut: Cut) -> String {
    match cut {
        Cut::Bytes => format!("octet_length({})", ident(column)),
        Cut::Text => format!("octet_length({}::text)", ident(column)),
    }
}

fn lies_at(ctid: &str) -> String {
    format!("ctid = {}::tid", super::session::literal(ctid))
}

/// Columns that may hold large values, each with the expression of its length.
fn candidates(table: &Table) -> Vec<(usize, String)> {
    let columns = table.columns.iter().enumerate();
    columns
        .filter_map(|(index, column)| Some((index, length_of(column, *table.cut.get(column)?))))
        .collect()
}

/// The rows that have to be left out. A table that is small as a whole is not asked.
pub(crate) async fn find(
    reader: &mut PgConnection,
    from: &Target,
    table: &Table,
) -> Result<Vec<LargeRow>, CopyError> {
    let columns = candidates(table);
    if columns.is_empty() || table.size < LARGE {
        return Ok(Vec::new());
    }
    let lengths: Vec<String> = columns
        .iter()
        .map(|(_, length)| format!("{length}::text"))
        .collect();
    let sql = format!(
        "SELECT ctid::text, {} FROM ONLY {} WHERE {}",
        lengths.join(", "),
        table.quoted(),
        any_large(&columns)
    );
    let what = format!("looking for large values in table `{}`", table.label());
    let found = rows(reader, from, &what, &sql).await?;
    let row = |row: &Vec<Option<String>>| LargeRow {
        ctid: text(row, 0),
        values: columns
            .iter()
            .enumerate()
            .map(|(number_, (index, _))| (*index, number::<u64>(row, number_ + 1)))
            .filter(|(_, length)| *length > LARGE)
            .collect(),
    };
    Ok(found.iter().map(row).collect())
}

fn any_large(columns: &[(usize, String)]) -> String {
    let parts: Vec<String> = columns
        .iter()
        .map(|(_, length)| format!("{length} > {LARGE}"))
        .collect();
    parts.join(" OR ")
}

/// The statement that reads all other rows.
pub(crate) fn without(table: &Table) -> String {
    format!(
        "COPY (SELECT {} FROM ONLY {} WHERE ({}) IS NOT TRUE) TO STDOUT (FORMAT binary)",
        table.column_list(),
        table.quoted(),
        any_large(&candidates(table))
    )
}

/// Sends one row, in COPY's binary form.
pub(super) async fn send(
    reader: &mut PgConnection,
    from: &Target,
    table: &Table,
    row: &LargeRow,
    out: &mut Out<'_>,
) -> Result<(), CopyError> {
    let what = format!("reading a large row of table `{}`", table.label());
    let place = lies_at(&row.ctid);
    let small: Vec<String> = table
        .columns
        .iter()
        .enumerate()
        .map(
            |(index, name)| match row.values.iter().any(|(large, _)| *large == index) {
                true => "NULL".to_owned(),
                false => ident(name),
            },
        )
        .collect();
    let sql = format!(
        "SELECT {} FROM ONLY {} WHERE {place}",
        small.join(", "),
        table.quoted()
    );
    let tuple = one_tuple(reader, from, &what, &sql).await?;
    let fields = fields(&tuple).ok_or_else(|| odd(&what))?;
    let count = i16::try_from(fields.len()).map_err(|error| CopyError::local(&what, error))?;
    out.push(&count.to_be_bytes()).await;
    for (index, field) in fields.into_iter().enumerate() {
        let large = row.values.iter().find(|(large, _)| *large == index);
        match (large, field) {
            (Some((_, length)), _) => {
                let column = table.columns.get(index).ok_or_else(|| odd(&what))?;
                let size = i32::try_from(*length).map_err(|error| CopyError::local(&what, error))?;
                out.push(&size.to_be_bytes()).await;
                let bytes = match table.cut.get(column) {
                    Some(Cut::Text) => format!("convert_to({}::text, 'UTF8')", ident(column)),
                    Some(Cut::Bytes) | None => ident(column),
                };
                // The server reads the whole of a text for each: a very large one has larger pieces.
                let most = LARGE.max(length / 16);
                let mut sent = 0;
                while sent < *length {
                    let sql = format!(
                        "SELECT substring({bytes} FROM {} FOR {most}) FROM ONLY {} WHERE {place}",
                        sent + 1,
                        table.quoted()
                    );
                    let tuple = one_tuple(reader, from, &what, &sql).await?;
                    let piece = self::fields(&tuple)
                        .and_then(|fields| fields.into_iter().next().flatten())
                        .filter(|piece| !piece.is_empty())
                        .ok_or_else(|| odd(&what))?;
                    out.push(piece).await;
                    sent += piece.len() as u64;
                }
                if sent != *length {
                    return Err(odd(&what));
                }
            }
            (None, None) => out.push(&(-1_i32).to_be_bytes()).await,
            (None, Some(bytes)) => {
                let size = i32::try_from(bytes.len()).map_err(|error| CopyError::local(&what, error))?;
                out.push(&size.to_be_bytes()).await;
                out.push(bytes).await;
            }
        }
    }
    Ok(())
}

fn odd(what: &str) -> CopyError {
    CopyError::local(
        what,
        "the server answered in an unexpected form, or the row changed meanwhile",
    )
}

/// The only tuple that a query gives, in COPY's binary form without header and trailer.
async fn one_tuple(
    reader: &mut PgConnection,
    from: &Target,
    what: &str,
    sql: &str,
) -> Result<Vec<u8>, CopyError> {
    let failed = |error| CopyError::statement(what, from, error);
    let copy = format!("COPY ({sql}) TO STDOUT (FORMAT binary)");
    let mut stream = reader.copy_out_raw(&copy).await.map_err(failed)?;
    let mut bytes = Vec::new();
    while let Some(message) = stream.next().await {
        bytes.extend_from_slice(&message.map_err(failed)?);
    }
    let end = bytes.len().checked_sub(TRAILER.len()).filter(|end| *end > HEADER);
    match end {
        Some(end) if bytes.ends_with(&TRAILER) => {
            bytes.truncate(end);
            bytes.drain(..HEADER);
            Ok(bytes)
        }
        Some(_) | None => Err(odd(what)),
    }
}

/// The fields of a tuple, when it is whole and nothing follows it.
fn fields(tuple: &[u8]) -> Option<Vec<Option<&[u8]>>> {
    let (count, mut rest) = tuple.split_first_chunk::<2>()?;
    let mut found = Vec::new();
    for _ in 0..i16::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk::<4>()?;
        match usize::try_from(i32::from_be_bytes(*length)) {
            Ok(length) => {
                let (field, after) = after.split_at_checked(length)?;
                found.push(Some(field));
                rest = after;
            }
            Err(_negative) => {
                found.push(None);
                rest = after;
            }
        }
    }
    rest.is_empty().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_when_there_are_none_then_known_and_a_short_text_is_one() {
        let empty = [SIGNATURE, &[0; 8], &TRAILER].concat();
        assert!(holds_no_row(b"") && holds_no_row(&empty));
        let text = b"1\tabcdefghijklmnopqr\n";
        assert_eq!(text.len(), empty.len());
        assert!(!holds_no_row(text));
    }

    #[test]
    fn tuple_when_read_then_its_fields_and_a_torn_one_is_none() {
        let tuple = [0, 3, 0, 0, 0, 2, 7, 8, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        assert_eq!(fields(&tuple), Some(vec![Some(&[7, 8][..]), None, Some(&[][..])]));
        for end in 0..tuple.len() {
            assert_eq!(fields(&tuple[..end]), None, "{end}");
        }
    }
}
