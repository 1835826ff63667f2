//! Rows with values too large to be held: they are left out of the stream of their table and follow it piece by piece, in
//! the reader's snapshot. Tables without a key are not treated so, as each piece would cost a reading of all their rows, nor
//! are those of engines without snapshots.

use cutover_database::pieces::{self, LoadColumn, LoadRow, PieceError};
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
    columns: Vec<LoadColumn>,
}

impl<'a> Large<'a> {
    pub(super) fn of(table: &'a Table) -> Option<Self> {
        let columns = table.columns.iter().map(|column| LoadColumn {
            name: column.quoted.clone(),
            select: column.select.clone(),
            may_be_large: column.cut.is_some(),
        });
        let columns: Vec<LoadColumn> = columns.collect();
        let any = columns.iter().any(|column| column.may_be_large);
        (any && !table.keyless() && table.transactional).then_some(Large { table, columns })
    }

    /// The list of values with large ones left out.
    pub(super) fn select_list(&self) -> String {
        pieces::select_list(&self.columns)
    }

    /// Where to find the row again when it was left out: the FROM and WHERE that name it.
    pub(super) fn left_out(&self, row: &MySqlRow) -> Result<Option<String>, sqlx::Error> {
        if !pieces::has_large(row, &self.columns)? {
            return Ok(None);
        }
        let mut key = Vec::new();
        for index in &self.table.key {
            key.push(mysql_value(row, *index)?.unwrap_or_default().to_vec());
        }
        let wanted = Wanted { key, count: 1, of: 1 };
        let condition = named(self.table, &[wanted]);
        Ok(Some(format!("FROM {} WHERE {condition}", self.table.source)))
    }

    /// Sends one row as a line for LOAD DATA.
    pub(super) async fn send(
        &self,
        production: &mut Session,
        place: &str,
        sink: &mut Sink<'_>,
    ) -> Result<(), DeltaError> {
        let what = format!("reading a large row of table `{}`", self.table.label);
        let label = production.label().to_owned();
        let failed = |error: PieceError| DeltaError::statement(what.as_str(), &label, error);
        let conn = production.mysql().ok_or_else(|| failed(PieceError::Changed))?;
        let mut line = LoadRow::begin(conn, &self.columns, place).await.map_err(failed)?;
        while let Some(text) = line.next(conn).await.map_err(failed)? {
            sink.text(&text).await;
        }
        Ok(())
    }
}
