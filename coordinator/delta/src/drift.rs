//! Differences of schema between production and its un-migrated copy.

use std::collections::BTreeMap;

use crate::table::Table;

/// Names what production has and staging has not, and the other way round. Empty when rows can be brought over.
pub(crate) fn differences(production: &[Table], staging: &[Table]) -> Vec<String> {
    let there: BTreeMap<&str, &Table> = staging
        .iter()
        .map(|table| (table.label.as_str(), table))
        .collect();
    let here: BTreeMap<&str, &Table> = production
        .iter()
        .map(|table| (table.label.as_str(), table))
        .collect();
    let mut found = Vec::new();
    for (label, table) in &here {
        match there.get(label) {
            None => found.push(format!("table `{label}` appeared in production")),
            Some(other) => columns(label, table, other, &mut found),
        }
    }
    for label in there.keys().filter(|label| !here.contains_key(*label)) {
        found.push(format!("table `{label}` is in staging only"));
    }
    found
}

fn columns(label: &str, production: &Table, staging: &Table, found: &mut Vec<String>) {
    let there: BTreeMap<&str, &str> = pairs(staging);
    let here: BTreeMap<&str, &str> = pairs(production);
    let before = found.len();
    for (name, description) in &here {
        match there.get(name) {
            None => found.push(format!("column `{label}.{name}` appeared in production")),
            Some(other) if other != description => found.push(format!(
                "column `{label}.{name}` is `{description}` in production and `{other}` in staging"
            )),
            Some(_) => {}
        }
    }
    for name in there.keys().filter(|name| !here.contains_key(*name)) {
        found.push(format!("column `{label}.{name}` is in staging only"));
    }
    let names =
        |table: &Table| -> Vec<String> { table.key_columns().map(|column| column.name.clone()).collect() };
    let (ours, theirs) = (names(production), names(staging));
    if found.len() == before && ours != theirs {
        found.push(format!(
            "rows of `{label}` are named by ({}) in production and by ({}) in staging",
            ours.join(", "),
            theirs.join(", ")
        ));
    }
}

fn pairs(table: &Table) -> BTreeMap<&str, &str> {
    table
        .signature
        .iter()
        .map(|(name, description)| (name.as_str(), description.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(label: &str, columns: &[(&str, &str)]) -> Table {
        Table {
            label: label.to_owned(),
            source: label.to_owned(),
            quoted: label.to_owned(),
            columns: Vec::new(),
            key: Vec::new(),
            size: 0,
            rows: 0,
            transactional: true,
            signature: columns
                .iter()
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn schemas_when_alike_then_no_difference() {
        let one = [table("T", &[("A", "int"), ("B", "text")])];
        assert!(differences(&one, &one).is_empty());
    }

    #[test]
    fn schemas_when_they_drifted_then_each_change_is_named() {
        let production = [table("T", &[("A", "int"), ("NEW", "int")]), table("ADDED", &[])];
        let staging = [table("T", &[("A", "bigint"), ("OLD", "int")]), table("GONE", &[])];
        assert_eq!(
            differences(&production, &staging),
            [
                "table `ADDED` appeared in production",
                "column `T.A` is `int` in production and `bigint` in staging",
                "column `T.NEW` appeared in production",
                "column `T.OLD` is in staging only",
                "table `GONE` is in staging only",
            ]
        );
    }
}
