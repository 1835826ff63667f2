//! Rows in words: named by their key where there is one; values are cut, and what may be secret is left out.

use std::collections::BTreeMap;

use cutover_database::Engine;

use super::{Found, ROWS};
use crate::rowhash::{ColumnShape, TableShape};

/// Characters of a value that are shown.
const WIDTH: u32 = 40;
/// Columns so named are never shown.
const SECRETS: [&str; 8] = [
    "password",
    "passwd",
    "secret",
    "salt",
    "token",
    "credential",
    "private",
    "hash",
];

/// Whether a column of this name may hold what nobody is to read: passwords, keys, tokens.
#[must_use]
pub fn may_be_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRETS.iter().any(|word| name.contains(word))
}

fn is_binary(column: &ColumnShape) -> bool {
    let kind = column.sql_type.to_lowercase();
    ["blob", "binary", "bytea", "geometry"]
        .iter()
        .any(|word| kind.contains(word))
}

/// The expression that reads what is shown of a column: cut inside the server, as a value may be large.
pub(super) fn shown(shape: &TableShape, column: &ColumnShape) -> String {
    let name = shape.quote(&column.name);
    let cut = WIDTH + 1;
    match (shape.engine, may_be_secret(&column.name), is_binary(column)) {
        (_, true, _) => "NULL".to_owned(),
        (Engine::MySql, false, true) => {
            format!("CONCAT('0x', HEX(LEFT({name}, 16)), '…', LENGTH({name}), ' bytes')")
        }
        (Engine::MySql, false, false) => format!("LEFT(CAST({name} AS CHAR), {cut})"),
        (Engine::Postgres, false, true) if column.sql_type == "bytea" => {
            format!("'0x' || encode(substr({name}, 1, 16), 'hex') || '…' || length({name}) || ' bytes'")
        }
        (Engine::Postgres, false, _) => format!("left({name}::text, {cut})"),
    }
}

/// The differing rows, the two sides of one key together.
pub(super) fn describe(
    shape: &TableShape,
    (more_a, more_b): (u64, u64),
    all: bool,
    rows_a: &[Found],
    rows_b: &[Found],
) -> String {
    let mut places: Vec<String> = Vec::new();
    match shape.key() {
        Some(key) => {
            let by_key = |rows: &[Found]| -> BTreeMap<String, Found> {
                rows.iter()
                    .map(|row| (key_text(shape, key, row), row.clone()))
                    .collect()
            };
            let (left, right) = (by_key(rows_a), by_key(rows_b));
            for (text, row) in &left {
                places.push(match right.get(text) {
                    Some(other) => format!("{text} differs{}", in_columns(shape, row, other)),
                    None => format!("{text} of the first as it is there is not in the second"),
                });
            }
            let new = right.keys().filter(|text| !left.contains_key(*text));
            places.extend(new.map(|text| format!("{text} of the second as it is there is not in the first")));
        }
        None => {
            for (side, rows) in [("first", rows_a), ("second", rows_b)] {
                places
                    .extend(rows.iter().map(|row| {
                        format!("{} more in the {side} of {}", row.surplus, row_text(shape, row))
                    }));
            }
        }
    }
    places.truncate(ROWS);
    let at_least = if all { "" } else { "at least " };
    format!(
        "{at_least}{more_a} row(s) only in the first, {at_least}{more_b} only in the second: {}",
        places.join("; ")
    )
}

fn cut(value: Option<&str>) -> String {
    let Some(value) = value else {
        return "NULL".to_owned();
    };
    let width = usize::try_from(WIDTH).unwrap_or(usize::MAX);
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut text: String = value.chars().take(width).map(clean).collect();
    if value.chars().count() > width {
        text.push('…');
    }
    text
}

fn named<'a>(
    shape: &'a TableShape,
    row: &'a Found,
) -> impl Iterator<Item = (&'a ColumnShape, Option<&'a str>)> {
    shape.stored().zip(row.values.iter().map(Option::as_deref))
}

fn key_text(shape: &TableShape, key: &[String], row: &Found) -> String {
    let part = |name: &String| {
        let value = named(shape, row).find(|(column, _)| column.name == *name);
        match value {
            Some((column, _)) if may_be_secret(&column.name) => {
                format!("{name} (not shown, row hash {})", row.hash)
            }
            Some((_, value)) => format!("{name} = {}", cut(value)),
            // A generated column is part of the key.
            None => format!("{name} (generated, row hash {})", row.hash),
        }
    };
    key.iter().map(part).collect::<Vec<_>>().join(", ")
}

fn row_text(shape: &TableShape, row: &Found) -> String {
    let part = |(column, value): (&ColumnShape, Option<&str>)| match may_be_secret(&column.name) {
        true => format!("{} not shown", column.name),
        false => format!("{} = {}", column.name, cut(value)),
    };
    let parts: Vec<String> = named(shape, row).map(part).collect();
    format!("the row with hash {} ({})", row.hash, parts.join(", "))
}

/// Columns whose shown part differs; a difference beyond it has no name.
fn in_columns(shape: &TableShape, row: &Found, other: &Found) -> String {
    let pairs = named(shape, row).zip(&other.values);
    let differing = pairs.filter(|((_, value), other)| *value != other.as_deref());
    let names: Vec<&str> = differing.map(|((column, _), _)| column.name.as_str()).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!(" in {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(key: &[&str]) -> TableShape {
        let column = |name: &str| ColumnShape {
            name: name.to_owned(),
            sql_type: "text".to_owned(),
            nullable: true,
            generated: false,
            digest: String::new(),
        };
        TableShape {
            engine: Engine::Postgres,
            schema: "public".to_owned(),
            name: "t".to_owned(),
            columns: ["id", "um_user_password", "name"].map(column).to_vec(),
            primary_key: key.iter().map(|name| (*name).to_owned()).collect(),
            unique_keys: Vec::new(),
            bytes: 0,
            server_version: String::new(),
            record_hash: false,
        }
    }

    fn row(hash: &str, values: [&str; 3]) -> Found {
        Found {
            hash: hash.to_owned(),
            surplus: 2,
            values: values.iter().map(|value| Some((*value).to_owned())).collect(),
        }
    }

    #[test]
    fn row_when_it_has_a_key_then_both_sides_are_one_place() {
        let (a, b) = (row("1", ["7", "x", "old"]), row("2", ["7", "x", "new"]));
        let text = describe(&shape(&["id"]), (1, 1), true, &[a], &[b]);
        assert!(text.ends_with("id = 7 differs in name"), "{text}");
    }

    #[test]
    fn row_when_without_key_then_shown_but_for_its_secrets() {
        let a = row("1", ["7", "planted-secret", &"long".repeat(50)]);
        let text = describe(&shape(&[]), (2, 0), false, &[a], &[]);
        assert!(
            text.contains("at least 2 row(s)") && text.contains("2 more in the first"),
            "{text}"
        );
        assert!(
            !text.contains("planted-secret") && text.contains("longlong") && text.len() < 300,
            "{text}"
        );
    }
}
