//! The steps of a copy between MySQL or MariaDB databases.

use std::sync::Arc;

use cutover_database::Target;
use futures::future::try_join_all;
use sqlx::mysql::MySqlConnection;
use tokio_util::sync::CancellationToken;

use super::catalog::{self, Names, Server, Table};
use super::journal::{self, Left};
use super::rows::{Load, Loaded, RowCopier};
use super::session::{self, Writer, rows, run, text};
use super::stored::{self, Creator};
use super::syntax::{Item, first_key_column, ident};
use crate::journal::identity;
use crate::way::{self, WayFacts};
use crate::workers::{Failure, run_all};
use crate::{CopyError, CopyOptions, CopyProgress, CopyReport, CopyWay};

/// Below this a table gets its indexes at once: the second statement would cost more than it saves.
const DEFER_FROM: u64 = 1 << 20;

/// Values leave the server as they are stored, all of one moment.
const READ_SESSION: [&str; 2] = [
    "SET SESSION character_set_results=binary",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
];

pub(crate) async fn copy(
    from: &Target,
    to: &Target,
    options: &CopyOptions,
    progress: Arc<dyn CopyProgress>,
    cancel: &CancellationToken,
) -> Result<CopyReport, CopyError> {
    let mut control = session::reader(from).await?;
    let mut writer = Writer::open(to).await?;
    let source = catalog::server(&mut control, from).await?;
    let target = target_server(to).await?;
    let (mut tables, names) = catalog::tables(&mut control, from, &source, options).await?;
    let stored = stored::all(&mut control, from, &names, options).await?;
    let (way, why) = choose_way(from, to, options, &target, &tables, &mut writer).await;
    let mut report = CopyReport::new((way, why));
    let left = journal::open(to, &mut writer, &identity_of(from, &tables), options).await?;

    tables.sort_by_key(|table| std::cmp::Reverse(table.size));
    progress.total(tables.len() as u64, tables.iter().map(|table| table.size).sum());
    for table in &tables {
        progress.planned(&table.name, table.size);
    }
    create_sequences(&mut control, from, &mut writer, &names).await?;
    let (loads, foreign_keys) = create_tables(&mut writer, &tables, &left).await?;
    report.kept = loads.iter().filter(|load| load.kept.is_some()).count() as u64;

    let copiers = open_copiers(
        from,
        to,
        options.jobs().min(tables.len().max(1)),
        &target,
        way,
        &progress,
    )
    .await?;
    let (copiers, locked) = snapshot(
        copiers,
        &mut control,
        from,
        &tables,
        options.serving,
        &mut report.notes,
    )
    .await;
    let loaded = load(copiers, loads, cancel).await?;
    if locked {
        run(&mut control, from, "unlocking the tables", "UNLOCK TABLES").await?;
    }

    for (table, sql) in foreign_keys {
        let what = format!("adding the foreign keys of table `{table}`");
        writer.run(&what, sql.as_bytes()).await?;
    }
    create_stored(&mut writer, from, to, stored, &mut report).await?;
    journal::remove(&mut writer).await?;
    finish(&mut report, &loaded, &names);
    Ok(report)
}

/// What is copied, by the tables in the order of their names.
pub(super) fn identity_of(from: &Target, tables: &[Table]) -> String {
    let definitions: Vec<String> = tables.iter().map(|table| table.create.normalised()).collect();
    let names = tables.iter().map(|table| table.name.as_str());
    identity(from, names.chain(definitions.iter().map(String::as_str)))
}

async fn target_server(to: &Target) -> Result<Server, CopyError> {
    let mut conn = session::reader(to).await?;
    catalog::server(&mut conn, to).await
}

fn finish(report: &mut CopyReport, loaded: &[Loaded], names: &Names) {
    report.tables = loaded.len() as u64;
    report.rows = loaded.iter().map(|table| table.rows).sum();
    report.bytes = loaded.iter().map(|table| table.bytes).sum();
    let counts = [("table", loaded.len()), ("sequence", names.sequences.len())];
    for (kind, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        report.objects.insert(kind.to_owned(), count as u64);
    }
}

/// Inside one server the rows need not leave it, if the staging account may read production.
async fn choose_way(
    from: &Target,
    to: &Target,
    options: &CopyOptions,
    target: &Server,
    tables: &[Table],
    writer: &mut Writer,
) -> (CopyWay, String) {
    let mut facts = WayFacts {
        engine: from.engine,
        wanted: options.same_server,
        same_server: from.same_server(to),
        obstacle: None,
        local_infile: target.local_infile,
    };
    for table in tables.iter().filter(|_| facts.wanted && facts.same_server) {
        let sql = format!(
            "SELECT 1 FROM {}.{} LIMIT 0",
            ident(&from.database),
            ident(&table.name)
        );
        let asked = writer.run("asking for production's tables", sql.as_bytes()).await;
        if asked.is_err() {
            let account = &to.user;
            facts.obstacle = Some(format!(
                "the staging account {account} may not read production's table `{}`",
                table.name
            ));
            break;
        }
    }
    way::choose_way(&facts)
}

async fn create_sequences(
    control: &mut MySqlConnection,
    from: &Target,
    writer: &mut Writer,
    names: &Names,
) -> Result<(), CopyError> {
    for name in &names.sequences {
        let what = format!("creating sequence `{name}`");
        let found = rows(
            control,
            from,
            &what,
            &format!("SHOW CREATE SEQUENCE {}", ident(name)),
        )
        .await?;
        let create = found.first().map(|row| text(row, 1)).unwrap_or_default();
        writer.run(&what, create.as_bytes()).await?;
        let (next, _, round) = stored::sequence_state(control, from, name).await?;
        let set = format!("DO SETVAL({}, {next}, 0, {round})", ident(name));
        writer.run(&what, set.as_bytes()).await?;
    }
    Ok(())
}

type ForeignKeys = Vec<(String, String)>;

/// Creates all tables without foreign keys, large ones without secondary indexes. Of a table that is kept, what
/// is missing of them is found by its definition: each is added by one statement, whole or not at all.
async fn create_tables(
    writer: &mut Writer,
    tables: &[Table],
    left: &Left,
) -> Result<(Vec<Load>, ForeignKeys), CopyError> {
    let mut loads = Vec::new();
    let mut foreign_keys = Vec::new();
    for table in tables {
        let (now, mut later, mut keys) = divide(table);
        let kept = left.whole(table);
        match left.tables.get(&table.name) {
            Some(present) if kept.is_some() => {
                later.retain(|item| !present.items.contains(item));
                keys.retain(|item| !present.items.contains(item));
            }
            other => {
                if left.done.table(&table.name).is_some() {
                    journal::forget(writer, table).await?;
                }
                create_table(writer, table, now, other.is_some()).await?;
            }
        }
        if let Some(sql) = alter(table, &keys) {
            foreign_keys.push((table.name.clone(), sql));
        }
        loads.push(Load {
            table: table.clone(),
            indexes: alter(table, &later),
            kept,
        });
    }
    Ok((loads, foreign_keys))
}

async fn create_table(
    writer: &mut Writer,
    table: &Table,
    items: Vec<&String>,
    replace: bool,
) -> Result<(), CopyError> {
    let what = format!("creating table `{}`", table.name);
    if replace {
        let drop = format!("DROP TABLE {}", ident(&table.name));
        writer.run(&what, drop.as_bytes()).await?;
    }
    writer.run(&what, table.create.join(items).as_bytes()).await
}

fn alter(table: &Table, items: &[&String]) -> Option<String> {
    let adds: Vec<String> = items.iter().map(|item| format!("ADD {item}")).collect();
    (!adds.is_empty()).then(|| format!("ALTER TABLE {} {}", ident(&table.name), adds.join(", ")))
}

/// What the table is created with, what is added after its rows, and its foreign keys.
fn divide(table: &Table) -> (Vec<&String>, Vec<&String>, Vec<&String>) {
    let items = &table.create.items;
    let defer = table.size >= DEFER_FROM && table.transactional() && !table.partitioned;
    let has_primary = items.iter().any(|item| Item::of(item) == Item::PrimaryKey);
    let first_unique = items.iter().position(|item| Item::of(item) == Item::UniqueKey);
    let counter = table
        .columns
        .iter()
        .find(|column| column.auto_increment && !column.primary);
    let counter = counter.map(|column| ident(&column.name));
    let (mut now, mut later, mut foreign) = (Vec::new(), Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        match Item::of(item) {
            Item::Column | Item::PrimaryKey | Item::Other => now.push(item),
            Item::ForeignKey => foreign.push(item),
            // Without a primary key the rows are kept in the order of a unique key: adding it later moves them all.
            Item::UniqueKey if !has_primary && Some(index) == first_unique => now.push(item),
            Item::UniqueKey | Item::Key => {
                let leads = counter.is_some() && first_key_column(item) == counter;
                if defer && !leads {
                    later.push(item)
                } else {
                    now.push(item)
                }
            }
        }
    }
    (now, later, foreign)
}

async fn open_copiers(
    from: &Target,
    to: &Target,
    count: usize,
    target: &Server,
    way: CopyWay,
    progress: &Arc<dyn CopyProgress>,
) -> Result<Vec<RowCopier>, CopyError> {
    let insert_size = usize::try_from(target.max_packet / 2)
        .unwrap_or(usize::MAX)
        .min(1 << 20);
    try_join_all((0..count).map(|_| async {
        let mut reader = session::reader(from).await?;
        for sql in READ_SESSION {
            run(&mut reader, from, "preparing the session", sql).await?;
        }
        let mut writer = Writer::open(to).await?;
        writer.run("preparing the session", b"SET NAMES binary").await?;
        Ok(RowCopier {
            from: from.clone(),
            reader,
            writer,
            way,
            progress: Arc::clone(progress),
            insert_size,
        })
    }))
    .await
}

/// Gives all readers a view that does not change. Where nobody is to write, it is one for all, under a lock that is held
/// until every reader has it, and longer for tables without transactions. A serving production is never locked: a lock
/// on all its tables makes its own transactions run into deadlocks. Says whether a lock is still held.
async fn snapshot(
    mut copiers: Vec<RowCopier>,
    control: &mut MySqlConnection,
    from: &Target,
    tables: &[Table],
    serving: bool,
    notes: &mut Vec<String>,
) -> (Vec<RowCopier>, bool) {
    let locked = !serving && lock(control, from, tables, notes).await;
    for copier in &mut copiers {
        let sql = "START TRANSACTION WITH CONSISTENT SNAPSHOT";
        if let Err(error) = run(&mut copier.reader, from, "taking a snapshot", sql).await {
            tracing::debug!(%error, "no snapshot");
            notes.push(format!(
                "{from}: no consistent snapshot; the copy relies on nobody writing"
            ));
        }
    }
    if serving {
        notes.push(format!(
            "{from}: its tables are of moments close together, and of one moment once they were brought in step"
        ));
    }
    let still = locked
        && (!tables.iter().all(Table::transactional)
            || run(control, from, "unlocking the tables", "UNLOCK TABLES")
                .await
                .is_err());
    (copiers, still)
}

/// Locks the tables of this database against writers. Says whether it could.
async fn lock(
    control: &mut MySqlConnection,
    from: &Target,
    tables: &[Table],
    notes: &mut Vec<String>,
) -> bool {
    let list: Vec<String> = tables
        .iter()
        .map(|table| format!("{} READ", ident(&table.name)))
        .collect();
    if list.is_empty() {
        return false;
    }
    let sql = format!("LOCK TABLES {}", list.join(", "));
    run(
        control,
        from,
        "preparing the session",
        "SET SESSION lock_wait_timeout=5",
    )
    .await
    .ok();
    match run(control, from, "locking the tables", &sql).await {
        Ok(()) => true,
        Err(error) => {
            tracing::debug!(%error, "no lock for a common snapshot");
            notes.push(format!(
                "{from}: the tables could not be locked for a common snapshot; the copy relies on nobody writing"
            ));
            false
        }
    }
}

async fn load(
    copiers: Vec<RowCopier>,
    loads: Vec<Load>,
    cancel: &CancellationToken,
) -> Result<Vec<Loaded>, CopyError> {
    let result = run_all(copiers, loads, cancel).await;
    result.map_err(|Failure { done, error }| {
        error.with_complete(done.into_iter().map(|loaded| loaded.name).collect())
    })
}

async fn create_stored(
    writer: &mut Writer,
    from: &Target,
    to: &Target,
    objects: Vec<stored::Stored>,
    report: &mut CopyReport,
) -> Result<(), CopyError> {
    for object in &objects {
        *report.objects.entry(object.kind.to_owned()).or_default() += 1;
    }
    let (accounts, collation) = target_facts(to).await?;
    writer.run("preparing the session", b"SET NAMES utf8mb4").await?;
    let mut creator = Creator {
        writer,
        from,
        to,
        accounts,
        collation,
        notes: Vec::new(),
        disabled_events: Vec::new(),
    };
    creator.create_all(objects).await?;
    report.notes.append(&mut creator.notes);
    report.disabled_events.append(&mut creator.disabled_events);
    Ok(())
}

/// Accounts that objects may be defined by, if they may be read, and the database's collation.
async fn target_facts(to: &Target) -> Result<(Option<Vec<String>>, String), CopyError> {
    let mut conn = session::reader(to).await?;
    let sql = "SELECT CONCAT('`', REPLACE(User, '`', '``'), '`', \
               IF(Host='', '', CONCAT('@`', REPLACE(Host, '`', '``'), '`'))) FROM mysql.user";
    let accounts = rows(&mut conn, to, "listing the accounts", sql).await.ok();
    let accounts = accounts.map(|found| found.iter().map(|row| text(row, 0)).collect());
    let found = rows(
        &mut conn,
        to,
        "asking for the collation",
        "SELECT @@collation_database",
    )
    .await?;
    Ok((
        accounts,
        found.first().map(|row| text(row, 0)).unwrap_or_default(),
    ))
}
