//! Rows with values too large to be held: the stream of their table says where they are, and they follow it piece by
//! piece, all in the reader's snapshot.

use cutover_database::Target;
use cutover_database::pieces::{self, LARGE, LoadColumn, LoadRow, PieceError};
use sqlx::mysql::{MySqlConnection, MySqlRow};

use super::catalog::Table;
use super::columns::{Codec, Column};
use super::rows::Out;
use super::session::value;
use super::syntax::ident;
use crate::CopyError;

/// Types whose values are written in a statement as the server shows them; in quotes where they are no numbers.
const NUMBERS: [&str; 6] = ["tinyint", "smallint", "mediumint", "int", "bigint", "decimal"];
const QUOTED: [&str; 5] = ["date", "time", "datetime", "timestamp", "year"];
/// Types that take large values.
const LARGE_TYPES: [&str; 4] = ["mediumblob", "longblob", "mediumtext", "longtext"];

/// A key's value in a statement. Text keeps its own character set, so that the key's index serves.
fn literal(column: &Column, bytes: &[u8]) -> Option<String> {
    let shown = || String::from_utf8_lossy(bytes).into_owned();
    let hex = || format!("X'{}'", hex(bytes));
    let of = |types: &[&str]| types.contains(&column.data_type.as_str());
    match (&column.charset, column.codec) {
        (_, Codec::Plain) if of(&NUMBERS) => Some(shown()),
        (_, Codec::Plain) if of(&QUOTED) => Some(format!("'{}'", shown())),
        (Some(charset), Codec::Plain) if of(&["char", "varchar"]) => Some(format!("_{charset} {}", hex())),
        (None, Codec::Plain) if of(&["binary", "varbinary"]) => Some(hex()),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How rows with large values of a table are found again.
#[derive(Debug)]
pub(crate) struct Large<'a> {
    table: &'a Table,
    /// Places of the primary key's columns; none where no statement can name a row by them.
    key: Vec<usize>,
    /// All columns, of which some may hold large values.
    columns: Vec<LoadColumn>,
}

impl<'a> Large<'a> {
    /// For tables of some size. A row is found again by its primary key; without one that a statement can name, by its
    /// number where there are snapshots: every scan of one reads the rows in one order.
    pub(crate) fn of(table: &'a Table) -> Option<Self> {
        let columns = table.columns.iter().map(|column| LoadColumn {
            name: ident(&column.name),
            select: column.select(),
            may_be_large: LARGE_TYPES.contains(&column.data_type.as_str()),
        });
        let columns: Vec<LoadColumn> = columns.collect();
        let key = table.columns.iter().enumerate();
        let key: Vec<usize> = key
            .filter(|(_, column)| column.primary)
            .map(|(index, _)| index)
            .collect();
        let named = key
            .iter()
            .filter_map(|index| table.columns.get(*index))
            .all(|column| literal(column, b"").is_some());
        let key = if named && table.key_is_plain {
            key
        } else {
            Vec::new()
        };
        let found_again = !key.is_empty() || table.transactional();
        let any = columns.iter().any(|column| column.may_be_large);
        let worthwhile = found_again && any && table.size >= LARGE;
        worthwhile.then_some(Large { table, key, columns })
    }

    /// The list of values with large ones left out.
    pub(crate) fn select_list(&self) -> String {
        pieces::select_list(&self.columns)
    }

    /// Where to find the row again when it was left out: the FROM and WHERE that name it. `number` is that of the row in the
    /// scan.
    pub(crate) fn left_out(&self, row: &MySqlRow, number: u64) -> Result<Option<String>, sqlx::Error> {
        if !pieces::has_large(row, &self.columns)? {
            return Ok(None);
        }
        let table = ident(&self.table.name);
        if self.key.is_empty() {
            return Ok(Some(format!("FROM {table} LIMIT {number}, 1")));
        }
        let mut parts = Vec::new();
        for index in &self.key {
            let bytes = value(row, *index)?.unwrap_or_default();
            let column = self.table.columns.get(*index);
            let literal = column.and_then(|column| Some((ident(&column.name), literal(column, bytes)?)));
            parts.extend(literal.map(|(name, value)| format!("{name} = {value}")));
        }
        Ok(Some(format!("FROM {table} WHERE {}", parts.join(" AND "))))
    }

    /// Sends one row as a line for LOAD DATA. A key that is not unique, or that a collation folds, finds none or two rows,
    /// which is noticed.
    pub(super) async fn send(
        &self,
        reader: &mut MySqlConnection,
        from: &Target,
        place: &str,
        out: &mut Out<'_>,
    ) -> Result<(), CopyError> {
        let what = format!("reading a large row of table `{}`", self.table.name);
        let failed = |error| match error {
            PieceError::Driver(error) => CopyError::statement(&what, from, error),
            PieceError::Changed => CopyError::local(&what, error),
        };
        let mut line = LoadRow::begin(reader, &self.columns, place)
            .await
            .map_err(failed)?;
        while let Some(text) = line.next(reader).await.map_err(failed)? {
            out.text(&text).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_when_written_in_a_statement_then_as_its_type_wants_it() {
        let column = |data_type: &str, charset: Option<&str>| Column {
            name: "k".to_owned(),
            data_type: data_type.to_owned(),
            codec: Codec::of(data_type, true),
            auto_increment: false,
            primary: true,
            nullable: false,
            sql_type: data_type.to_owned(),
            charset: charset.map(str::to_owned),
            short: true,
        };
        let of = |data_type, charset, bytes: &[u8]| literal(&column(data_type, charset), bytes);
        assert_eq!(of("bigint", None, b"-7").as_deref(), Some("-7"));
        assert_eq!(
            of("datetime", None, b"2014-01-01 00:00:00").as_deref(),
            Some("'2014-01-01 00:00:00'")
        );
        assert_eq!(
            of("varchar", Some("latin1"), b"\xe9'").as_deref(),
            Some("_latin1 X'e927'")
        );
        assert_eq!(of("varbinary", None, b"\0x").as_deref(), Some("X'0078'"));
        for (data_type, charset) in [
            ("float", None),
            ("uuid", None),
            ("enum", Some("latin1")),
            ("bit", None),
        ] {
            assert_eq!(of(data_type, charset, b"1"), None, "{data_type}");
        }
    }
}
