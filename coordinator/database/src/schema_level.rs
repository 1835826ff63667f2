//! Which Carbon user store a database holds, told by its tables and columns, never by a version number.

use std::collections::BTreeSet;

/// The user store's level as far as the step to Carbon 4.2 goes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "level")]
pub enum SchemaLevel {
    /// No user store in this database.
    NoUserStore,
    /// A user store older than Carbon 4.2.0: migration needed.
    Before42,
    /// The user store of Carbon 4.2.0 or newer.
    At42,
    /// Some of Carbon 4.2.0's tables and columns: a migration that did not end.
    Mixed {
        /// What is there already.
        present: Vec<String>,
        /// What is not.
        absent: Vec<String>,
    },
}

/// A user store has these at every level.
const CORE: [&str; 4] = ["UM_TENANT", "UM_USER", "UM_ROLE", "UM_PERMISSION"];

const NEW_TABLES: [&str; 8] = [
    "UM_DOMAIN",
    "UM_SYSTEM_USER",
    "UM_SYSTEM_ROLE",
    "UM_SYSTEM_USER_ROLE",
    "UM_MODULE",
    "UM_MODULE_ACTIONS",
    "UM_SHARED_USER_ROLE",
    "UM_ACCOUNT_MAPPING",
];

const NEW_COLUMNS: [(&str, &str); 7] = [
    ("UM_ROLE", "UM_SHARED_ROLE"),
    ("UM_PERMISSION", "UM_MODULE_ID"),
    ("UM_ROLE_PERMISSION", "UM_DOMAIN_ID"),
    ("UM_HYBRID_USER_ROLE", "UM_DOMAIN_ID"),
    ("UM_CLAIM", "UM_MAPPED_ATTRIBUTE_DOMAIN"),
    ("UM_CLAIM", "UM_CHECKED_ATTRIBUTE"),
    ("UM_CLAIM", "UM_READ_ONLY"),
];

/// Decides the level from `(table, column)` pairs in upper case.
#[must_use]
pub fn decide(columns: &BTreeSet<(String, String)>) -> SchemaLevel {
    let tables: BTreeSet<&str> = columns.iter().map(|(table, _)| table.as_str()).collect();
    let mut present = Vec::new();
    let mut absent = Vec::new();
    let mut note = |there: bool, what: String| {
        if there {
            present.push(what)
        } else {
            absent.push(what)
        }
    };
    for table in NEW_TABLES {
        note(tables.contains(table), table.to_owned());
    }
    for (table, column) in NEW_COLUMNS {
        note(
            columns.contains(&(table.to_owned(), column.to_owned())),
            format!("{table}.{column}"),
        );
    }
    let core = CORE.iter().filter(|table| tables.contains(**table)).count();
    if core == 0 && present.is_empty() {
        return SchemaLevel::NoUserStore;
    }
    absent.extend(
        CORE.iter()
            .filter(|table| !tables.contains(**table))
            .map(|table| (*table).to_owned()),
    );
    if absent.is_empty() {
        SchemaLevel::At42
    } else if present.is_empty() && core == CORE.len() {
        SchemaLevel::Before42
    } else {
        SchemaLevel::Mixed { present, absent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(pairs: &[(&str, &str)]) -> BTreeSet<(String, String)> {
        pairs
            .iter()
            .map(|(table, column)| ((*table).to_owned(), (*column).to_owned()))
            .collect()
    }

    fn old() -> Vec<(&'static str, &'static str)> {
        CORE.iter()
            .map(|table| (*table, "UM_ID"))
            .chain([("UM_CLAIM", "UM_ID")])
            .collect()
    }

    #[test]
    fn level_when_registry_only_then_no_user_store() {
        assert_eq!(
            decide(&columns(&[("REG_LOG", "REG_PATH")])),
            SchemaLevel::NoUserStore
        );
    }

    #[test]
    fn level_when_nothing_of_42_then_before() {
        assert_eq!(decide(&columns(&old())), SchemaLevel::Before42);
    }

    #[test]
    fn level_when_all_of_42_then_at() {
        let mut all = old();
        all.extend(NEW_TABLES.iter().map(|table| (*table, "UM_ID")));
        all.extend(NEW_COLUMNS);
        assert_eq!(decide(&columns(&all)), SchemaLevel::At42);
    }

    #[test]
    fn level_when_one_table_of_42_then_mixed_and_named() {
        let mut some = old();
        some.push(("UM_DOMAIN", "UM_DOMAIN_ID"));
        let SchemaLevel::Mixed { present, absent } = decide(&columns(&some)) else {
            panic!("must be mixed")
        };
        assert_eq!(present, ["UM_DOMAIN"]);
        assert_eq!(absent.len(), NEW_TABLES.len() + NEW_COLUMNS.len() - 1);
    }

    #[test]
    fn level_when_the_core_is_incomplete_then_mixed() {
        assert!(matches!(
            decide(&columns(&[("UM_TENANT", "UM_ID")])),
            SchemaLevel::Mixed { .. }
        ));
    }
}
