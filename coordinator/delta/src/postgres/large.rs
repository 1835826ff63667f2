//! Rows with values too large to be held: they are left out of the stream of their table and follow it, each put
//! together in COPY's binary form from pieces, in the reader's snapshot.

use cutover_database::pieces::{CopyColumn, CopyRow, LARGE, PieceError, SMALLEST_TABLE};
use tokio::sync::mpsc;

use super::load::{CHUNK, Part, Way, not_postgres};
use super::sql;
use crate::DeltaError;
use crate::session::{Row, Session, number, text};
use crate::spool::Wanted;
use crate::table::Table;

/// A row that has large values.
pub(super) struct LargeRow {
    /// The FROM and WHERE that name it.
    place: String,
    columns: Vec<CopyColumn>,
}

/// Those among the named rows. A table that is too small for them is not asked.
pub(super) async fn find(
    production: &mut Session,
    way: Way,
    table: &Table,
    wanted: &[Wanted],
) -> Result<Vec<LargeRow>, DeltaError> {
    if table.size < SMALLEST_TABLE {
        return Ok(Vec::new());
    }
    let Some(sql) = sql::select_large(table, wanted, way.method) else {
        return Ok(Vec::new());
    };
    let what = format!("looking for large values in table `{}`", table.label);
    let found = production.rows(&what, sql).await?;
    let row = |row: &Row| {
        let mut place = 0;
        let columns = table.columns.iter().map(|column| {
            let large = column.cut.and_then(|cut| {
                place += 1;
                let length = number(row, place);
                (length > LARGE).then_some((cut, length))
            });
            let name = column.quoted.clone();
            CopyColumn { name, large }
        });
        LargeRow {
            columns: columns.collect(),
            place: format!(
                "FROM {} WHERE ctid = {}::tid",
                table.source,
                sql::literal(&text(row, 0))
            ),
        }
    };
    Ok(found.iter().map(row).collect())
}

/// Sends one row, in COPY's binary form; how many bytes.
pub(super) async fn send(
    production: &mut Session,
    table: &Table,
    row: &LargeRow,
    sender: &mpsc::Sender<Part>,
) -> Result<u64, DeltaError> {
    let label = production.label().to_owned();
    let what = format!("reading a large row of table `{}`", table.label);
    let failed = |error: PieceError| DeltaError::statement(what.as_str(), &label, error);
    let conn = production.postgres().ok_or_else(not_postgres)?;
    let mut pieces = CopyRow::begin(conn, &row.columns, &row.place)
        .await
        .map_err(failed)?;
    let mut bytes = 0;
    while let Some(piece) = pieces.next(conn).await.map_err(failed)? {
        bytes += piece.len() as u64;
        for part in piece.chunks(CHUNK) {
            // A closed channel is not reported here: the writer knows why it closed it.
            if sender.send(Part::Rows(part.to_vec())).await.is_err() {
                return Ok(bytes);
            }
        }
    }
    Ok(bytes)
}
