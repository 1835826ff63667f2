//! The engine's SQL for comparing, chosen once per pass.

use futures::StreamExt as _;
use futures::stream::BoxStream;

use crate::DeltaError;
use crate::entry::{Entry, Shape};
use crate::layout::{Layout, Selection, Sums};
use crate::session::{Session, number, text};
use crate::table::Table;
use crate::{mysql, postgres};

/// Engine and the way rows are hashed; both sides use the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// With the CRC32C function, or without.
    MySql { crc32c: bool },
    /// With the hash of records, or of their text.
    Postgres(postgres::catalog::Method),
}

impl Dialect {
    fn sums_sql(self, table: &Table, layout: Layout, selection: &Selection) -> String {
        match self {
            Dialect::MySql { crc32c } => mysql::sql::sums(table, layout, selection, crc32c),
            Dialect::Postgres(method) => postgres::sql::sums(table, layout, selection, method),
        }
    }

    fn entries_sql(self, table: &Table, layout: Layout, selection: &Selection) -> String {
        match self {
            Dialect::MySql { .. } => mysql::sql::entries(table, layout, selection),
            Dialect::Postgres(method) => postgres::sql::entries(table, layout, selection, method),
        }
    }

    fn bounds_sql(self, table: &Table) -> Option<String> {
        match self {
            Dialect::MySql { .. } => mysql::sql::bounds(table),
            Dialect::Postgres(_) => postgres::sql::bounds(table),
        }
    }

    /// Rows and sum of hashes of each chunk of the selection.
    pub(crate) async fn sums(
        self,
        session: &mut Session,
        table: &Table,
        layout: Layout,
        selection: &Selection,
    ) -> Result<Sums, DeltaError> {
        let what = format!("hashing table `{}`", table.label);
        let label = session.label().to_owned();
        let mut rows = session.stream(what.as_str(), self.sums_sql(table, layout, selection));
        let mut sums = Sums::new();
        while let Some(row) = rows.next().await.transpose()? {
            let chunk = text(&row, 0).parse();
            let chunk = chunk.map_err(|error| DeltaError::statement(&what, &label, error))?;
            let count: u64 = number(&row, 1);
            // A table without rows is a chunk without rows, and the same as no chunk.
            if count > 0 {
                sums.insert(chunk, (count, text(&row, 2)));
            }
        }
        Ok(sums)
    }

    /// The entries of the selection, in their order.
    pub(crate) fn entries<'a>(
        self,
        session: &'a mut Session,
        table: &Table,
        layout: Layout,
        selection: &Selection,
    ) -> BoxStream<'a, Result<Entry, DeltaError>> {
        let shape = Shape::of(table);
        let what = format!("reading the hashes of table `{}`", table.label);
        let label = session.label().to_owned();
        let sql = self.entries_sql(table, layout, selection);
        let rows = session.stream(what.as_str(), sql);
        rows.map(move |row| {
            let wrong = || DeltaError::statement(&what, &label, "the answer has an unexpected form");
            shape.entry(&row?).ok_or_else(wrong)
        })
        .boxed()
    }

    /// Smallest and largest value of the column by which the table is cut into ranges, if it has one and rows.
    pub(crate) async fn bounds(
        self,
        session: &mut Session,
        table: &Table,
    ) -> Result<Option<(i128, i128)>, DeltaError> {
        let Some(sql) = self.bounds_sql(table) else {
            return Ok(None);
        };
        let found = session.rows("asking for the range of a key", sql).await?;
        let row = found.first().cloned().unwrap_or_default();
        Ok(text(&row, 0).parse().ok().zip(text(&row, 1).parse().ok()))
    }
}
