//! What a row is for a comparison: the tables of a database as the server's catalog lists them, and the SQL
//! expressions that hash a row and sum the hashes of many.
//!
//! The expressions are made for sessions prepared with [`session`]; in other sessions a date or a float could
//! have another text. Generated columns are not hashed: they follow from the others.

mod shape;

pub use shape::{ColumnShape, KeyShape, TableShape};

use cutover_database::{Engine, Target};

use crate::{CopyError, CopyOptions, mysql, postgres};

/// Every table that holds rows, in the order of names, but for those that `options` skip.
///
/// # Errors
/// When the catalog cannot be read, or holds a table that cannot be copied faithfully.
pub async fn catalog(target: &Target, options: &CopyOptions) -> Result<Vec<TableShape>, CopyError> {
    match target.engine {
        Engine::MySql => Box::pin(mysql::shapes(target, options)).await,
        Engine::Postgres => Box::pin(postgres::shapes(target, options)).await,
    }
}

/// Statements that give a session the text forms on which the hashes rely; those that fail on an older server
/// concern settings which it does not have and may be left out.
#[must_use]
pub fn session(engine: Engine) -> &'static [&'static str] {
    match engine {
        Engine::MySql => mysql::SESSION,
        Engine::Postgres => postgres::SESSION,
    }
}

/// SQL expression of a row's 64-bit hash, the same value on every side for rows that are alike.
///
/// It names the columns without qualification. MySQL gives a `BIGINT UNSIGNED`, PostgreSQL a `bigint`. The
/// fastest way that all the given sides have in common is taken; `None` when their columns differ.
#[must_use]
pub fn row_hash(sides: &[&TableShape]) -> Option<String> {
    let (first, others) = sides.split_first()?;
    if others.iter().any(|other| !first.has_columns_of(other)) {
        return None;
    }
    let record = sides.iter().all(|side| side.record_hash)
        && others
            .iter()
            .all(|other| other.server_version == first.server_version);
    Some(hash(first, record))
}

/// Hash of a row where only servers of one version are compared.
pub(crate) fn own_hash(table: &TableShape) -> String {
    hash(table, table.record_hash)
}

fn hash(first: &TableShape, record: bool) -> String {
    match first.engine {
        Engine::MySql => format!("CAST(CONV(LEFT({}, 16), 16, 10) AS UNSIGNED)", first.md5()),
        Engine::Postgres if record => format!("hash_record_extended({}, 0)", first.record()),
        Engine::Postgres => format!(
            "hashtextextended({}::text COLLATE pg_catalog.\"C\", 0)",
            first.record()
        ),
    }
}

/// SQL expression, over many rows, of their number and the sum of their hashes as one text: independent of
/// the order, and rows that are alike count each. `None` when the sides' columns differ.
#[must_use]
pub fn checksum(sides: &[&TableShape]) -> Option<String> {
    let hash = row_hash(sides)?;
    Some(match sides.first()?.engine {
        Engine::MySql => format!("CONCAT(COUNT(*), ':', COALESCE(SUM({hash}), 0))"),
        Engine::Postgres => format!("count(*) || ':' || coalesce(sum({hash}::numeric), 0)"),
    })
}
