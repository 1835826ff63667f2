//! Rows with values too large to be held: they are left out of the stream of their table and follow it piece by piece, in
//! the reader's snapshot. Tables without a key are not treated so, as each piece would cost a reading of all their rows, nor
//! are those of engines without snapshots.

use cutover_database::pieces::{LARGE, PieceError, Pieces};
use sqlx::mysql::MySqlRow;

use super::rows::Sink;
use super::sql::named;
use crate::DeltaError;
use crate::session::{Session, mysql_value};
use crate::spool::Wanted;
use crate::table::Table;

/// A table whose rows may hold large values.
pub(super) struct Large<'a> {
    table: &'a Table,
    /// Places of the columns that may hold them.
    values: Vec<usize>,
}

/// A row that was left out: the condition that names it, and the length of each value, 0 where it is not large.
pub(super) struct LargeRow {
    condition: String,
    lengths: Vec<u64>,
}

impl<'a> Large<'a> {
    pub(super) fn of(table: &'a Table) -> Option<Self> {
        let columns = table.columns.iter().enumerate();
        let values: Vec<usize> = columns
            .filter(|(_, column)| column.cut.is_some())
            .map(|(index, _)| index)
            .collect();
        let in_pieces = !values.is_empty() && !table.keyless() && table.transactional;
        in_pieces.then_some(Large { table, values })
    }

    fn name(&self, index: usize) -> &str {
        self.table
            .columns
            .get(index)
            .map_or("NULL", |column| column.quoted.as_str())
    }

    /// The list of values with large ones left out, followed by the lengths of those.
    pub(super) fn select_list(&self) -> String {
        let columns =
            self.table
                .columns
                .iter()
                .enumerate()
                .map(|(index, column)| match self.values.contains(&index) {
                    true => format!("IF(LENGTH({0})>{LARGE},NULL,{1})", column.quoted, column.select),
                    false => column.select.clone(),
                });
        let lengths = self
            .values
            .iter()
            .map(|index| self.name(*index))
            .map(|name| format!("IF(LENGTH({name})>{LARGE},LENGTH({name}),0)"));
        columns.chain(lengths).collect::<Vec<_>>().join(",")
    }

    /// The row when it was left out.
    pub(super) fn left_out(&self, row: &MySqlRow) -> Result<Option<LargeRow>, sqlx::Error> {
        let mut lengths = Vec::new();
        for number in 0..self.values.len() {
            let length = mysql_value(row, self.table.columns.len() + number)?.unwrap_or_default();
            lengths.push(String::from_utf8_lossy(length).parse().unwrap_or(0));
        }
        if lengths.iter().all(|length| *length == 0) {
            return Ok(None);
        }
        let mut key = Vec::new();
        for index in &self.table.key {
            key.push(mysql_value(row, *index)?.unwrap_or_default().to_vec());
        }
        let wanted = Wanted { key, count: 1, of: 1 };
        let condition = named(self.table, &[wanted]);
        Ok(Some(LargeRow { condition, lengths }))
    }

    /// Sends one row as a line for LOAD DATA.
    pub(super) async fn send(
        &self,
        production: &mut Session,
        row: &LargeRow,
        sink: &mut Sink<'_>,
    ) -> Result<(), DeltaError> {
        let what = format!("reading a large row of table `{}`", self.table.label);
        let label = production.label().to_owned();
        let failed = |error: PieceError| DeltaError::statement(what.as_str(), &label, error);
        let place = format!("FROM {} WHERE {}", self.table.source, row.condition);
        let sql = format!("SELECT {} {place}", self.select_list());
        let found = production.rows(&what, sql).await?;
        let [small] = found.as_slice() else {
            return Err(failed(PieceError::Changed));
        };
        for index in 0..self.table.columns.len() {
            let number = self.values.iter().position(|value| *value == index);
            let length = number.and_then(|number| row.lengths.get(number)).copied();
            let Some(length) = length.filter(|length| *length > 0) else {
                let value = small.get(index).and_then(Option::as_deref);
                sink.field(index > 0, value).await;
                continue;
            };
            sink.field(index > 0, Some(b"")).await;
            // Counted in bytes, whatever its character set.
            let bytes = format!("CAST({} AS BINARY)", self.name(index));
            let mut pieces = Pieces::new(bytes, place.clone(), length);
            let conn = production.mysql().ok_or_else(|| failed(PieceError::Changed))?;
            while let Some(piece) = pieces.next_of_mysql(conn).await.map_err(failed)? {
                sink.piece(&piece).await;
            }
        }
        sink.end_line().await;
        Ok(())
    }
}
