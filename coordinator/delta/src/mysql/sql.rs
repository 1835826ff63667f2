//! MySQL's SQL for sums, entries, and rows named by key.

use crate::entry::Shape;
use crate::layout::{Layout, Selection};
use crate::spool::Wanted;
use crate::table::{Literal, Table};

/// `name` quoted as an identifier.
pub(crate) fn ident(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Bytes as a literal that no sql_mode can read otherwise.
pub(crate) fn literal(bytes: &[u8]) -> String {
    format!("X'{}'", hex::encode(bytes))
}

fn text(table: &Table, sum: bool) -> String {
    let pieces = table.columns.iter().map(|column| match sum {
        true => column.sum_digest.as_str(),
        false => column.row_digest.as_str(),
    });
    format!("CONCAT_WS(',',{})", pieces.collect::<Vec<_>>().join(","))
}

/// 128 bits of a row's values, in hexadecimal.
pub(crate) fn row_hash(table: &Table) -> String {
    format!("MD5({})", text(table, false))
}

/// A number from a row's values. A product of two checksums, as each alone is linear: sums of rows that swapped a
/// value would cancel.
fn sum_hash(table: &Table, crc32c: bool) -> String {
    let text = text(table, true);
    match crc32c {
        true => format!("CRC32({text})*CRC32C({text})"),
        false => format!("CAST(CONV(LEFT(MD5({text}),16),16,10) AS UNSIGNED)"),
    }
}

fn key_text(table: &Table) -> String {
    let pieces = table.key_columns().map(|column| column.row_digest.as_str());
    format!("CONCAT_WS(',',{})", pieces.collect::<Vec<_>>().join(","))
}

fn chunk(table: &Table, layout: Layout) -> String {
    match (layout, table.range_column()) {
        (Layout::Whole, _) | (Layout::Ranges { .. }, None) => "0".to_owned(),
        (Layout::Ranges { width }, Some(column)) => format!("{} DIV {width}", column.quoted),
        (Layout::Buckets(count), _) if table.keyless() => format!("CRC32({})%{count}", text(table, false)),
        (Layout::Buckets(count), _) => format!("CRC32({})%{count}", key_text(table)),
    }
}

/// Chunk, rows and sum of every chunk of the selection.
pub(crate) fn sums(table: &Table, layout: Layout, selection: &Selection, crc32c: bool) -> String {
    let (hash, source) = (sum_hash(table, crc32c), &table.source);
    let condition = condition(table, layout, selection);
    match layout {
        Layout::Whole => format!("SELECT 0,COUNT(*),SUM({hash}) FROM {source}{condition}"),
        Layout::Ranges { .. } | Layout::Buckets(_) => format!(
            "SELECT {},COUNT(*),SUM({hash}) FROM {source}{condition} GROUP BY 1 ORDER BY NULL",
            chunk(table, layout)
        ),
    }
}

fn condition(table: &Table, layout: Layout, selection: &Selection) -> String {
    match (selection, table.range_column()) {
        (Selection::All, _) | (Selection::Ranges(_), None) => String::new(),
        (Selection::Ranges(ranges), Some(column)) => {
            let parts = ranges
                .iter()
                .map(|(low, high)| format!("{} BETWEEN {low} AND {high}", column.quoted));
            format!(" WHERE {}", parts.collect::<Vec<_>>().join(" OR "))
        }
        (Selection::Buckets(buckets), _) => {
            let numbers: Vec<String> = buckets.iter().map(i128::to_string).collect();
            format!(" WHERE {} IN ({})", chunk(table, layout), numbers.join(","))
        }
    }
}

/// The entries of a selection in their order, in the form that `Shape::of` reads.
pub(crate) fn entries(table: &Table, layout: Layout, selection: &Selection) -> String {
    let (hash, source) = (row_hash(table), &table.source);
    let condition = condition(table, layout, selection);
    let keys: Vec<&str> = table.key_columns().map(|column| column.quoted.as_str()).collect();
    let keys = keys.join(",");
    match Shape::of(table) {
        Shape::Integers(_) => format!("SELECT {keys},{hash} FROM {source}{condition} ORDER BY {keys}"),
        Shape::Digest(_) => format!(
            "SELECT MD5({}),{keys},{hash} FROM {source}{condition} ORDER BY 1",
            key_text(table)
        ),
        Shape::Keyless => {
            format!("SELECT {hash},COUNT(*) FROM {source}{condition} GROUP BY 1 ORDER BY 1")
        }
    }
}

/// Smallest and largest value of the column by which the table is cut into ranges.
pub(crate) fn bounds(table: &Table) -> Option<String> {
    let key = &table.range_column()?.quoted;
    Some(format!("SELECT MIN({key}),MAX({key}) FROM {}", table.source))
}

/// A key's value as it is written in a condition; its own character set, so that an index can be used.
pub(crate) fn value(kind: Option<&Literal>, bytes: &[u8]) -> String {
    let shown = String::from_utf8_lossy(bytes);
    match kind {
        Some(Literal::Number) if is_number(bytes) => shown.into_owned(),
        Some(Literal::Bytes(Some(charset))) => format!("_{charset} {}", literal(bytes)),
        Some(Literal::Quoted) if is_time(bytes) => format!("'{shown}'"),
        Some(Literal::Number | Literal::Quoted | Literal::Bytes(None) | Literal::Cast(_)) | None => {
            literal(bytes)
        }
    }
}

fn is_number(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_digit() || b"-.".contains(byte))
}

fn is_time(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|byte| byte.is_ascii_digit() || b"-:. ".contains(byte))
}

/// The condition that exactly the rows of these keys meet.
pub(crate) fn named(table: &Table, wanted: &[Wanted]) -> String {
    let columns: Vec<_> = table.key_columns().collect();
    if let [column] = columns.as_slice() {
        let values = wanted
            .iter()
            .filter_map(|one| Some(value(column.literal.as_ref(), one.key.first()?)));
        return format!("{} IN ({})", column.quoted, values.collect::<Vec<_>>().join(","));
    }
    let row = |one: &Wanted| {
        let pairs = columns.iter().zip(&one.key);
        let parts: Vec<String> = pairs
            .map(|(column, bytes)| format!("{}={}", column.quoted, value(column.literal.as_ref(), bytes)))
            .collect();
        format!("({})", parts.join(" AND "))
    };
    wanted.iter().map(row).collect::<Vec<_>>().join(" OR ")
}

/// The condition that all rows of these hashes meet.
pub(crate) fn hashed(table: &Table, wanted: &[Wanted]) -> String {
    let hashes = wanted.iter().filter_map(|one| one.key.first());
    let hashes: Vec<String> = hashes
        .map(|hash| format!("'{}'", String::from_utf8_lossy(hash)))
        .collect();
    format!("{} IN ({})", row_hash(table), hashes.join(","))
}

/// A query for what names a row, followed by its values; of rows that are alike each comes.
pub(crate) fn values(table: &Table, wanted: &[Wanted]) -> String {
    let list: Vec<&str> = table
        .columns
        .iter()
        .map(|column| column.select.as_str())
        .collect();
    let keys: Vec<&str> = table.key_columns().map(|column| column.quoted.as_str()).collect();
    let (head, condition) = match table.keyless() {
        true => (row_hash(table), hashed(table, wanted)),
        false => (keys.join(","), named(table, wanted)),
    };
    format!(
        "SELECT {head},{} FROM {} WHERE {condition}",
        list.join(","),
        table.source
    )
}
