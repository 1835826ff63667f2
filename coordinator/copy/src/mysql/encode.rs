//! Rows as LOAD DATA text and as INSERT values.

use cutover_database::pieces::Escapes;
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
        QUOTED.push(out, bytes);
        out.push(b'\'');
        out.extend_from_slice(after.as_bytes());
    }
    out.push(b')');
    Ok(())
}

/// Those of a value in single quotes.
const QUOTED: Escapes = Escapes::new(&[(b'\'', b'\''), (b'\\', b'\\'), (0, b'0')]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_when_special_then_escaped_and_all_others_kept() {
        let mut out = Vec::new();
        QUOTED.push(&mut out, b"it's \\ \n \0");
        assert_eq!(out, b"it\\'s \\\\ \n \\0");
    }
}
