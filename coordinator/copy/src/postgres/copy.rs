//! The steps of a copy between PostgreSQL databases.

use std::collections::BTreeMap;
use std::sync::Arc;

use cutover_database::Target;
use futures::future::try_join_all;
use sqlx::postgres::PgConnection;
use tokio_util::sync::CancellationToken;

use super::catalog::{self, Table};
use super::entries::{self, Creator, Entry, Owners};
use super::journal::{self, Journal};
use super::rows::{Item, Loaded, RowCopier};
use super::schema::{Schema, copy_large_objects};
use super::session::{self, ident, literal, rows, run, text};
use super::template;
use super::tools::Tools;
use crate::journal::{Done, identity};
use crate::way::{self, WayFacts};
use crate::workers::{Failure, run_all};
use crate::{CopyError, CopyOptions, CopyProgress, CopyReport, CopyWay};

/// So many tables are mostly small ones, whose connections wait for the network: more of them wait side by side.
const MANY: usize = 500;
const WAITING: usize = 8;

pub(crate) async fn copy(
    from: &Target,
    to: &Target,
    options: &CopyOptions,
    progress: Arc<dyn CopyProgress>,
    cancel: &CancellationToken,
) -> Result<CopyReport, CopyError> {
    let mut facts = WayFacts {
        engine: from.engine,
        wanted: options.same_server,
        same_server: from.same_server(to),
        obstacle: None,
        local_infile: false,
    };
    let (way, why) = way::choose_way(&facts);
    if way == CopyWay::Template {
        match template::copy(from, to, options, why, &progress).await? {
            Ok(report) => return Ok(report),
            Err(reason) => facts.obstacle = Some(reason),
        }
    }
    stream(from, to, options, way::choose_way(&facts), progress, cancel).await
}

async fn stream(
    from: &Target,
    to: &Target,
    options: &CopyOptions,
    way: (CopyWay, String),
    progress: Arc<dyn CopyProgress>,
    cancel: &CancellationToken,
) -> Result<CopyReport, CopyError> {
    let mut control = session::connect(from).await?;
    let mut writer = session::connect(to).await?;
    let majors = (
        catalog::major(&mut control, from).await?,
        catalog::major(&mut writer, to).await?,
    );
    let tools = Tools::find(majors.0, from).await?;
    let mut report = CopyReport::new(way);

    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    run(&mut control, from, "starting a snapshot", begin).await?;
    let exported = rows(
        &mut control,
        from,
        "exporting the snapshot",
        "SELECT pg_export_snapshot()",
    )
    .await?;
    let snapshot = exported.first().map(|row| text(row, 0)).unwrap_or_default();
    let mut tables = catalog::tables(&mut control, from, options).await?;
    tables.sort_by_key(|table| std::cmp::Reverse(table.size));
    progress.total(tables.len() as u64, tables.iter().map(|table| table.size).sum());
    for table in &tables {
        progress.planned(&table.label(), table.size);
    }

    let mut schema = Schema::dump(&tools, from, to, &snapshot, options).await?;
    schema.privileges = facts(&mut control, from, &mut writer, to, &mut report.notes).await?;
    report.objects = schema.objects.clone();
    let mut rest = Rest::plan(&mut control, from, &schema).await?;
    let identity = identity(
        from,
        [schema.script("pre-data").await?, rest.text()]
            .iter()
            .map(String::as_str),
    );
    let journal = Journal::open(&mut writer, to, &identity, options, &mut report.notes).await?;
    if !journal.done.has(journal::SCHEMA) {
        schema.restore_before().await?;
        journal.mark(&mut writer, to, journal::SCHEMA).await?;
    }
    rest.without(&journal.done);

    let plan = LoadPlan {
        from,
        to,
        snapshot: &snapshot,
        same_major: majors.0 == majors.1,
        journal: Arc::new(journal),
        progress: &progress,
    };
    let loaded = plan.load(tables, &mut rest, options, cancel).await?;
    let journal = &plan.journal;
    if !journal.done.has(journal::LARGE_OBJECTS) {
        large_objects(&mut control, &tools, from, to, &snapshot, &mut report).await?;
        journal.mark(&mut writer, to, journal::LARGE_OBJECTS).await?;
    }
    rest.finish(&schema, &mut writer, to, journal, options, cancel)
        .await?;
    set_sequences(&mut control, from, &mut writer, to, options).await?;
    run(&mut control, from, "ending the snapshot", "COMMIT").await?;
    journal.remove(&mut writer, to).await?;

    report.tables = loaded.len() as u64;
    report.kept = loaded.iter().filter(|table| table.kept).count() as u64;
    report.rows = loaded.iter().map(|table| table.rows).sum();
    report.bytes = loaded.iter().map(|table| table.bytes).sum();
    Ok(report)
}

/// What comes after the rows.
struct Rest {
    /// What can be created as soon as the rows of a table are there, by table.
    by_table: BTreeMap<String, Vec<Entry>>,
    /// The others, in an order in which each finds what it needs; `None` when pg_restore is to create all.
    others: Option<Vec<Entry>>,
}

impl Rest {
    async fn plan(control: &mut PgConnection, from: &Target, schema: &Schema<'_>) -> Result<Self, CopyError> {
        let mut rest = Rest {
            by_table: BTreeMap::new(),
            others: None,
        };
        if let Some(entries) = schema.entries().await? {
            let owners = Owners::read(control, from).await?;
            let mut others = Vec::new();
            for entry in entries {
                match owners.of(&entry) {
                    Some(table) => rest.by_table.entry(table.clone()).or_default().push(entry),
                    None => others.push(entry),
                }
            }
            rest.others = Some(others);
        }
        Ok(rest)
    }

    fn text(&self) -> String {
        let own = self.by_table.values().flatten();
        let all = own.chain(self.others.iter().flatten());
        let texts: Vec<&str> = all.map(|entry| entry.sql.as_str()).collect();
        texts.join(";\n")
    }

    /// Without what an interrupted copy created.
    fn without(&mut self, done: &Done) {
        for entries in self.by_table.values_mut().chain(&mut self.others) {
            entries.retain(|entry| !done.has(&entry.place()));
        }
    }

    async fn finish(
        &self,
        schema: &Schema<'_>,
        writer: &mut PgConnection,
        to: &Target,
        journal: &Arc<Journal>,
        options: &CopyOptions,
        cancel: &CancellationToken,
    ) -> Result<(), CopyError> {
        let Some(others) = &self.others else {
            journal.mark(writer, to, journal::REST).await?;
            return schema.restore_after(options.jobs()).await;
        };
        for group in others.chunk_by(|a, b| a.kind == b.kind && a.is_independent()) {
            let creators = (0..options.jobs().min(group.len())).map(|_| Creator::open(to, journal));
            let creators = try_join_all(creators).await?;
            let created = run_all(creators, group.to_vec(), cancel).await;
            created.map_err(|Failure { error, .. }| error)?;
        }
        Ok(())
    }
}

/// What every worker needs.
struct LoadPlan<'a> {
    from: &'a Target,
    to: &'a Target,
    snapshot: &'a str,
    same_major: bool,
    journal: Arc<Journal>,
    progress: &'a Arc<dyn CopyProgress>,
}

impl LoadPlan<'_> {
    async fn load(
        &self,
        tables: Vec<Table>,
        rest: &mut Rest,
        options: &CopyOptions,
        cancel: &CancellationToken,
    ) -> Result<Vec<Loaded>, CopyError> {
        let mut kept = Vec::new();
        let mut items = Vec::new();
        for table in tables {
            let Some(whole) = self.journal.done.table(&table.label()) else {
                items.push(Item::Load(Box::new(table)));
                continue;
            };
            self.progress.table(&table.label(), whole.rows, whole.bytes, true);
            let entries = rest.by_table.remove(&table.label()).unwrap_or_default();
            items.push(Item::Create(entries));
            kept.push(Loaded {
                name: table.label(),
                rows: whole.rows,
                bytes: whole.bytes,
                kept: true,
            });
        }
        let entries = Arc::new(std::mem::take(&mut rest.by_table));
        let jobs = match items.len() {
            MANY.. => options.jobs().max(WAITING),
            _ => options.jobs(),
        };
        let copiers = try_join_all((0..jobs).map(|_| self.copier(&entries))).await?;
        let result = run_all(copiers, items, cancel).await;
        let loaded = result.map_err(|Failure { done, error }| {
            let names = done.into_iter().flatten().chain(std::mem::take(&mut kept));
            error.with_complete(names.map(|loaded| loaded.name).collect())
        })?;
        Ok(loaded.into_iter().flatten().chain(kept).collect())
    }

    async fn copier(&self, entries: &Arc<BTreeMap<String, Vec<Entry>>>) -> Result<RowCopier, CopyError> {
        let mut reader = session::connect(self.from).await?;
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}",
            literal(self.snapshot)
        );
        run(&mut reader, self.from, "taking the common snapshot", &begin).await?;
        let mut writer = session::connect(self.to).await?;
        run(&mut writer, self.to, "preparing the session", entries::BUILDER).await?;
        Ok(RowCopier {
            from: self.from.clone(),
            to: self.to.clone(),
            reader,
            writer,
            same_major: self.same_major,
            progress: Arc::clone(self.progress),
            journal: Arc::clone(&self.journal),
            entries: Arc::clone(entries),
        })
    }
}

/// Notes what a person should know; says whether privileges can be taken over.
async fn facts(
    control: &mut PgConnection,
    from: &Target,
    writer: &mut PgConnection,
    to: &Target,
    notes: &mut Vec<String>,
) -> Result<bool, CopyError> {
    let owners = catalog::owners(control, from).await?;
    let others: Vec<String> = owners.into_iter().filter(|owner| *owner != to.user).collect();
    if !others.is_empty() {
        notes.push(format!(
            "objects of {} now belong to {}",
            others.join(", "),
            to.user
        ));
    }
    let sql = "SELECT extname::text FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1";
    let extensions = catalog::names(control, from, sql).await?;
    if !extensions.is_empty() {
        notes.push(format!(
            "extensions created in staging: {}",
            extensions.join(", ")
        ));
    }
    let grantees = catalog::grantees(control, from).await?;
    let known = catalog::names(writer, to, "SELECT rolname::text FROM pg_roles").await?;
    let superuser = catalog::names(writer, to, "SELECT current_setting('is_superuser')").await?;
    let missing: Vec<&String> = grantees.iter().filter(|name| !known.contains(name)).collect();
    let keep = missing.is_empty() && superuser.iter().any(|value| value == "on");
    let foreign: Vec<String> = grantees
        .iter()
        .filter(|name| **name != to.user)
        .cloned()
        .collect();
    if !keep && !foreign.is_empty() {
        notes.push(format!(
            "privileges granted to {} were not taken over: {} may not grant them in staging, or they do not exist there",
            foreign.join(", "),
            to.user
        ));
    }
    Ok(keep)
}

async fn large_objects(
    control: &mut PgConnection,
    tools: &Tools,
    from: &Target,
    to: &Target,
    snapshot: &str,
    report: &mut CopyReport,
) -> Result<(), CopyError> {
    let count = catalog::names(
        control,
        from,
        "SELECT count(*)::text FROM pg_largeobject_metadata",
    )
    .await?;
    let count: u64 = count.first().and_then(|count| count.parse().ok()).unwrap_or(0);
    if count > 0 {
        // They were created with the schema; what an interrupted copy wrote of them is written again.
        copy_large_objects(tools, from, to, snapshot).await?;
        report.objects.insert("large object".to_owned(), count);
    }
    Ok(())
}

/// Last of all, and not from the snapshot: sequences do not take part in transactions.
async fn set_sequences(
    control: &mut PgConnection,
    from: &Target,
    writer: &mut PgConnection,
    to: &Target,
    options: &CopyOptions,
) -> Result<(), CopyError> {
    let there = catalog::sequences(writer, to).await?;
    for sequence in catalog::sequences(control, from).await? {
        // The sequence of a skipped table stays behind with it.
        let exists = there
            .iter()
            .any(|other| (&other.schema, &other.name) == (&sequence.schema, &sequence.name));
        if !exists && !options.skip_tables.is_empty() {
            continue;
        }
        let name = format!("{}.{}", ident(&sequence.schema), ident(&sequence.name));
        let sql = format!(
            "SELECT setval({}, {}, {})",
            literal(&name),
            sequence.last,
            sequence.called
        );
        run(writer, to, &format!("setting sequence {name}"), &sql).await?;
    }
    Ok(())
}
