//! Which RSS database of Storage Server a database holds, told by its tables and columns, never by a version number.

use std::collections::BTreeSet;

/// The level as far as the step from Storage Server 1.0.3 to 1.1.0 goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "level")]
pub enum RssLevel {
    /// No RSS tables in this database.
    #[default]
    None,
    /// Those of Storage Server 1.0.3: migration needed.
    At103,
    /// Those of Storage Server 1.1.0.
    At110,
    /// Some of 1.1.0's tables and columns: a migration that did not end.
    Mixed {
        /// What is there already.
        present: Vec<String>,
        /// What is not, or should not be.
        absent: Vec<String>,
    },
}

/// An RSS database has these at both levels.
const CORE: [&str; 3] = ["RM_SERVER_INSTANCE", "RM_DATABASE", "RM_DATABASE_USER"];

const NEW_TABLES: [&str; 2] = ["RM_ENVIRONMENT", "RM_USER_INSTANCE_ENTRY"];

const NEW_COLUMNS: [(&str, &str); 5] = [
    ("RM_SERVER_INSTANCE", "ENVIRONMENT_ID"),
    ("RM_DATABASE_USER", "ENVIRONMENT_ID"),
    ("RM_DB_PRIVILEGE_TEMPLATE", "ENVIRONMENT_ID"),
    ("RM_SYSTEM_DATABASE_COUNT", "ENVIRONMENT_ID"),
    ("RM_SYSTEM_DATABASE_COUNT", "ID"),
];

/// What 1.1.0 does not have any more.
const OLD_COLUMN: (&str, &str) = ("RM_DATABASE_USER", "RSS_INSTANCE_ID");

/// Decides the level from `(table, column)` pairs in upper case.
#[must_use]
pub fn decide(columns: &BTreeSet<(String, String)>) -> RssLevel {
    let has_table = |name: &str| columns.iter().any(|(table, _)| table == name);
    let has_column = |(table, column): (&str, &str)| columns.contains(&(table.to_owned(), column.to_owned()));
    let (mut present, mut absent) = (Vec::new(), Vec::new());
    let mut note = |there: bool, what: String| {
        if there {
            present.push(what)
        } else {
            absent.push(what)
        }
    };
    for table in NEW_TABLES {
        note(has_table(table), table.to_owned());
    }
    for column in NEW_COLUMNS {
        note(has_column(column), format!("{}.{}", column.0, column.1));
    }
    let core = CORE.iter().filter(|table| has_table(table)).count();
    if core == 0 && present.is_empty() {
        return RssLevel::None;
    }
    if core == CORE.len() && present.is_empty() {
        return RssLevel::At103;
    }
    absent.extend(
        CORE.iter()
            .filter(|table| !has_table(table))
            .map(|table| (*table).to_owned()),
    );
    if has_column(OLD_COLUMN) {
        absent.push(format!("{} without {}", OLD_COLUMN.0, OLD_COLUMN.1));
    }
    if absent.is_empty() {
        RssLevel::At110
    } else {
        RssLevel::Mixed { present, absent }
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
        let mut pairs: Vec<_> = CORE.iter().map(|table| (*table, "ID")).collect();
        pairs.push(OLD_COLUMN);
        pairs
    }

    fn new() -> Vec<(&'static str, &'static str)> {
        let mut pairs: Vec<_> = CORE.iter().map(|table| (*table, "ID")).collect();
        pairs.extend(NEW_TABLES.iter().map(|table| (*table, "ID")));
        pairs.extend(NEW_COLUMNS);
        pairs
    }

    #[test]
    fn level_when_decided_by_tables_and_columns_then_each_is_told_apart() {
        assert_eq!(decide(&columns(&[("UM_USER", "UM_ID")])), RssLevel::None);
        assert_eq!(decide(&columns(&old())), RssLevel::At103);
        assert_eq!(decide(&columns(&new())), RssLevel::At110);
    }

    #[test]
    fn level_when_a_migration_stopped_then_mixed_with_what_is_missing() {
        let mut half = old();
        half.push(("RM_ENVIRONMENT", "ID"));
        let RssLevel::Mixed { present, absent } = decide(&columns(&half)) else {
            panic!("not mixed");
        };
        assert_eq!(present, ["RM_ENVIRONMENT"]);
        assert!(absent.contains(&"RM_DATABASE_USER.ENVIRONMENT_ID".to_owned()));
        let mut last = new();
        last.push(OLD_COLUMN);
        assert!(matches!(decide(&columns(&last)), RssLevel::Mixed { .. }));
    }
}
