//! The order in which tables are filled: those that are referred to come first.

use std::collections::{BTreeMap, BTreeSet};

/// Sorts `tables` so that parents stand before their children. Tables that refer to each other in a circle keep the
/// order of their names; what cannot be stored then is tried again later.
pub(crate) fn parents_first(tables: &BTreeSet<String>, keys: &[(String, String)]) -> Vec<String> {
    let mut parents: BTreeMap<&str, BTreeSet<&str>> = tables
        .iter()
        .map(|table| (table.as_str(), BTreeSet::new()))
        .collect();
    for (child, parent) in keys.iter().filter(|(child, parent)| child != parent) {
        if tables.contains(parent)
            && let Some(own) = parents.get_mut(child.as_str())
        {
            own.insert(parent);
        }
    }
    let mut order: Vec<String> = Vec::new();
    while !parents.is_empty() {
        let free = parents
            .iter()
            .find(|(_, waits)| waits.iter().all(|parent| order.iter().any(|done| done == parent)));
        let next = free
            .or_else(|| parents.iter().next())
            .map(|(table, _)| (*table).to_owned());
        let Some(next) = next else { break };
        parents.remove(next.as_str());
        order.push(next);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(tables: &[&str], keys: &[(&str, &str)]) -> Vec<String> {
        let tables = tables.iter().map(|table| (*table).to_owned()).collect();
        let keys: Vec<_> = keys
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect();
        parents_first(&tables, &keys)
    }

    #[test]
    fn tables_when_they_refer_to_each_other_then_parents_come_first() {
        assert_eq!(
            order(
                &["A", "B", "C"],
                &[("A", "B"), ("B", "C"), ("A", "A"), ("C", "GONE")]
            ),
            ["C", "B", "A"]
        );
    }

    #[test]
    fn tables_when_in_a_circle_then_all_are_there() {
        assert_eq!(
            order(&["A", "B", "C"], &[("A", "B"), ("B", "A"), ("C", "A")]),
            ["A", "B", "C"]
        );
    }
}
