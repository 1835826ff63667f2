//! Comparison of two PostgreSQL databases.

use std::collections::BTreeMap;
use std::sync::Arc;

use cutover_database::Target;
use futures::future::try_join_all;
use tokio_util::sync::CancellationToken;

use super::catalog::{self, Table};
use super::sums::{Summer, Summing};
use super::tools::Tools;
use super::{schema, session};
use crate::compare::{
    Inventory, Position, Side, TableSum, inventory_differences, pair, row_difference, sums,
};
use crate::narrow::{self, Reader};
use crate::rowhash::{own_hash, row_hash};
use crate::{Comparison, CopyError, CopyOptions, CopyProgress};

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
    let common: Vec<&String> = common.map(|(name, _)| name).collect();
    let size = common
        .iter()
        .filter_map(|name| left.tables.get(*name))
        .map(|table| table.size)
        .sum();
    progress.total(common.len() as u64, size);
    for table in common.iter().filter_map(|name| left.tables.get(*name)) {
        progress.planned(&table.label(), table.size);
    }

    // One pg_dump for both sides: two versions describe the same object differently.
    let tools = Tools::find(left.major.max(right.major), a).await?;
    let schemas = async {
        futures::try_join!(
            schema::definitions(&tools, a, options),
            schema::definitions(&tools, b, options)
        )
    };
    let (first, second, definitions) = futures::try_join!(
        side_sums(a, (&left, &right), &common, options, Some(&progress), cancel),
        side_sums(b, (&right, &left), &common, options, None, cancel),
        schemas
    )?;
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
    for table in tables.iter().filter(|table| !table.equal) {
        let place = narrow(a, b, (&left, &right), &table.name).await?;
        differences.push(row_difference(table, place));
    }
    Ok(Comparison::new(tables, differences))
}

pub(crate) async fn fingerprint(
    target: &Target,
    options: &CopyOptions,
) -> Result<BTreeMap<String, TableSum>, CopyError> {
    let mut conn = session::connect(target).await?;
    let tables = catalog::tables(&mut conn, target, options).await?;
    let items = tables.into_iter().map(|table| Summing {
        hash: own_hash(&table.shape),
        table,
    });
    sums(
        summers(target, options, None).await?,
        items.collect(),
        &CancellationToken::new(),
    )
    .await
}

pub(crate) async fn compares_as_fingerprint(
    a: &Target,
    b: &Target,
    options: &CopyOptions,
) -> Result<bool, CopyError> {
    let (left, right) = futures::try_join!(read(a, options), read(b, options))?;
    let alike = |(name, table): (&String, &Table)| {
        let partner = right.tables.get(name);
        partner.and_then(|partner| row_hash(&[&table.shape, &partner.shape])) == Some(own_hash(&table.shape))
    };
    Ok(left.tables.iter().all(alike))
}

pub(crate) async fn definitions(
    target: &Target,
    other: &Target,
    options: &CopyOptions,
) -> Result<BTreeMap<(String, String), String>, CopyError> {
    let mut major = 0;
    for database in [target, other] {
        let mut conn = session::connect(database).await?;
        major = major.max(catalog::major(&mut conn, database).await?);
    }
    schema::definitions(&Tools::find(major, target).await?, target, options).await
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

async fn side_sums(
    target: &Target,
    (own, other): (&Database, &Database),
    names: &[&String],
    options: &CopyOptions,
    progress: Option<&Arc<dyn CopyProgress>>,
    cancel: &CancellationToken,
) -> Result<BTreeMap<String, TableSum>, CopyError> {
    let items = names.iter().filter_map(|name| {
        let (table, partner) = (own.tables.get(*name)?, other.tables.get(*name)?);
        // Tables of different columns have different definitions, which are reported as such.
        let hash = row_hash(&[&table.shape, &partner.shape]).unwrap_or_else(|| own_hash(&table.shape));
        let table = table.clone();
        Some(Summing { table, hash })
    });
    let mut items: Vec<Summing> = items.collect();
    items.sort_by_key(|item| std::cmp::Reverse(item.table.size));
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
    (left, right): (&Database, &Database),
    name: &str,
) -> Result<Option<String>, CopyError> {
    let (Some(first), Some(second)) = (left.tables.get(name), right.tables.get(name)) else {
        return Ok(None);
    };
    let reader = async |target: &Target| {
        let conn = session::connect(target).await?;
        let target = target.clone();
        Ok::<_, CopyError>(Texts { conn, target })
    };
    let (mut one, mut other) = futures::try_join!(reader(a), reader(b))?;
    narrow::differing_rows((&mut one, &first.shape), (&mut other, &second.shape)).await
}

struct Texts {
    conn: sqlx::postgres::PgConnection,
    target: Target,
}

impl Reader for Texts {
    async fn texts(&mut self, what: &str, sql: &str) -> Result<Vec<Vec<Option<String>>>, CopyError> {
        session::rows(&mut self.conn, &self.target, what, sql).await
    }
}
