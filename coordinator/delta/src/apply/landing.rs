//! Where the rows of an old table lie in the migrated schema.

use cutover_database::Engine;

use crate::DeltaError;
use crate::mapping::Mapping;
use crate::mysql;
use crate::postgres;
use crate::session::Row;
use crate::table::{Column, Table};

/// A table of production and the one its rows go to.
#[derive(Debug, Clone)]
pub(crate) struct Landing {
    pub(crate) engine: Engine,
    pub(crate) production: Table,
    /// The migrated table, seen with nothing but the old columns, in production's order: rows without a key are found
    /// by the hash they had.
    pub(crate) staging: Table,
    /// Places in production's columns of those that go to staging.
    kept: Vec<usize>,
    /// New columns that return to their default when their row changes.
    derived: Vec<String>,
}

impl Landing {
    /// Nothing when the mapping says that the migration drops the table.
    pub(crate) fn find(
        engine: Engine,
        production: &Table,
        migrated: &[Table],
        mapping: &Mapping,
        label: &str,
    ) -> Result<Option<Self>, DeltaError> {
        let old = production.label.as_str();
        let refused = |what: String, why: &str| DeltaError::Unsupported {
            what,
            database: label.to_owned(),
            why: why.to_owned(),
            remedy:
                "say in the mapping what became of it, or keep staging un-migrated and equal to production"
                    .to_owned(),
        };
        let name = mapping.table(old);
        let Some(found) = migrated.iter().find(|table| table.label == name) else {
            if mapping.dropped_tables.contains(old) {
                return Ok(None);
            }
            return Err(refused(
                format!("table `{old}`"),
                "the migrated schema has no such table, and rows of it changed",
            ));
        };
        let (mut kept, mut columns) = (Vec::new(), Vec::new());
        for (index, column) in production.columns.iter().enumerate() {
            let new = mapping.column(old, &column.name);
            match found.columns.iter().find(|other| other.name == new) {
                Some(other) => {
                    kept.push(index);
                    columns.push(other.clone());
                }
                None if mapping.drops(old, &column.name) => {}
                None => {
                    let what = format!("column `{old}.{}`", column.name);
                    return Err(refused(what, "the migrated schema has no such column"));
                }
            }
        }
        let key = production
            .key
            .iter()
            .map(|own| kept.iter().position(|index| index == own));
        let key = key.collect::<Option<Vec<usize>>>().ok_or_else(|| {
            refused(
                format!("table `{old}`"),
                "the migration drops a column that names its rows",
            )
        })?;
        let derived = found.columns.iter().filter(|column| {
            mapping
                .derived_columns
                .contains(&format!("{name}.{}", column.name))
        });
        Ok(Some(Landing {
            engine,
            production: production.clone(),
            kept,
            derived: derived.map(|column| column.quoted.clone()).collect(),
            staging: Table {
                columns,
                key,
                ..found.clone()
            },
        }))
    }

    /// Whether every column went to staging, so that a row has the same hash there.
    pub(crate) fn is_whole(&self) -> bool {
        self.kept.len() == self.production.columns.len()
    }

    /// Production's table with nothing but the columns that staging kept, in the same order: both hash alike.
    pub(crate) fn old_columns(&self) -> Table {
        let columns = self
            .kept
            .iter()
            .filter_map(|index| self.production.columns.get(*index));
        Table {
            columns: columns.cloned().collect(),
            key: self.staging.key.clone(),
            ..self.production.clone()
        }
    }

    /// The values of a row of production that go to staging, as SQL.
    fn values(&self, row: &[Option<Vec<u8>>]) -> Vec<String> {
        let pairs = self.kept.iter().zip(&self.staging.columns);
        pairs
            .map(|(index, column)| literal(self.engine, column, row.get(*index).and_then(Option::as_deref)))
            .collect()
    }

    pub(crate) fn insert(&self, row: &[Option<Vec<u8>>]) -> String {
        format!(
            "INSERT INTO {} ({}) VALUES ({})",
            self.staging.quoted,
            self.staging.column_list(),
            self.values(row).join(", ")
        )
    }

    pub(crate) fn update(&self, key: &[Vec<u8>], row: &[Option<Vec<u8>>]) -> String {
        let set = self.staging.columns.iter().zip(self.values(row));
        let set = set.map(|(column, value)| format!("{} = {value}", column.quoted));
        let derived = self.derived.iter().map(|column| format!("{column} = DEFAULT"));
        format!(
            "UPDATE {} SET {} WHERE {}",
            self.staging.quoted,
            set.chain(derived).collect::<Vec<_>>().join(", "),
            self.named(key)
        )
    }

    pub(crate) fn delete(&self, key: &[Vec<u8>]) -> String {
        format!("DELETE FROM {} WHERE {}", self.staging.quoted, self.named(key))
    }

    fn named(&self, key: &[Vec<u8>]) -> String {
        let pairs = self.staging.key_columns().zip(key);
        let parts: Vec<String> = pairs
            .map(|(column, value)| {
                let value = match self.engine {
                    Engine::MySql => mysql::sql::value(column.literal.as_ref(), value),
                    Engine::Postgres => literal(self.engine, column, Some(value)),
                };
                format!("{} = {value}", column.quoted)
            })
            .collect();
        parts.join(" AND ")
    }

    /// The row as JSON for people: text as it is, other bytes in hexadecimal, large values by size and hash.
    pub(crate) fn json(&self, row: &Row) -> String {
        let columns = self.production.columns.iter().zip(row);
        let values = columns.map(|(column, value)| (column.name.clone(), shown(value.as_deref())));
        serde_json::Value::Object(values.collect()).to_string()
    }
}

const LONGEST: usize = 64 * 1024;

fn shown(value: Option<&[u8]>) -> serde_json::Value {
    match value {
        None => serde_json::Value::Null,
        Some(bytes) if bytes.len() > LONGEST => format!(
            "{} bytes with BLAKE3 {}; see production",
            bytes.len(),
            blake3::hash(bytes).to_hex()
        )
        .into(),
        Some(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) => format!("0x{}", hex::encode(bytes)).into(),
        },
    }
}

fn literal(engine: Engine, column: &Column, value: Option<&[u8]>) -> String {
    let Some(bytes) = value else {
        return "NULL".to_owned();
    };
    let (before, after) = column.around.unwrap_or_default();
    match engine {
        Engine::MySql => format!("{before}{}{after}", mysql::rows::plain(bytes)),
        Engine::Postgres => postgres::sql::literal(&String::from_utf8_lossy(bytes)),
    }
}
