//! Rows with values too large to be held: they are left out of the stream of their table and follow it, each put
//! together in COPY's binary form from pieces, all in the reader's snapshot.

use cutover_database::Target;
use cutover_database::pieces::{CopyColumn, CopyRow, LARGE, PieceError, SMALLEST_TABLE};
use sqlx::postgres::PgConnection;

use super::catalog::Table;
use super::rows::Out;
use super::session::{ident, number, rows, text};
use crate::CopyError;

/// Rows of a table that have large values: where each lies, and the length of each such value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LargeRow {
    ctid: String,
    /// Place of the column and length of its value.
    values: Vec<(usize, u64)>,
}

fn lies_at(ctid: &str) -> String {
    format!("ctid = {}::tid", super::session::literal(ctid))
}

/// Columns that may hold large values, each with the expression of its length.
fn candidates(table: &Table) -> Vec<(usize, String)> {
    let columns = table.columns.iter().enumerate();
    columns
        .filter_map(|(index, column)| Some((index, table.cut.get(column)?.length(&ident(column)))))
        .collect()
}

/// The rows that have to be left out. A table that is too small for them is not asked.
pub(crate) async fn find(
    reader: &mut PgConnection,
    from: &Target,
    table: &Table,
) -> Result<Vec<LargeRow>, CopyError> {
    let columns = candidates(table);
    if columns.is_empty() || table.size < SMALLEST_TABLE {
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
    let failed = |error| match error {
        PieceError::Driver(error) => CopyError::statement(&what, from, error),
        PieceError::Changed => CopyError::local(&what, error),
    };
    let columns: Vec<CopyColumn> = table
        .columns
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let length = row.values.iter().find(|(large, _)| *large == index);
            let large = length.and_then(|(_, length)| Some((*table.cut.get(name)?, *length)));
            CopyColumn {
                name: ident(name),
                large,
            }
        })
        .collect();
    let place = format!("FROM ONLY {} WHERE {}", table.quoted(), lies_at(&row.ctid));
    let mut pieces = CopyRow::begin(reader, &columns, &place).await.map_err(failed)?;
    while let Some(bytes) = pieces.next(reader).await.map_err(failed)? {
        out.push(&bytes).await;
    }
    Ok(())
}
