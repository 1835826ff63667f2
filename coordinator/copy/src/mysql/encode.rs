//! Rows as LOAD DATA text and as INSERT values.

use sqlx::mysql::MySqlRow;

use super::columns::Column;
use super::session::value;

/// The text a loader takes.
#[derive(Debug, Clone)]
pub(crate) enum Format {
    /// Fields ended by TAB, lines by LF, escapes by backslash.
    Load,
    /// `(…),(…)`; holds what stands around each value.
    Insert(Vec<(&'static str, &'static str)>),
}

impl Format {
    pub(crate) fn insert(columns: &[Column]) -> Self {
        let around = columns
            .iter()
            .map(|column| column.codec.around().unwrap_or_default());
        Format::Insert(around.collect())
    }
}

/// Appends a piece of a field of a line for LOAD DATA.
pub(crate) fn push_field(out: &mut Vec<u8>, piece: &[u8]) {
    escape(out, piece, &LOAD_ESCAPES);
}

/// Appends one row of an INSERT; `first` when nothing precedes it in the same statement.
pub(crate) fn push_tuple(
    out: &mut Vec<u8>,
    row: &MySqlRow,
    around: &[(&str, &str)],
    first: bool,
) -> Result<(), sqlx::Error> {
    out.extend_from_slice(if first { b"(" } else { b",(" });
    for (index, (before, after)) in around.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let Some(bytes) = value(row, index)? else {
            out.extend_from_slice(b"NULL");
            continue;
        };
        out.extend_from_slice(before.as_bytes());
        out.push(b'\'');
        escape(out, bytes, &QUOTE_ESCAPES);
        out.push(b'\'');
        out.extend_from_slice(after.as_bytes());
    }
    out.push(b')');
    Ok(())
}

/// For each byte what follows the backslash, or 0 for a byte that stands for itself.
type Escapes = [u8; 256];

const LOAD_ESCAPES: Escapes = escapes(&[(b'\t', b't'), (b'\n', b'n'), (b'\\', b'\\'), (0, b'0')]);
const QUOTE_ESCAPES: Escapes = escapes(&[(b'\'', b'\''), (b'\\', b'\\'), (0, b'0')]);

const fn escapes(pairs: &[(u8, u8)]) -> Escapes {
    let mut table = [0; 256];
    let mut index = 0;
    while index < pairs.len() {
        table[pairs[index].0 as usize] = pairs[index].1;
        index += 1;
    }
    table
}

fn escape(out: &mut Vec<u8>, bytes: &[u8], table: &Escapes) {
    let mut start = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        let letter = table[byte as usize];
        if letter != 0 {
            out.extend_from_slice(&bytes[start..index]);
            out.extend_from_slice(&[b'\\', letter]);
            start = index + 1;
        }
    }
    out.extend_from_slice(&bytes[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_when_special_then_escaped_and_all_others_kept() {
        let mut out = Vec::new();
        escape(&mut out, b"a\tb\nc\\d\0e\x08'\xff", &LOAD_ESCAPES);
        assert_eq!(out, b"a\\tb\\nc\\\\d\\0e\x08'\xff");
        out.clear();
        escape(&mut out, b"it's \\ \n \0", &QUOTE_ESCAPES);
        assert_eq!(out, b"it\\'s \\\\ \n \\0");
    }
}
