//! What a migration did to the tables, as far as rows that come later have to know.

use std::collections::{BTreeMap, BTreeSet};

use cutover_database::Engine;
use cutover_sqlscript::{Dialect, split};

use crate::DeltaError;

/// How rows of the old schema lie in the new one. Tables and columns that keep their names need no word, and new
/// columns take their defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mapping {
    /// New names of tables, by old name.
    pub tables: BTreeMap<String, String>,
    /// New names of columns, by `TABLE.COLUMN` in the old names.
    pub columns: BTreeMap<String, String>,
    /// Tables that the migration drops; changes to them are left behind, and counted.
    pub dropped_tables: BTreeSet<String>,
    /// Columns that the migration drops, as `TABLE.COLUMN`.
    pub dropped_columns: BTreeSet<String>,
    /// New columns, as `TABLE.COLUMN` in the new names, that the fix-ups compute from others: they return to their
    /// default when their row changes, so that they are computed again.
    pub derived_columns: BTreeSet<String>,
}

impl Mapping {
    pub(crate) fn table<'a>(&'a self, old: &'a str) -> &'a str {
        self.tables.get(old).map_or(old, String::as_str)
    }

    pub(crate) fn column<'a>(&'a self, table: &str, old: &'a str) -> &'a str {
        self.columns
            .get(&format!("{table}.{old}"))
            .map_or(old, String::as_str)
    }

    pub(crate) fn drops(&self, table: &str, column: &str) -> bool {
        self.dropped_columns.contains(&format!("{table}.{column}"))
    }
}

/// What is done after the rows of an upgrade path are in: statements that can be repeated, and the mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixUps {
    /// The upgrade path; empty where there is none.
    pub name: &'static str,
    /// Where rows lie.
    pub mapping: Mapping,
    /// Old tables, in upper case, from whose rows the migration computes what the statements compute anew.
    pub computes: BTreeSet<String>,
    /// Statements, each without effect when it is run again.
    pub statements: Vec<String>,
}

impl FixUps {
    /// For a script that changes no rows: tables and columns keep their names, and nothing follows.
    #[must_use]
    pub fn none() -> Self {
        FixUps {
            name: "",
            mapping: Mapping::default(),
            computes: BTreeSet::new(),
            statements: Vec::new(),
        }
    }
}

const MYSQL: &str = include_str!("../fixups/carbon-4.1-to-4.2-user-store.mysql.sql");
const POSTGRES: &str = include_str!("../fixups/carbon-4.1-to-4.2-user-store.postgres.sql");

/// Names of the upgrade paths whose fix-ups ship.
pub const FIX_UPS: [&str; 1] = [CARBON_4_2_USER_STORE];
const CARBON_4_2_USER_STORE: &str = "carbon-4.2-user-store";

/// The fix-ups of an upgrade path, if they ship.
///
/// # Errors
/// Never for the statements that ship; a file that cannot be split is named.
pub fn fix_ups(name: &str, engine: Engine) -> Result<Option<FixUps>, DeltaError> {
    match name {
        CARBON_4_2_USER_STORE => carbon_4_2_user_store(engine).map(Some),
        _ => Ok(None),
    }
}

/// The user store of Carbon 4.0 or 4.1, migrated to that of Carbon 4.2.
fn carbon_4_2_user_store(engine: Engine) -> Result<FixUps, DeltaError> {
    let (text, dialect, table, column) = match engine {
        Engine::MySql => (
            MYSQL,
            Dialect::MySql,
            "UM_CLAIM_BEHAVIOR",
            "UM_ROLE_PERMISSION.UM_DOMAIN_ID",
        ),
        Engine::Postgres => (POSTGRES, Dialect::Postgres, "", "um_role_permission.um_domain_id"),
    };
    let script = split(text, dialect)
        .map_err(|error| DeltaError::local("reading the fix-ups of the user store of Carbon 4.2", error))?;
    Ok(FixUps {
        name: CARBON_4_2_USER_STORE,
        mapping: Mapping {
            dropped_tables: [table]
                .into_iter()
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
            derived_columns: [column.to_owned()].into(),
            ..Mapping::default()
        },
        computes: ["UM_TENANT", "UM_ROLE_PERMISSION"].map(str::to_owned).into(),
        statements: script
            .statements
            .into_iter()
            .map(|statement| statement.text)
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fix_ups_when_split_then_every_statement_can_be_repeated() {
        for engine in [Engine::MySql, Engine::Postgres] {
            let statements = carbon_4_2_user_store(engine).unwrap().statements;
            assert!(statements.len() >= 8, "{statements:?}");
            for text in &statements {
                let repeatable =
                    text.contains("NOT EXISTS") || text.contains("IS NULL") || text.contains("IS NOT NULL");
                assert!(repeatable, "{text}");
            }
        }
    }

    #[test]
    fn mapping_when_silent_then_names_stay() {
        let mut mapping = Mapping::default();
        mapping.tables.insert("OLD".into(), "NEW".into());
        mapping.columns.insert("OLD.A".into(), "B".into());
        assert_eq!((mapping.table("OLD"), mapping.table("T")), ("NEW", "T"));
        assert_eq!((mapping.column("OLD", "A"), mapping.column("T", "A")), ("B", "A"));
    }
}
