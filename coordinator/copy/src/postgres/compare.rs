//! Comparison of two PostgreSQL databases.

use std::collections::BTreeMap;
use std::sync::Arc;

use cutover_database::Target;
use futures::future::try_join_all;
use tokio_util::sync::CancellationToken;

use super::catalog::{self, Table};
use super::sums::{Method, Ranges, Summer};
use super::tools::Tools;
use super::{schema, session};
use crate::compare::{
    Inventory, Position, Side, TableSum, first_difference, inventory_differences, pair, row_difference, sums,
};
use crate::{Comparison, CopyError, CopyOptions, CopyProgress};

/// Tables in which the differing rows are looked for; further ones are named only.
const NARROWED: usize = 5;

struct Database {
    major: u32,
    tables: BTreeMap<String, Table>,
    inventory: Inventory,
}

pub(crate) async fn compare(
    a: &Target,
    b: &Target,
    options: &CopyOptions,
    progress: Arc<dyn CopyProgress>,
    cancel: &CancellationToken,
) -> Result<Comparison, CopyError> {
    let (mut left, mut right) = futures::try_join!(read(a, options), read(b, options))?;
    let common = left
        .tables
        .iter()
        .filter(|(name, _)| right.tables.contains_key(*name));
    let common: Vec<(&String, Method)> = common
        .map(|(name, table)| (name, method(table, &left, &right)))
        .collect();
    let size = common
        .iter()
        .filter_map(|(name, _)| left.tables.get(*name))
        .map(|table| table.size)
        .sum();
    progress.total(common.len() as u64, size);

    // One pg_dump for both sides: two versions describe the same object differently.
    let tools = Tools::find(left.major.max(right.major), a).await?;
    let schemas = async {
        futures::try_join!(
            schema::definitions(&tools, a, options),
            schema::definitions(&tools, b, options)
        )
    };
    let (first, second, definitions) = futures::try_join!(
        side_sums(a, &left, &common, options, Some(&progress), cancel),
        side_sums(b, &right, &common, options, None, cancel),
        schemas
    )?;
    let methods: BTreeMap<String, Method> = common
        .into_iter()
        .map(|(name, method)| (name.clone(), method))
        .collect();
    (left.inventory.definitions, right.inventory.definitions) = definitions;

    let (label_a, label_b) = (a.to_string(), b.to_string());
    let mut differences = inventory_differences(
        &Side {
            label: &label_a,
            inventory: &left.inventory,
        },
        &Side {
            label: &label_b,
            inventory: &right.inventory,
        },
    );
    let tables = pair(&first, &second);
    for (index, table) in tables.iter().filter(|table| !table.equal).enumerate() {
        let method = methods.get(&table.name).copied().unwrap_or(Method::Text);
        let place = match index < NARROWED {
            true => narrow(a, b, (&left, &right), &table.name, method).await?,
            false => None,
        };
        differences.push(row_difference(table, place));
    }
    Ok(Comparison::new(tables, differences))
}

pub(crate) async fn fingerprint(
    target: &Target,
    options: &CopyOptions,
) -> Result<BTreeMap<String, TableSum>, CopyError> {
    let mut conn = session::connect(target).await?;
    let major = catalog::major(&mut conn, target).await?;
    let tables = catalog::tables(&mut conn, target, options).await?;
    let items = tables.into_iter().map(|table| {
        let method = Method::of(&table, major);
        (table, method)
    });
    sums(
        summers(target, options, None).await?,
        items.collect(),
        &CancellationToken::new(),
    )
    .await
}

async fn read(target: &Target, options: &CopyOptions) -> Result<Database, CopyError> {
    let mut conn = session::connect(target).await?;
    let major = catalog::major(&mut conn, target).await?;
    let tables = catalog::tables(&mut conn, target, options).await?;
    let mut inventory = Inventory::default();
    for sequence in catalog::sequences(&mut conn, target).await? {
        let next = sequence.last + if sequence.called { sequence.increment } else { 0 };
        let position = Position {
            next,
            descending: sequence.increment < 0,
            exact: true,
        };
        let name = catalog::label(&sequence.schema, &sequence.name);
        inventory.positions.insert(format!("sequence `{name}`"), position);
    }
    let large = "SELECT count(*)::text FROM pg_largeobject_metadata";
    let large = catalog::names(&mut conn, target, large)
        .await?
        .pop()
        .unwrap_or_default();
    let position = Position {
        next: large.parse().unwrap_or(0),
        descending: false,
        exact: true,
    };
    inventory
        .positions
        .insert("number of large objects".to_owned(), position);
    let tables = tables.into_iter().map(|table| (table.label(), table)).collect();
    Ok(Database {
        major,
        tables,
        inventory,
    })
}

/// Hashes of records are compared between servers of one version only.
fn method(table: &Table, left: &Database, right: &Database) -> Method {
    let other = right.tables.get(&table.label());
    let alike = left.major == right.major
        && other.is_some_and(|other| other.hashable && other.columns == table.columns);
    if alike {
        Method::of(table, left.major)
    } else {
        Method::Text
    }
}

async fn side_sums(
    target: &Target,
    database: &Database,
    names: &[(&String, Method)],
    options: &CopyOptions,
    progress: Option<&Arc<dyn CopyProgress>>,
    cancel: &CancellationToken,
) -> Result<BTreeMap<String, TableSum>, CopyError> {
    let items = names
        .iter()
        .filter_map(|(name, method)| Some((database.tables.get(*name)?.clone(), *method)));
    let mut items: Vec<(Table, Method)> = items.collect();
    items.sort_by_key(|(table, _)| std::cmp::Reverse(table.size));
    sums(summers(target, options, progress).await?, items, cancel).await
}

async fn summers(
    target: &Target,
    options: &CopyOptions,
    progress: Option<&Arc<dyn CopyProgress>>,
) -> Result<Vec<Summer>, CopyError> {
    try_join_all((0..options.jobs()).map(|_| async {
        Ok(Summer {
            conn: session::connect(target).await?,
            target: target.clone(),
            progress: progress.cloned(),
        })
    }))
    .await
}

async fn narrow(
    a: &Target,
    b: &Target,
    databases: (&Database, &Database),
    name: &str,
    method: Method,
) -> Result<Option<String>, CopyError> {
    let (Some(first), Some(second)) = (databases.0.tables.get(name), databases.1.tables.get(name)) else {
        return Ok(None);
    };
    let Some(key) = first.key.as_ref().filter(|key| second.key.as_ref() == Some(*key)) else {
        return Ok(None);
    };
    let ranges = async |target: &Target, table: &Table| {
        Ok::<_, CopyError>(Ranges {
            conn: session::connect(target).await?,
            target: target.clone(),
            table: table.clone(),
            method,
        })
    };
    let (mut one, mut other) = futures::try_join!(ranges(a, first), ranges(b, second))?;
    let found = first_difference(&mut one, &mut other).await?;
    Ok(found.map(|value| format!("the first at {key} = {value}")))
}
