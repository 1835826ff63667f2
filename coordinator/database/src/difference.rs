//! Whether two databases have the same schema: tables, columns, types, nullability, defaults, keys. Names of indexes
//! and constraints, the order of columns, and character sets do not count: vendors rename indexes from version to
//! version, and a migration can append columns only.

mod mysql;
mod postgres;

use std::collections::{BTreeMap, BTreeSet};

use crate::connection::Connection;
use crate::error::{DatabaseError, Kind};
use crate::target::{Engine, Target};

const ACTION: &str = "compare the schemas";

/// What differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// A table, view or sequence is on one side only, or is another kind of thing.
    Relation,
    /// A column is on one side only.
    Column,
    /// Another type.
    Type,
    /// `NULL` allowed on one side only.
    Nullability,
    /// Another default, or another way to fill the column by itself.
    Default,
    /// A primary key, unique key, foreign key, check or index is on one side only.
    Key,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Difference {
    /// Table, or `table.column`.
    pub object: String,
    /// What differs.
    pub aspect: Aspect,
    /// How it is in the first database; `None` when it is not there.
    pub left: Option<String>,
    /// How it is in the second.
    pub right: Option<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "missing".to_owned());
        let aspect = match self.aspect {
            Aspect::Relation => "relation",
            Aspect::Column => "column",
            Aspect::Type => "type",
            Aspect::Nullability => "nullability",
            Aspect::Default => "default",
            Aspect::Key => "key",
        };
        write!(
            f,
            "{} ({aspect}): {} against {}",
            self.object,
            side(&self.left),
            side(&self.right)
        )
    }
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Column {
    kind: String,
    nullable: bool,
    default: String,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Relation {
    kind: String,
    columns: BTreeMap<String, Column>,
    keys: BTreeSet<String>,
}

type Schema = BTreeMap<String, Relation>;

/// Compares two databases of one engine; empty when their schemas are equal.
///
/// # Errors
/// They are of different engines, or one cannot be read.
pub async fn schema_difference(a: &Target, b: &Target) -> Result<Vec<Difference>, DatabaseError> {
    if a.engine != b.engine {
        return Err(DatabaseError::new(
            Kind::Refused,
            ACTION,
            a,
            format!("the other database is on {}", b.engine),
            "compare databases of one engine",
        ));
    }
    let left = read(a).await?;
    let right = read(b).await?;
    Ok(compare(&left, &right))
}

async fn read(target: &Target) -> Result<Schema, DatabaseError> {
    let mut connection = Connection::open(target).await?;
    let schema = match target.engine {
        Engine::MySql => mysql::read(&mut connection).await,
        Engine::Postgres => postgres::read(&mut connection).await,
    };
    connection.close().await;
    schema
}

fn compare(left: &Schema, right: &Schema) -> Vec<Difference> {
    let mut found = Vec::new();
    let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    for name in names {
        match (left.get(name), right.get(name)) {
            (Some(a), Some(b)) if a.kind == b.kind => relation(name, a, b, &mut found),
            (a, b) => {
                let kind = |side: Option<&Relation>| side.map(|side| side.kind.clone());
                add(&mut found, name, Aspect::Relation, kind(a), kind(b));
            }
        }
    }
    found.sort();
    found
}

fn relation(name: &str, a: &Relation, b: &Relation, found: &mut Vec<Difference>) {
    let columns: BTreeSet<&String> = a.columns.keys().chain(b.columns.keys()).collect();
    for column in columns {
        let object = format!("{name}.{column}");
        match (a.columns.get(column), b.columns.get(column)) {
            (Some(x), Some(y)) => {
                let nullable =
                    |column: &Column| if column.nullable { "nullable" } else { "not null" }.to_owned();
                for (aspect, left, right) in [
                    (Aspect::Type, x.kind.clone(), y.kind.clone()),
                    (Aspect::Nullability, nullable(x), nullable(y)),
                    (Aspect::Default, x.default.clone(), y.default.clone()),
                ] {
                    if left != right {
                        add(found, &object, aspect, Some(left), Some(right));
                    }
                }
            }
            (x, y) => {
                let kind = |side: Option<&Column>| side.map(|side| side.kind.clone());
                add(found, &object, Aspect::Column, kind(x), kind(y));
            }
        }
    }
    for key in a.keys.difference(&b.keys) {
        add(found, name, Aspect::Key, Some(key.clone()), None);
    }
    for key in b.keys.difference(&a.keys) {
        add(found, name, Aspect::Key, None, Some(key.clone()));
    }
}

fn add(
    found: &mut Vec<Difference>,
    object: &str,
    aspect: Aspect,
    left: Option<String>,
    right: Option<String>,
) {
    found.push(Difference {
        object: object.to_owned(),
        aspect,
        left,
        right,
    });
}
