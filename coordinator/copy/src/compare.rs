//! The parts of a comparison that do not depend on the engine.

use std::collections::BTreeMap;

use crate::workers::Failure;
use crate::{CopyError, workers};

/// Row count and order-independent checksum of a table.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TableSum {
    /// Rows.
    pub rows: u64,
    /// Checksum over all rows; two rows that are alike count twice.
    pub checksum: String,
}

/// One table on both sides.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TableComparison {
    /// Table.
    pub name: String,
    /// Rows in the first database.
    pub rows_a: u64,
    /// Rows in the second.
    pub rows_b: u64,
    /// Checksum in the first database.
    pub checksum_a: String,
    /// Checksum in the second.
    pub checksum_b: String,
    /// Whether both agree.
    pub equal: bool,
}

/// Result of a comparison.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Comparison {
    /// Whether nothing differs.
    pub equal: bool,
    /// Tables that both sides have.
    pub tables: Vec<TableComparison>,
    /// Every difference in words, tables and rows included.
    pub differences: Vec<String>,
}

/// Next value of a sequence or of an AUTO_INCREMENT column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) next: i128,
    /// Runs towards smaller values.
    pub(crate) descending: bool,
    /// A position further on is a difference too, not only one behind.
    pub(crate) exact: bool,
}

/// What a database holds besides rows.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    /// Normalised definitions by kind and name.
    pub(crate) definitions: BTreeMap<(String, String), String>,
    pub(crate) positions: BTreeMap<String, Position>,
}

/// One side of a comparison, for messages.
pub(crate) struct Side<'a> {
    pub(crate) label: &'a str,
    pub(crate) inventory: &'a Inventory,
}

pub(crate) fn inventory_differences(a: &Side<'_>, b: &Side<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for ((kind, name), left) in &a.inventory.definitions {
        match b.inventory.definitions.get(&(kind.clone(), name.clone())) {
            None => found.push(format!(
                "{kind} `{name}` of {} is missing in {}",
                a.label, b.label
            )),
            Some(right) if left != right => found.push(defined_differently(kind, name, left, right)),
            Some(_) => {}
        }
    }
    for (kind, name) in b.inventory.definitions.keys() {
        if !a
            .inventory
            .definitions
            .contains_key(&(kind.clone(), name.clone()))
        {
            found.push(format!(
                "{kind} `{name}` of {} is missing in {}",
                b.label, a.label
            ));
        }
    }
    found.extend(position_differences(a, b));
    found
}

fn position_differences(a: &Side<'_>, b: &Side<'_>) -> Vec<String> {
    let differs = |name: &str, left: &Position| -> Option<String> {
        let right = b.inventory.positions.get(name)?;
        let behind = if left.descending {
            right.next > left.next
        } else {
            right.next < left.next
        };
        let ahead = left.exact && right.next != left.next;
        let word = if behind { "behind" } else { "ahead" };
        (behind || ahead).then(|| {
            format!(
                "{name} is {word} in {}: its next value is {} there and {} in {}",
                b.label, right.next, left.next, a.label
            )
        })
    };
    let positions = a.inventory.positions.iter();
    positions.filter_map(|(name, left)| differs(name, left)).collect()
}

fn defined_differently(kind: &str, name: &str, left: &str, right: &str) -> String {
    let mut others: Vec<&str> = right.lines().collect();
    let mut only_left = Vec::new();
    for line in left.lines() {
        match others.iter().position(|other| *other == line) {
            Some(index) => {
                others.remove(index);
            }
            None => only_left.push(line),
        }
    }
    format!(
        "{kind} `{name}` is defined differently: `{}` against `{}`",
        shorten(&only_left.join(" ")),
        shorten(&others.join(" "))
    )
}

fn shorten(text: &str) -> String {
    const LIMIT: usize = 300;
    let text = text.trim();
    if text.chars().count() <= LIMIT {
        return text.to_owned();
    }
    text.chars().take(LIMIT).chain("…".chars()).collect()
}

/// Puts the sums of both sides together, in the order of names.
pub(crate) fn pair(a: &BTreeMap<String, TableSum>, b: &BTreeMap<String, TableSum>) -> Vec<TableComparison> {
    let both = a
        .iter()
        .filter_map(|(name, left)| Some((name, left, b.get(name)?)));
    both.map(|(name, left, right)| TableComparison {
        name: name.clone(),
        rows_a: left.rows,
        rows_b: right.rows,
        checksum_a: left.checksum.clone(),
        checksum_b: right.checksum.clone(),
        equal: left == right,
    })
    .collect()
}

/// `place` says which rows differ.
pub(crate) fn row_difference(table: &TableComparison, place: Option<String>) -> String {
    let place = place.map(|place| format!(": {place}")).unwrap_or_default();
    if table.rows_a == table.rows_b {
        return format!(
            "table `{}`: {} rows on both sides, but not the same ones{place}",
            table.name, table.rows_a
        );
    }
    format!(
        "table `{}`: {} rows against {}{place}",
        table.name, table.rows_a, table.rows_b
    )
}

impl Comparison {
    pub(crate) fn new(tables: Vec<TableComparison>, differences: Vec<String>) -> Self {
        let equal = differences.is_empty() && tables.iter().all(|table| table.equal);
        Comparison {
            equal,
            tables,
            differences,
        }
    }
}

/// Sums of one side, computed by several connections.
pub(crate) async fn sums<W: workers::Worker<Output = (String, TableSum)>>(
    workers: Vec<W>,
    items: Vec<W::Item>,
    cancel: &tokio_util::sync::CancellationToken,
) -> Result<BTreeMap<String, TableSum>, CopyError> {
    let done = workers::run_all(workers, items, cancel).await;
    Ok(done.map_err(|Failure { error, .. }| error)?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(positions: &[(&str, i128)], definitions: &[(&str, &str)]) -> Inventory {
        Inventory {
            definitions: definitions
                .iter()
                .map(|(name, text)| (("table".to_owned(), (*name).to_owned()), (*text).to_owned()))
                .collect(),
            positions: positions
                .iter()
                .map(|(name, next)| {
                    let position = Position {
                        next: *next,
                        descending: false,
                        exact: false,
                    };
                    ((*name).to_owned(), position)
                })
                .collect(),
        }
    }

    fn differences(a: &Inventory, b: &Inventory) -> Vec<String> {
        let (a, b) = (
            Side {
                label: "A",
                inventory: a,
            },
            Side {
                label: "B",
                inventory: b,
            },
        );
        inventory_differences(&a, &b)
    }

    #[test]
    fn position_when_behind_then_named_and_when_ahead_then_not() {
        let a = side(&[("sequence `s`", 10), ("sequence `t`", 10)], &[]);
        let b = side(&[("sequence `s`", 9), ("sequence `t`", 11)], &[]);
        assert_eq!(
            differences(&a, &b),
            ["sequence `s` is behind in B: its next value is 9 there and 10 in A"]
        );
    }

    #[test]
    fn definition_when_missing_or_changed_then_named() {
        let a = side(&[], &[("gone", "x"), ("changed", "same\nold")]);
        let b = side(&[], &[("new", "x"), ("changed", "same\nfresh")]);
        assert_eq!(
            differences(&a, &b),
            [
                "table `changed` is defined differently: `old` against `fresh`",
                "table `gone` of A is missing in B",
                "table `new` of B is missing in A",
            ]
        );
    }
}
