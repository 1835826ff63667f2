//! PostgreSQL's SQL for sums, entries, and rows named by key.

use cutover_database::pieces::LARGE;

use super::catalog::Method;
use crate::entry::Shape;
use crate::layout::{Layout, Selection};
use crate::spool::Wanted;
use crate::table::{Column, Literal, Table};

/// `name` quoted as an identifier.
pub(crate) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `text` as a string literal; standard_conforming_strings is on.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Sorted by byte, whatever the database's collation.
const BYTES: &str = "COLLATE pg_catalog.\"C\"";

fn record(table: &Table) -> String {
    let pieces: Vec<&str> = table
        .columns
        .iter()
        .map(|column| column.row_digest.as_str())
        .collect();
    format!("ROW({})", pieces.join(","))
}

fn number(table: &Table, method: Method) -> String {
    let record = record(table);
    match method {
        Method::Record => format!("hash_record_extended({record},0)"),
        Method::Text => format!("('x'||left(md5({record}::text),16))::bit(64)::int8"),
    }
}

/// 128 bits of a row's values, in hexadecimal.
pub(crate) fn row_hash(table: &Table, method: Method) -> String {
    let record = record(table);
    match method {
        Method::Record => format!(
            "(lpad(to_hex(hash_record_extended({record},0)),16,'0')||\
              lpad(to_hex(hash_record_extended({record},1)),16,'0'))"
        ),
        Method::Text => format!("md5({record}::text)"),
    }
}

/// MD5 of the key's text.
fn key_digest(table: &Table) -> String {
    let pieces: Vec<String> = table
        .key_columns()
        .map(|column| format!("{}::text", column.quoted))
        .collect();
    format!("md5(ROW({})::text)", pieces.join(","))
}

fn chunk(table: &Table, layout: Layout, method: Method) -> String {
    match (layout, table.range_column()) {
        (Layout::Whole, _) | (Layout::Ranges { .. }, None) => "0".to_owned(),
        (Layout::Ranges { width }, Some(column)) => format!("{}::int8/{width}", column.quoted),
        (Layout::Buckets(count), _) if table.keyless() => {
            format!("({}&9223372036854775807)%{count}", number(table, method))
        }
        (Layout::Buckets(count), _) => {
            format!("('x'||left({},8))::bit(32)::int8%{count}", key_digest(table))
        }
    }
}

/// Chunk, rows and sum of every chunk of the selection.
pub(crate) fn sums(table: &Table, layout: Layout, selection: &Selection, method: Method) -> String {
    let (hash, source) = (number(table, method), &table.source);
    let condition = condition(table, layout, selection, method);
    match layout {
        Layout::Whole => format!("SELECT '0',count(*)::text,sum({hash})::text FROM {source}{condition}"),
        Layout::Ranges { .. } | Layout::Buckets(_) => format!(
            "SELECT ({})::text,count(*)::text,sum({hash})::text FROM {source}{condition} GROUP BY 1",
            chunk(table, layout, method)
        ),
    }
}

fn condition(table: &Table, layout: Layout, selection: &Selection, method: Method) -> String {
    match (selection, table.range_column()) {
        (Selection::All, _) | (Selection::Ranges(_), None) => String::new(),
        (Selection::Ranges(ranges), Some(column)) => {
            let bound = |value: &i128| (*value).clamp(i128::from(i64::MIN), i128::from(i64::MAX));
            let parts = ranges.iter().map(|(low, high)| {
                format!(
                    "{} BETWEEN ('{}')::int8 AND ('{}')::int8",
                    column.quoted,
                    bound(low),
                    bound(high)
                )
            });
            format!(" WHERE {}", parts.collect::<Vec<_>>().join(" OR "))
        }
        (Selection::Buckets(buckets), _) => {
            let numbers: Vec<String> = buckets.iter().map(i128::to_string).collect();
            format!(
                " WHERE {} = ANY('{{{}}}'::int8[])",
                chunk(table, layout, method),
                numbers.join(",")
            )
        }
    }
}

/// The entries of a selection in their order, in the form that `Shape::of` reads.
pub(crate) fn entries(table: &Table, layout: Layout, selection: &Selection, method: Method) -> String {
    let (hash, source) = (row_hash(table, method), &table.source);
    let condition = condition(table, layout, selection, method);
    let keys: Vec<String> = table
        .key_columns()
        .map(|column| format!("{}::text", column.quoted))
        .collect();
    // Qualified: a bare name would be that of the text in the list.
    let order: Vec<String> = table
        .key_columns()
        .map(|column| format!("r.{}", column.quoted))
        .collect();
    let (keys, order) = (keys.join(","), order.join(","));
    match Shape::of(table) {
        Shape::Integers(_) => format!("SELECT {keys},{hash} FROM {source} AS r{condition} ORDER BY {order}"),
        Shape::Digest(_) => {
            let digest = key_digest(table);
            format!("SELECT {digest},{keys},{hash} FROM {source}{condition} ORDER BY {digest} {BYTES}")
        }
        Shape::Keyless => format!(
            "SELECT h,count(*)::text FROM (SELECT {hash} {BYTES} AS h FROM {source}{condition}) x GROUP BY h ORDER BY h"
        ),
    }
}

/// Smallest and largest value of the column by which the table is cut into ranges.
pub(crate) fn bounds(table: &Table) -> Option<String> {
    let key = &table.range_column()?.quoted;
    Some(format!(
        "SELECT min({key})::text,max({key})::text FROM {}",
        table.source
    ))
}

/// An array literal of these values.
fn array<'a>(values: impl Iterator<Item = &'a [u8]>) -> String {
    let quoted = values.map(|value| {
        let shown = String::from_utf8_lossy(value);
        format!("\"{}\"", shown.replace('\\', "\\\\").replace('"', "\\\""))
    });
    literal(&format!("{{{}}}", quoted.collect::<Vec<_>>().join(",")))
}

/// The keys as a table `v` of columns `c0`, `c1`, … in the types of the key.
pub(crate) fn keys(columns: &[&Column], wanted: &[Wanted]) -> String {
    let names =
        |prefix: &str| -> Vec<String> { (0..columns.len()).map(|i| format!("{prefix}{i}")).collect() };
    let cast = columns
        .iter()
        .zip(names("u"))
        .map(|(column, name)| match &column.literal {
            Some(Literal::Cast(to)) => format!("{name}::{to}"),
            Some(Literal::Number | Literal::Quoted | Literal::Bytes(_)) | None => name,
        });
    let cast: Vec<String> = cast
        .zip(names("c"))
        .map(|(value, name)| format!("{value} AS {name}"))
        .collect();
    let arrays: Vec<String> = (0..columns.len())
        .map(|index| {
            let values = wanted
                .iter()
                .filter_map(|one| one.key.get(index).map(Vec::as_slice));
            format!("{}::text[]", array(values))
        })
        .collect();
    format!(
        "(SELECT {} FROM unnest({}) AS u({})) AS v",
        cast.join(","),
        arrays.join(","),
        names("u").join(",")
    )
}

/// `r` and `v` have the same key.
pub(crate) fn matched(columns: &[&Column]) -> String {
    let pairs = columns.iter().enumerate();
    let parts: Vec<String> = pairs
        .map(|(index, column)| format!("r.{}=v.c{index}", column.quoted))
        .collect();
    parts.join(" AND ")
}

/// The hashes as a table `v` of columns `h`, and `m`, how many rows are meant.
fn hashes(wanted: &[Wanted]) -> String {
    let counts: Vec<String> = wanted.iter().map(|one| one.count.to_string()).collect();
    let values = wanted.iter().filter_map(|one| one.key.first().map(Vec::as_slice));
    format!(
        "unnest({}::text[],'{{{}}}'::int8[]) AS v(h,m)",
        array(values),
        counts.join(",")
    )
}

/// Deletes the rows that are named.
pub(crate) fn delete(table: &Table, wanted: &[Wanted], method: Method) -> String {
    if table.keyless() {
        return format!(
            "DELETE FROM {source} WHERE ctid = ANY(ARRAY(SELECT x.ctid FROM \
               (SELECT ctid, {hash} AS h, row_number() OVER (PARTITION BY {hash}) AS n FROM {source}) x \
             JOIN {} ON x.h = v.h AND x.n <= v.m))",
            hashes(wanted),
            source = table.source,
            hash = row_hash(table, method),
        );
    }
    let columns: Vec<&Column> = table.key_columns().collect();
    format!(
        "DELETE FROM {} AS r USING {} WHERE {}",
        table.source,
        keys(&columns, wanted),
        matched(&columns)
    )
}

/// A query for the rows that are named.
pub(crate) fn select(table: &Table, wanted: &[Wanted], method: Method) -> String {
    let names = table.columns.iter().map(|column| format!("r.{}", column.quoted));
    format!(
        "SELECT {} {}",
        names.collect::<Vec<_>>().join(","),
        rows(table, wanted, method)
    )
}

/// [`select`] without rows that have large values.
pub(crate) fn select_others(table: &Table, wanted: &[Wanted], method: Method) -> String {
    let large = any_large(table);
    format!("{} WHERE ({large}) IS NOT TRUE", select(table, wanted, method))
}

/// A query for the rows among those named that have large values: where each lies, and the length of each value that
/// may be large.
pub(crate) fn select_large(table: &Table, wanted: &[Wanted], method: Method) -> Option<String> {
    let lengths: Vec<String> = lengths(table).map(|length| format!("({length})::text")).collect();
    (!lengths.is_empty()).then(|| {
        format!(
            "SELECT r.ctid::text,{} {} WHERE {}",
            lengths.join(","),
            rows(table, wanted, method),
            any_large(table)
        )
    })
}

fn lengths(table: &Table) -> impl Iterator<Item = String> {
    let columns = table.columns.iter();
    columns.filter_map(|column| Some(column.cut?.length(&format!("r.{}", column.quoted))))
}

fn any_large(table: &Table) -> String {
    let parts: Vec<String> = lengths(table).map(|length| format!("{length}>{LARGE}")).collect();
    parts.join(" OR ")
}

/// The rows that are named, as `r`.
fn rows(table: &Table, wanted: &[Wanted], method: Method) -> String {
    if table.keyless() {
        // The outer names are far from what a column is called.
        return format!(
            "FROM (SELECT q.*, q.ctid, {hash} AS \"cutover: hash\", \
               row_number() OVER (PARTITION BY {hash}) AS \"cutover: number\" FROM {} AS q) r \
             JOIN {} ON r.\"cutover: hash\" = v.h AND r.\"cutover: number\" <= v.m",
            table.source,
            hashes(wanted),
            hash = row_hash(table, method),
        );
    }
    let columns: Vec<&Column> = table.key_columns().collect();
    format!(
        "FROM {} AS r JOIN {} ON {}",
        table.source,
        keys(&columns, wanted),
        matched(&columns)
    )
}

/// A query for what names a row, followed by its values; of rows that are alike each comes.
pub(crate) fn values(table: &Table, wanted: &[Wanted], method: Method) -> String {
    let list: Vec<String> = table
        .columns
        .iter()
        .map(|column| format!("r.{}", column.quoted))
        .collect();
    let list = list.join(",");
    let columns: Vec<&Column> = table.key_columns().collect();
    if columns.is_empty() {
        let hash = row_hash(table, method);
        let hashes = array(wanted.iter().filter_map(|one| one.key.first().map(Vec::as_slice)));
        return format!(
            "SELECT {hash},{list} FROM {} AS r WHERE {hash} = ANY({hashes}::text[])",
            table.source
        );
    }
    let names: Vec<String> = columns
        .iter()
        .map(|column| format!("r.{}::text", column.quoted))
        .collect();
    format!(
        "SELECT {},{list} FROM {} AS r JOIN {} ON {}",
        names.join(","),
        table.source,
        keys(&columns, wanted),
        matched(&columns)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn array_when_values_hold_quotes_then_they_cannot_end_it() {
        let values: [&[u8]; 3] = [b"a'b", b"\"\\", b""];
        assert_eq!(array(values.into_iter()), r#"'{"a''b","\"\\",""}'"#);
    }
}
