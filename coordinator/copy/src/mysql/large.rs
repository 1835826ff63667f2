//! Rows with values too large to be held: the stream of their table says where they are, and they follow it piece by
//! piece, all in the reader's snapshot.

use cutover_database::Target;
use cutover_database::pieces::{LARGE, PieceError, Pieces};
use sqlx::mysql::{MySqlConnection, MySqlRow};

use super::catalog::Table;
use super::columns::{Codec, Column};
use super::rows::Out;
use super::session::{rows, value};
use super::syntax::ident;
use crate::CopyError;

/// Types whose values are written in a statement as the server shows them; in quotes where they are no numbers.
const NUMBERS: [&str; 6] = ["tinyint", "smallint", "mediumint", "int", "bigint", "decimal"];
const QUOTED: [&str; 5] = ["date", "time", "datetime", "timestamp", "year"];

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
    /// Places of the columns that may hold large values.
    values: Vec<usize>,
}

/// A row that was left out: its number in the scan, its key as a statement writes it, and the length of each value, 0 where
/// it is not large.
#[derive(Debug)]
pub(crate) struct LargeRow {
    number: u64,
    key: Vec<String>,
    lengths: Vec<u64>,
}

impl<'a> Large<'a> {
    /// For tables of some size. A row is found again by its primary key; without one that a statement can name, by its
    /// number where there are snapshots: every scan of one reads the rows in one order.
    pub(crate) fn of(table: &'a Table) -> Option<Self> {
        let places = |wanted: &dyn Fn(&Column) -> bool| -> Vec<usize> {
            let columns = table.columns.iter().enumerate();
            columns
                .filter(|(_, column)| wanted(column))
                .map(|(index, _)| index)
                .collect()
        };
        let key = places(&|column| column.primary);
        let values = places(&|column| {
            matches!(
                column.data_type.as_str(),
                "mediumblob" | "longblob" | "mediumtext" | "longtext"
            )
        });
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
        let worthwhile = found_again && !values.is_empty() && table.size >= LARGE;
        worthwhile.then_some(Large { table, key, values })
    }

    fn name(&self, index: usize) -> String {
        self.table
            .columns
            .get(index)
            .map(|column| ident(&column.name))
            .unwrap_or_default()
    }

    /// The list of values with large ones left out, followed by the lengths of those.
    pub(crate) fn select_list(&self) -> String {
        let columns = self.table.columns.iter().enumerate().map(|(index, column)| {
            let value = column.select();
            match self.values.contains(&index) {
                true => format!("IF(LENGTH({0}) > {LARGE}, NULL, {value})", self.name(index)),
                false => value,
            }
        });
        let lengths = self
            .values
            .iter()
            .map(|index| self.name(*index))
            .map(|name| format!("IF(LENGTH({name}) > {LARGE}, LENGTH({name}), 0)"));
        columns.chain(lengths).collect::<Vec<_>>().join(", ")
    }

    /// The row when it was left out.
    pub(crate) fn left_out(&self, row: &MySqlRow, number: u64) -> Result<Option<LargeRow>, sqlx::Error> {
        let text = |index: usize| -> Result<String, sqlx::Error> {
            Ok(String::from_utf8_lossy(value(row, index)?.unwrap_or_default()).into_owned())
        };
        let first = self.table.columns.len();
        let mut lengths = Vec::new();
        for number in 0..self.values.len() {
            lengths.push(text(first + number)?.parse().unwrap_or(0));
        }
        if lengths.iter().all(|length| *length == 0) {
            return Ok(None);
        }
        let mut key = Vec::new();
        for index in &self.key {
            let bytes = value(row, *index)?.unwrap_or_default();
            let column = self.table.columns.get(*index);
            key.extend(column.and_then(|column| literal(column, bytes)));
        }
        Ok(Some(LargeRow { number, key, lengths }))
    }

    fn found_by(&self, row: &LargeRow) -> String {
        if self.key.is_empty() {
            return format!("LIMIT {}, 1", row.number);
        }
        let parts: Vec<String> = self
            .key
            .iter()
            .zip(&row.key)
            .map(|(index, value)| format!("{} = {value}", self.name(*index)))
            .collect();
        format!("WHERE {}", parts.join(" AND "))
    }

    /// Sends one row as a line for LOAD DATA. A key that is not unique, or that a collation folds, finds none or two rows,
    /// which is noticed.
    pub(super) async fn send(
        &self,
        reader: &mut MySqlConnection,
        from: &Target,
        row: &LargeRow,
        out: &mut Out<'_>,
    ) -> Result<(), CopyError> {
        let what = format!("reading a large row of table `{}`", self.table.name);
        let odd = || CopyError::local(&what, "the row changed while it was read");
        let (table, place) = (ident(&self.table.name), self.found_by(row));
        let sql = format!("SELECT {} FROM {table} {place}", self.select_list());
        let found = rows(reader, from, &what, &sql).await?;
        let [small] = found.as_slice() else {
            return Err(odd());
        };
        for index in 0..self.table.columns.len() {
            out.next_field(index);
            let number = self.values.iter().position(|value| *value == index);
            let length = number
                .and_then(|number| row.lengths.get(number))
                .copied()
                .unwrap_or(0);
            if length == 0 {
                out.field(small.get(index).and_then(Option::as_deref)).await;
                continue;
            }
            // Counted in bytes, whatever its character set.
            let bytes = format!("CAST({} AS BINARY)", self.name(index));
            let mut pieces = Pieces::new(bytes, format!("FROM {table} {place}"), length);
            let failed = |error| match error {
                PieceError::Driver(error) => CopyError::statement(&what, from, error),
                PieceError::Changed => odd(),
            };
            while let Some(piece) = pieces.next_of_mysql(reader).await.map_err(failed)? {
                out.piece(&piece).await;
            }
        }
        out.end_line();
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
