//! Comparison of two MySQL or MariaDB databases.

use std::collections::BTreeMap;
use std::sync::Arc;

use cutover_database::Target;
use futures::future::try_join_all;
use sqlx::mysql::MySqlConnection;
use tokio_util::sync::CancellationToken;

use super::catalog::{self, Names, Server, Table};
use super::session::{self, rows, text};
use super::stored;
use super::sums::{Method, Summer};
use super::syntax::ident;
use crate::compare::{
    Inventory, Position, Side, TableSum, inventory_differences, pair, row_difference, sums,
};
use crate::narrow::{self, Reader};
use crate::{Comparison, CopyError, CopyOptions, CopyProgress, TableComparison};

struct Database {
    server: Server,
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
    let (left, right) = futures::try_join!(read(a, options), read(b, options))?;
    let common = left.tables.keys().filter(|name| right.tables.contains_key(*name));
    let common: Vec<&String> = common.collect();
    let size = common
        .iter()
        .filter_map(|name| left.tables.get(*name))
        .map(|table| table.size)
        .sum();
    progress.total(common.len() as u64, size);
    for table in common.iter().filter_map(|name| left.tables.get(*name)) {
        progress.planned(&table.name, table.size);
    }

    let method = |name: &str| native_if_alike(&left, &right, name);
    let (first, second) = futures::try_join!(
        side_sums(a, &left, &common, &method, options, Some(&progress), cancel),
        side_sums(b, &right, &common, &method, options, None, cancel)
    )?;
    let mut tables = pair(&first, &second);
    confirm(a, b, &left, &right, &mut tables).await?;

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
    let mut conn = session::reader(target).await?;
    let server = catalog::server(&mut conn, target).await?;
    let (tables, _) = catalog::tables(&mut conn, target, &server, options).await?;
    let items = tables
        .into_iter()
        .map(|table| (table, Method::Portable))
        .collect();
    let workers = summers(target, options, None).await?;
    sums(workers, items, &CancellationToken::new()).await
}

pub(crate) async fn definitions(
    target: &Target,
    options: &CopyOptions,
) -> Result<BTreeMap<(String, String), String>, CopyError> {
    Ok(read(target, options).await?.inventory.definitions)
}

async fn read(target: &Target, options: &CopyOptions) -> Result<Database, CopyError> {
    let mut conn = session::reader(target).await?;
    let server = catalog::server(&mut conn, target).await?;
    let (tables, names) = catalog::tables(&mut conn, target, &server, options).await?;
    let inventory = inventory(&mut conn, target, &tables, &names, options).await?;
    let tables = tables
        .into_iter()
        .map(|table| (table.name.clone(), table))
        .collect();
    Ok(Database {
        server,
        tables,
        inventory,
    })
}

async fn inventory(
    conn: &mut MySqlConnection,
    target: &Target,
    tables: &[Table],
    names: &Names,
    options: &CopyOptions,
) -> Result<Inventory, CopyError> {
    let mut found = Inventory::default();
    for table in tables {
        let key = ("table".to_owned(), table.name.clone());
        found.definitions.insert(key, table.create.normalised());
        if let Some(next) = table.next_auto_increment {
            let position = Position {
                next: i128::from(next),
                descending: false,
                exact: false,
            };
            found
                .positions
                .insert(format!("AUTO_INCREMENT of table `{}`", table.name), position);
        }
    }
    for object in stored::all(conn, target, names, options).await? {
        let text = object.normalised(&target.database);
        found
            .definitions
            .insert((object.kind.to_owned(), object.name), text);
    }
    for name in &names.sequences {
        let shown = rows(
            conn,
            target,
            "reading a sequence",
            &format!("SHOW CREATE SEQUENCE {}", ident(name)),
        )
        .await?;
        let create = shown.first().map(|row| text(row, 1)).unwrap_or_default();
        found
            .definitions
            .insert(("sequence".to_owned(), name.clone()), create);
        let (next, increment, _) = stored::sequence_state(conn, target, name).await?;
        let position = Position {
            next,
            descending: increment < 0,
            exact: true,
        };
        found.positions.insert(format!("sequence `{name}`"), position);
    }
    Ok(found)
}

/// CHECKSUM TABLE sums the rows as the server lays them out in memory: that is the same only for the same
/// version of MariaDB, row format and definition. MySQL's hash depends on more.
fn native_if_alike(left: &Database, right: &Database, name: &str) -> Method {
    let (Some(a), Some(b)) = (left.tables.get(name), right.tables.get(name)) else {
        return Method::Portable;
    };
    let alike = left.server.maria
        && left.server.version == right.server.version
        && a.row_format == b.row_format
        && a.create.normalised() == b.create.normalised();
    if alike { Method::Native } else { Method::Portable }
}

async fn side_sums(
    target: &Target,
    database: &Database,
    names: &[&String],
    method: &impl Fn(&str) -> Method,
    options: &CopyOptions,
    progress: Option<&Arc<dyn CopyProgress>>,
    cancel: &CancellationToken,
) -> Result<BTreeMap<String, TableSum>, CopyError> {
    let mut tables: Vec<&Table> = names
        .iter()
        .filter_map(|name| database.tables.get(*name))
        .collect();
    tables.sort_by_key(|table| std::cmp::Reverse(table.size));
    let items = tables.iter().map(|table| ((*table).clone(), method(&table.name)));
    sums(summers(target, options, progress).await?, items.collect(), cancel).await
}

async fn summers(
    target: &Target,
    options: &CopyOptions,
    progress: Option<&Arc<dyn CopyProgress>>,
) -> Result<Vec<Summer>, CopyError> {
    try_join_all((0..options.jobs()).map(|_| async {
        Ok(Summer {
            conn: session::reader(target).await?,
            target: target.clone(),
            progress: progress.cloned(),
        })
    }))
    .await
}

/// A native checksum that differs is no proof of different rows; the portable one decides.
async fn confirm(
    a: &Target,
    b: &Target,
    left: &Database,
    right: &Database,
    tables: &mut [TableComparison],
) -> Result<(), CopyError> {
    for table in tables
        .iter_mut()
        .filter(|table| !table.equal && table.checksum_a.starts_with("table:"))
    {
        let sum = async |target: &Target, database: &Database| {
            let Some(found) = database.tables.get(&table.name) else {
                return Ok(BTreeMap::new());
            };
            let worker = Summer {
                conn: session::reader(target).await?,
                target: target.clone(),
                progress: None,
            };
            sums(
                vec![worker],
                vec![(found.clone(), Method::Portable)],
                &CancellationToken::new(),
            )
            .await
        };
        let (first, second) = futures::try_join!(sum(a, left), sum(b, right))?;
        if let Some(better) = pair(&first, &second).pop() {
            *table = better;
        }
    }
    Ok(())
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
        let conn = session::reader(target).await?;
        let target = target.clone();
        Ok::<_, CopyError>(Texts { conn, target })
    };
    let (mut one, mut other) = futures::try_join!(reader(a), reader(b))?;
    narrow::differing_rows((&mut one, &first.shape), (&mut other, &second.shape)).await
}

struct Texts {
    conn: MySqlConnection,
    target: Target,
}

impl Reader for Texts {
    async fn texts(&mut self, what: &str, sql: &str) -> Result<Vec<Vec<Option<String>>>, CopyError> {
        let found = rows(&mut self.conn, &self.target, what, sql).await?;
        let line = |row: Vec<Option<Vec<u8>>>| {
            let values = row.into_iter();
            values
                .map(|value| value.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
                .collect()
        };
        Ok(found.into_iter().map(line).collect())
    }
}
