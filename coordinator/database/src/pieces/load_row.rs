//! Rows as lines for LOAD DATA LOCAL (fields ended by TAB, lines by LF, escapes by backslash), put together from pieces.

use std::collections::VecDeque;

use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Row as _, raw_sql};

use super::{LARGE, PieceError, Pieces};

/// For each byte what follows the backslash, or 0 for a byte that stands for itself.
#[derive(Debug)]
pub struct Escapes([u8; 256]);

impl Escapes {
    /// Those of a field of LOAD DATA.
    pub const LOAD: Escapes = Escapes::new(&[(b'\t', b't'), (b'\n', b'n'), (b'\\', b'\\'), (0, b'0')]);

    /// Bytes, each with what follows the backslash in its place.
    #[must_use]
    pub const fn new(pairs: &[(u8, u8)]) -> Self {
        let mut table = [0; 256];
        let mut index = 0;
        while index < pairs.len() {
            table[pairs[index].0 as usize] = pairs[index].1;
            index += 1;
        }
        Escapes(table)
    }

    /// Appends bytes, escaped.
    pub fn push(&self, out: &mut Vec<u8>, bytes: &[u8]) {
        let mut start = 0;
        for (index, &byte) in bytes.iter().enumerate() {
            let letter = self.0[byte as usize];
            if letter != 0 {
                out.extend_from_slice(&bytes[start..index]);
                out.extend_from_slice(&[b'\\', letter]);
                start = index + 1;
            }
        }
        out.extend_from_slice(&bytes[start..]);
    }
}

/// Appends a value as a field of LOAD DATA.
pub fn push_field(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        None => out.extend_from_slice(b"\\N"),
        Some(bytes) => Escapes::LOAD.push(out, bytes),
    }
}

/// A column of a table whose rows may have large values.
#[derive(Debug, Clone)]
pub struct LoadColumn {
    /// The name as a statement writes it.
    pub name: String,
    /// The expression that reads its value.
    pub select: String,
    /// Its type takes large values.
    pub may_be_large: bool,
}

/// The list of values with large ones left out, followed by the lengths of those; 0 for a value that is not large.
#[must_use]
pub fn select_list(columns: &[LoadColumn]) -> String {
    let values = columns.iter().map(|column| match column.may_be_large {
        true => format!("IF(LENGTH({0})>{LARGE},NULL,{1})", column.name, column.select),
        false => column.select.clone(),
    });
    let large = columns.iter().filter(|column| column.may_be_large);
    let lengths = large.map(|column| format!("IF(LENGTH({0})>{LARGE},LENGTH({0}),0)", column.name));
    values.chain(lengths).collect::<Vec<_>>().join(",")
}

/// Whether a row that was read with [`select_list`] has a large value, which was left out.
///
/// # Errors
/// The row was read with another list.
pub fn has_large(row: &MySqlRow, columns: &[LoadColumn]) -> Result<bool, sqlx::Error> {
    Ok(lengths(row, columns)?.into_iter().any(|length| length > 0))
}

/// The length of each column's value where it is large, else 0.
fn lengths(row: &MySqlRow, columns: &[LoadColumn]) -> Result<Vec<u64>, sqlx::Error> {
    let mut place = columns.len();
    let length = |column: &LoadColumn| {
        if !column.may_be_large {
            return Ok(0);
        }
        // NULL has no length.
        let shown: Option<&[u8]> = row.try_get_unchecked(place)?;
        place += 1;
        Ok(String::from_utf8_lossy(shown.unwrap_or_default())
            .parse()
            .unwrap_or(0))
    };
    columns.iter().map(length).collect()
}

#[derive(Debug)]
enum Part {
    Text(Vec<u8>),
    Value(Pieces),
}

/// A row on its way, as a line for LOAD DATA.
#[derive(Debug)]
pub struct LoadRow {
    parts: VecDeque<Part>,
}

impl LoadRow {
    /// Reads all values of the row but the large ones. `place` is the FROM and WHERE that name it.
    ///
    /// # Errors
    /// [`PieceError`]; also when there is no such row, or there are several.
    pub async fn begin(
        reader: &mut MySqlConnection,
        columns: &[LoadColumn],
        place: &str,
    ) -> Result<Self, PieceError> {
        let sql = format!("SELECT {} {place}", select_list(columns));
        let rows = raw_sql(AssertSqlSafe(sql)).fetch_all(reader).await?;
        let [row] = rows.as_slice() else {
            return Err(PieceError::Changed);
        };
        let mut parts = VecDeque::new();
        let mut text = Vec::new();
        for (index, (column, length)) in columns.iter().zip(lengths(row, columns)?).enumerate() {
            if index > 0 {
                text.push(b'\t');
            }
            if length == 0 {
                push_field(&mut text, row.try_get_unchecked(index)?);
                continue;
            }
            parts.push_back(Part::Text(std::mem::take(&mut text)));
            // Counted in bytes, whatever its character set.
            let bytes = format!("CAST({} AS BINARY)", column.name);
            parts.push_back(Part::Value(Pieces::new(bytes, place.to_owned(), length)));
        }
        text.push(b'\n');
        parts.push_back(Part::Text(text));
        Ok(LoadRow { parts })
    }

    /// The next text of the line; `None` when all of it was read.
    ///
    /// # Errors
    /// [`PieceError`].
    pub async fn next(&mut self, reader: &mut MySqlConnection) -> Result<Option<Vec<u8>>, PieceError> {
        while let Some(part) = self.parts.pop_front() {
            match part {
                Part::Text(text) => return Ok(Some(text)),
                Part::Value(mut value) => {
                    if let Some(piece) = value.next_of_mysql(reader).await? {
                        self.parts.push_front(Part::Value(value));
                        let mut text = Vec::with_capacity(piece.len());
                        push_field(&mut text, Some(&piece));
                        return Ok(Some(text));
                    }
                }
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_when_special_then_escaped_and_all_others_kept() {
        let mut out = Vec::new();
        push_field(&mut out, Some(b"a\tb\nc\\d\0e\x08'\xff"));
        assert_eq!(out, b"a\\tb\\nc\\\\d\\0e\x08'\xff");
        out.clear();
        push_field(&mut out, None);
        push_field(&mut out, Some(b""));
        assert_eq!(out, b"\\N");
    }

    #[test]
    fn list_when_a_column_may_be_large_then_its_length_follows() {
        let column = |name: &str, may_be_large| LoadColumn {
            name: format!("`{name}`"),
            select: format!("`{name}`+0"),
            may_be_large,
        };
        assert_eq!(
            select_list(&[column("a", true), column("b", false)]),
            "IF(LENGTH(`a`)>8388608,NULL,`a`+0),`b`+0,IF(LENGTH(`a`)>8388608,LENGTH(`a`),0)"
        );
    }
}
