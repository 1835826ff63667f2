//! Rows in COPY's binary form (PostgreSQL's documentation of COPY, "Binary Format"), put together from pieces.

use std::collections::VecDeque;

use futures::StreamExt as _;
use sqlx::postgres::PgConnection;

use super::{LARGE, PieceError, Pieces};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// COPY's signature, flags and the length of an extension that is never there.
const HEADER: usize = 19;
/// A table of fewer bytes holds no large value: neither of PostgreSQL's ways to compress one makes it smaller than this
/// (LZ4 at most by 255, its own by about 90).
pub const SMALLEST_TABLE: u64 = LARGE / 256;
/// What ends COPY's binary form.
pub const TRAILER: [u8; 2] = [0xff, 0xff];

/// Whether all that a COPY sent, in either form, is no row: nothing, or the beginning and the end of its binary form.
#[must_use]
pub fn holds_no_row(bytes: &[u8]) -> bool {
    let binary = bytes.len() == HEADER + TRAILER.len() && bytes.starts_with(SIGNATURE);
    bytes.is_empty() || binary
}

/// What the pieces of a large value are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Bytes of the value.
    Bytes,
    /// Bytes of its text in UTF-8, which must be both the server's and the session's encoding.
    Text,
}

impl Cut {
    /// How values of a type are cut, where their binary form is their bytes or their text. `utf8`: the database's
    /// encoding; `limited`: the type has a length, and no limit in use comes near a large value.
    #[must_use]
    pub fn of(type_name: &str, limited: bool, utf8: bool) -> Option<Self> {
        match type_name {
            "bytea" => Some(Cut::Bytes),
            "text" | "json" if utf8 => Some(Cut::Text),
            "varchar" if utf8 && !limited => Some(Cut::Text),
            _ => None,
        }
    }

    /// The expression of a value's length. That of one that lies outside of its row is known without reading it.
    #[must_use]
    pub fn length(self, column: &str) -> String {
        match self {
            Cut::Bytes => format!("octet_length({column})"),
            Cut::Text => format!("octet_length({column}::text)"),
        }
    }

    fn bytes(self, column: &str) -> String {
        match self {
            Cut::Bytes => column.to_owned(),
            Cut::Text => format!("convert_to({column}::text, 'UTF8')"),
        }
    }
}

/// A column of a row that has large values.
#[derive(Debug, Clone)]
pub struct CopyColumn {
    /// The name as a statement writes it.
    pub name: String,
    /// How its value is cut, and the length, when it is large.
    pub large: Option<(Cut, u64)>,
}

#[derive(Debug)]
enum Part {
    Bytes(Vec<u8>),
    Value(Pieces),
}

/// A row on its way, in COPY's binary form without what begins and ends it.
#[derive(Debug)]
pub struct CopyRow {
    parts: VecDeque<Part>,
}

impl CopyRow {
    /// Reads all values of the row but the large ones. `place` is the FROM and WHERE that name it.
    ///
    /// # Errors
    /// [`PieceError`].
    pub async fn begin(
        reader: &mut PgConnection,
        columns: &[CopyColumn],
        place: &str,
    ) -> Result<Self, PieceError> {
        let names: Vec<&str> = columns
            .iter()
            .map(|column| match column.large {
                Some(_) => "NULL",
                None => column.name.as_str(),
            })
            .collect();
        let sql = format!("SELECT {} {place}", names.join(", "));
        let tuple = one_tuple(reader, &sql).await?;
        let fields = fields(&tuple).ok_or(PieceError::Changed)?;
        if fields.len() != columns.len() {
            return Err(PieceError::Changed);
        }
        let size = |length: u64| i32::try_from(length).map_err(|_too_long| PieceError::Changed);
        let count = i16::try_from(fields.len()).map_err(|_too_many| PieceError::Changed)?;
        let mut parts = VecDeque::new();
        let mut bytes = count.to_be_bytes().to_vec();
        for (column, field) in columns.iter().zip(fields) {
            match (column.large, field) {
                (Some((cut, length)), _) => {
                    bytes.extend(size(length)?.to_be_bytes());
                    parts.push_back(Part::Bytes(std::mem::take(&mut bytes)));
                    let value = Pieces::new(cut.bytes(&column.name), place.to_owned(), length);
                    parts.push_back(Part::Value(value));
                }
                (None, None) => bytes.extend((-1_i32).to_be_bytes()),
                (None, Some(field)) => {
                    bytes.extend(size(field.len() as u64)?.to_be_bytes());
                    bytes.extend(field);
                }
            }
        }
        parts.push_back(Part::Bytes(bytes));
        Ok(CopyRow { parts })
    }

    /// The next bytes of the row; `None` when all of it was read.
    ///
    /// # Errors
    /// [`PieceError`].
    pub async fn next(&mut self, reader: &mut PgConnection) -> Result<Option<Vec<u8>>, PieceError> {
        while let Some(part) = self.parts.pop_front() {
            match part {
                Part::Bytes(bytes) => return Ok(Some(bytes)),
                Part::Value(mut value) => {
                    if let Some(piece) = value.next_of_postgres(reader).await? {
                        self.parts.push_front(Part::Value(value));
                        return Ok(Some(piece));
                    }
                }
            }
        }
        Ok(None)
    }
}

/// The only tuple that a query gives, in COPY's binary form without header and trailer.
pub(super) async fn one_tuple(reader: &mut PgConnection, sql: &str) -> Result<Vec<u8>, PieceError> {
    let copy = format!("COPY ({sql}) TO STDOUT (FORMAT binary)");
    let mut stream = reader.copy_out_raw(&copy).await?;
    let mut bytes = Vec::new();
    while let Some(message) = stream.next().await {
        bytes.extend_from_slice(&message?);
    }
    let end = bytes.len().checked_sub(TRAILER.len()).filter(|end| *end > HEADER);
    match end {
        Some(end) if bytes.ends_with(&TRAILER) => {
            bytes.truncate(end);
            bytes.drain(..HEADER);
            Ok(bytes)
        }
        Some(_) | None => Err(PieceError::Changed),
    }
}

/// The fields of a tuple, when it is whole and nothing follows it.
pub(super) fn fields(tuple: &[u8]) -> Option<Vec<Option<&[u8]>>> {
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
