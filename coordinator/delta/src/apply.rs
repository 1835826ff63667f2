//! Rows that arrived in production after a copy was taken, brought into the copy after it was migrated.

mod landing;
mod ops;
mod order;
mod own_tables;

pub use own_tables::{DeadLetter, dead_letters, forget};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use cutover_database::{Engine, Target};
use futures::stream;

pub(crate) use self::landing::Landing;
use self::ops::{Act, Applier, Hands, Stuck};
use crate::DeltaError;
use crate::dialect::Dialect;
use crate::entry::Entry;
use crate::layout::{Layout, Selection};
use crate::manifest::{self, Manifest, ManifestTable};
use crate::mapping::Mapping;
use crate::merge::{self, Difference};
use crate::mysql::{self, writer::Writer as MySqlWriter};
use crate::options::SyncOptions;
use crate::pass::millis;
use crate::postgres;
use crate::progress::SyncProgress;
use crate::session::Session;
use crate::spool::{Spool, Spooled};
use crate::sync;
use crate::table::Table;

/// Changes in one transaction.
const BATCH: usize = 200;
const BATCH_BYTES: usize = 1 << 20;

/// What became of one table's delta.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TableDelta {
    /// Table, by its name in production.
    pub name: String,
    /// Rows that are new since the copy, or since the last call.
    pub inserted: u64,
    /// Rows whose values changed.
    pub updated: u64,
    /// Rows that are gone.
    pub deleted: u64,
    /// Changes left behind, because the migration drops the table and the mapping says so.
    pub left_behind: u64,
    /// Changes that staging did not take.
    pub dead_letters: u64,
}

/// What became of the delta.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct DeltaReport {
    /// Tables with changes, in the order of names.
    pub tables: Vec<TableDelta>,
    /// Changes found.
    pub changes: u64,
    /// Changes that staging did not take; [`dead_letters`] shows them.
    pub dead_letters: u64,
    /// Rows that the migration made different in columns that stayed, by table; looked for while production serves, when
    /// nothing was refused.
    pub differences: Vec<String>,
    /// Rows that the fix-ups changed.
    pub fixed_rows: u64,
    /// Counters that were moved on.
    pub counters: u64,
    /// Wall time.
    pub millis: u64,
}

/// A table with its differences, sorted by what is to be done.
struct Delta {
    landing: Landing,
    deletes: Spool<Difference>,
    stores: Spool<Difference>,
}

pub(crate) struct Run<'a> {
    pub(crate) production: &'a Target,
    pub(crate) staging: &'a Target,
    pub(crate) manifest: &'a Manifest,
    pub(crate) mapping: &'a Mapping,
    pub(crate) fix_ups: &'a [String],
    pub(crate) options: &'a SyncOptions,
    pub(crate) progress: Arc<dyn SyncProgress>,
}

impl Run<'_> {
    pub(crate) async fn run(self) -> Result<DeltaReport, DeltaError> {
        let started = Instant::now();
        let engine = self.production.engine;
        if self.manifest.engine() != engine {
            return Err(self
                .manifest
                .unusable(format!("it is of a {} database", self.manifest.engine())));
        }
        let (mut here, dialect, tables) = sync::frozen(self.production, self.options).await?;
        let hashing = manifest::hashing(&mut here, dialect).await?;
        if hashing != self.manifest.hashing() {
            let why = format!(
                "its rows were hashed as {}, production's are as {hashing}",
                self.manifest.hashing()
            );
            return Err(self.manifest.unusable(why));
        }
        self.refuse_drift(&tables)?;
        let mut there = self.open_staging().await?;
        own_tables::create(&mut there, engine).await?;
        let (_, _, migrated) = sync::frozen(self.staging, self.options).await?;
        let size = tables.iter().map(|table| table.size).sum();
        self.progress.total(tables.len() as u64, size);
        let mut report = DeltaReport::default();
        let mut deltas = BTreeMap::new();
        let label = self.staging.to_string();
        let mut landings = Vec::new();
        for table in &tables {
            // Every table is looked for, so that one without changes is not missed at the end.
            let landing = Landing::find(engine, table, &migrated, self.mapping, &label)?;
            let found = self.difference(&mut here, &mut there, dialect, table).await?;
            if let Some(delta) = land(found, landing.clone(), &mut report) {
                deltas.insert(delta.landing.staging.label.clone(), delta);
            }
            landings.extend(landing);
        }
        self.refuse_triggers(&mut there, &deltas).await?;
        let stuck = self.apply(&mut here, &mut there, dialect, deltas).await?;
        own_tables::replace_letters(&mut there, engine, &stuck).await?;
        for letter in &stuck {
            let own = report.tables.iter_mut().find(|table| table.name == letter.table);
            own.into_iter().for_each(|table| table.dead_letters += 1);
        }
        report.dead_letters = stuck.len() as u64;
        if !self.options.fenced && stuck.is_empty() {
            report.differences = self.converted(&mut there, dialect, &landings).await?;
        }
        report.fixed_rows = self.fix(&mut there).await?;
        report.counters = self.counters(&mut there).await?;
        report.millis = millis(started);
        Ok(report)
    }

    /// A session in which values that do not fit are refused and foreign keys act.
    async fn open_staging(&self) -> Result<Session, DeltaError> {
        let mut session = Session::open(self.staging).await?;
        match self.staging.engine {
            Engine::MySql => {
                let mode =
                    "STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION,ALLOW_INVALID_DATES";
                let sql = format!("SET SESSION sql_mode='{mode}'");
                session.run("preparing the session", sql).await?;
                session.run("preparing the session", "SET NAMES binary").await?;
                let sql = "SELECT GET_LOCK(LEFT(CONCAT('cutover-delta:', DATABASE()), 64), 60)";
                let got = session.rows("taking the lock", sql).await?;
                if got.first().is_none_or(|row| crate::session::text(row, 0) != "1") {
                    return Err(DeltaError::Busy {
                        database: self.staging.to_string(),
                    });
                }
            }
            Engine::Postgres => {
                let sql = "SELECT pg_advisory_lock(hashtextextended('cutover-delta', 0))";
                session.run("taking the lock", sql).await?;
            }
        }
        Ok(session)
    }

    /// Rows can be compared with the manifest only in the schema it was written in.
    fn refuse_drift(&self, tables: &[Table]) -> Result<(), DeltaError> {
        let kept = self.manifest.tables();
        let mut differences = Vec::new();
        for table in tables {
            match kept.get(&table.label) {
                None => differences.push(format!("table `{}` appeared in production", table.label)),
                Some(known) if !alike(known, table) => {
                    differences.push(format!(
                        "the columns or the key of table `{}` changed in production",
                        table.label
                    ));
                }
                Some(_) => {}
            }
        }
        let here: BTreeSet<&str> = tables.iter().map(|table| table.label.as_str()).collect();
        let gone = kept
            .keys()
            .filter(|name| !here.contains(name.as_str()) && !self.options.skips(name));
        differences.extend(gone.map(|name| format!("table `{name}` is gone from production")));
        if differences.is_empty() {
            return Ok(());
        }
        Err(DeltaError::Drift {
            production: self.production.to_string(),
            staging: "the manifest of the copy".to_owned(),
            differences,
        })
    }

    /// What changed since the copy, as far as it was not brought over already.
    async fn difference(
        &self,
        here: &mut Session,
        there: &mut Session,
        dialect: Dialect,
        table: &Table,
    ) -> Result<(TableDelta, Spool<Difference>, Spool<Difference>), DeltaError> {
        let mut delta = TableDelta {
            name: table.label.clone(),
            ..TableDelta::default()
        };
        let (mut deletes, mut stores) = (Spool::new(), Spool::new());
        let Some(known) = self.manifest.tables().get(&table.label) else {
            return Ok((delta, deletes, stores));
        };
        let applied =
            own_tables::applied(there, self.staging.engine, self.manifest.id(), &table.label).await?;
        let before = stream::iter(overlay(self.manifest.rows(known)?, applied));
        let after = dialect.entries(here, table, Layout::Whole, &Selection::All);
        let mut rows = 0;
        merge::differences(before, after, |found| {
            rows += 1;
            let (old, new) = (count(found.before), count(found.after));
            match (table.keyless(), old < new) {
                (false, _) if old == 1 && new == 1 => delta.updated += 1,
                (_, true) => delta.inserted += new - old,
                (_, false) => delta.deleted += old - new,
            }
            match new == 0 || new < old {
                true => deletes.push(&found),
                false => stores.push(&found),
            }
        })
        .await?;
        self.progress.scanned(&table.label, known.rows, table.size, rows);
        Ok((delta, deletes, stores))
    }

    /// Rows that the migration itself made different in the columns that stayed: what the copy held, with what was
    /// brought in since, against what staging holds. The comparison behind the fence would find them too late.
    async fn converted(
        &self,
        there: &mut Session,
        dialect: Dialect,
        landings: &[Landing],
    ) -> Result<Vec<String>, DeltaError> {
        let mut found = Vec::new();
        for landing in landings.iter().filter(|landing| landing.is_whole()) {
            let name = &landing.production.label;
            let Some(known) = self.manifest.tables().get(name) else {
                continue;
            };
            let applied = own_tables::applied(there, self.staging.engine, self.manifest.id(), name).await?;
            let before = stream::iter(overlay(self.manifest.rows(known)?, applied));
            let after = dialect.entries(there, &landing.staging, Layout::Whole, &Selection::All);
            let mut rows = 0_u64;
            merge::differences(before, after, |_| {
                rows += 1;
                Ok(())
            })
            .await?;
            if rows > 0 {
                found.push(format!("{rows} rows of `{name}`"));
            }
        }
        Ok(found)
    }

    async fn refuse_triggers(
        &self,
        there: &mut Session,
        deltas: &BTreeMap<String, Delta>,
    ) -> Result<(), DeltaError> {
        let mut existing = match self.staging.engine {
            Engine::MySql => mysql::catalog::triggers(there).await?,
            Engine::Postgres => postgres::catalog::triggers(there).await?,
        };
        existing.retain(|table, _| deltas.contains_key(table));
        if existing.is_empty() {
            return Ok(());
        }
        Err(DeltaError::Triggers {
            database: self.staging.to_string(),
            names: existing.into_values().flatten().collect(),
            why: "would act on rows that are brought over".to_owned(),
            remedy: "drop it in staging and create it again after the switch".to_owned(),
        })
    }

    /// Deletes children first, then stores parents first, then tries again what was refused, as long as that helps.
    async fn apply(
        &self,
        here: &mut Session,
        there: &mut Session,
        dialect: Dialect,
        deltas: BTreeMap<String, Delta>,
    ) -> Result<Vec<Stuck>, DeltaError> {
        let keys = match self.staging.engine {
            Engine::MySql => mysql::finish::foreign_keys(there).await?,
            Engine::Postgres => postgres::finish::foreign_keys(there).await?,
        };
        let keys: Vec<(String, String)> = keys.into_iter().map(|key| (key.table, key.parent)).collect();
        let order = order::parents_first(&deltas.keys().cloned().collect(), &keys);
        let mut applier = Applier {
            production: here,
            hands: Hands {
                dialect,
                staging: there,
                manifest: self.manifest.id(),
                stuck: Vec::new(),
            },
        };
        let mut landings = BTreeMap::new();
        let mut deletes = BTreeMap::new();
        let mut stores = BTreeMap::new();
        for (name, delta) in deltas {
            deletes.insert(name.clone(), delta.deletes.read()?);
            stores.insert(name.clone(), delta.stores.read()?);
            landings.insert(name, delta.landing);
        }
        for name in order.iter().rev() {
            self.work_off(&mut applier, &landings, name, Act::Delete, deletes.get_mut(name))
                .await?;
        }
        for name in &order {
            self.work_off(&mut applier, &landings, name, Act::Store, stores.get_mut(name))
                .await?;
            self.progress.done(name);
        }
        loop {
            let stuck = std::mem::take(&mut applier.hands.stuck);
            let before = stuck.len();
            for one in stuck {
                let landing = landings
                    .values()
                    .find(|landing| landing.production.label == one.table);
                if let Some(landing) = landing {
                    applier.batch(landing, one.act, vec![one.op]).await?;
                }
            }
            if applier.hands.stuck.len() >= before {
                return Ok(applier.hands.stuck);
            }
        }
    }

    async fn work_off(
        &self,
        applier: &mut Applier<'_>,
        landings: &BTreeMap<String, Landing>,
        name: &str,
        act: Act,
        spooled: Option<&mut Spooled<Difference>>,
    ) -> Result<(), DeltaError> {
        let (Some(landing), Some(spooled)) = (landings.get(name), spooled) else {
            return Ok(());
        };
        let mut rows = 0;
        while spooled.left > 0 {
            let batch = spooled.batch(BATCH, BATCH_BYTES)?;
            rows += batch.len() as u64;
            applier.batch(landing, act, batch).await?;
            self.progress.applied(name, rows, 0);
        }
        Ok(())
    }

    /// The fix-ups, in one transaction.
    async fn fix(&self, there: &mut Session) -> Result<u64, DeltaError> {
        let prepare = match self.staging.engine {
            Engine::MySql => "SET NAMES utf8mb4",
            Engine::Postgres => "RESET search_path",
        };
        there.run("preparing the session", prepare).await?;
        there.run("running the fix-ups", "BEGIN").await?;
        let mut rows = 0;
        for (index, sql) in self.fix_ups.iter().enumerate() {
            rows += there.run(&format!("fix-up {}", index + 1), sql.as_str()).await?;
        }
        there.run("running the fix-ups", "COMMIT").await?;
        Ok(rows)
    }

    async fn counters(&self, there: &mut Session) -> Result<u64, DeltaError> {
        let mut here = Session::open(self.production).await?;
        match self.staging.engine {
            Engine::MySql => {
                let mut writer = MySqlWriter::open(self.staging).await?;
                let moved =
                    mysql::finish::auto_increments(&mut here, there, &mut writer, self.options).await?;
                Ok(moved + mysql::finish::sequences(&mut here, there, &mut writer).await?)
            }
            Engine::Postgres => postgres::finish::advance(&mut here, there).await,
        }
    }
}

fn land(
    (mut delta, deletes, stores): (TableDelta, Spool<Difference>, Spool<Difference>),
    landing: Option<Landing>,
    report: &mut DeltaReport,
) -> Option<Delta> {
    let changes = delta.inserted + delta.updated + delta.deleted;
    if deletes.len + stores.len == 0 {
        return None;
    }
    if landing.is_none() {
        delta.left_behind = changes;
    }
    report.changes += changes;
    report.tables.push(delta);
    landing.map(|landing| Delta {
        landing,
        deletes,
        stores,
    })
}

fn alike(known: &ManifestTable, table: &Table) -> bool {
    let key: Vec<String> = table.key_columns().map(|column| column.name.clone()).collect();
    known.columns == table.signature && known.key == key
}

fn count(state: Option<(crate::entry::Hash, u64)>) -> u64 {
    state.map_or(0, |(_, count)| count)
}

/// The rows of the manifest with those in their place that were brought over since; both in one order.
fn overlay(
    manifest: impl Iterator<Item = Result<Entry, DeltaError>>,
    applied: BTreeMap<Vec<u8>, Option<Entry>>,
) -> impl Iterator<Item = Result<Entry, DeltaError>> {
    let mut manifest = manifest.peekable();
    let mut applied = applied.into_iter().peekable();
    std::iter::from_fn(move || {
        loop {
            let kept = match (manifest.peek(), applied.peek()) {
                (_, None) | (Some(Err(_)), _) => return manifest.next(),
                (None, Some(_)) => false,
                (Some(Ok(entry)), Some((sort, _))) if entry.sort < *sort => true,
                (Some(Ok(entry)), Some((sort, _))) => {
                    if entry.sort == *sort {
                        manifest.next();
                    }
                    false
                }
            };
            if kept {
                return manifest.next();
            }
            if let Some((_, Some(entry))) = applied.next() {
                return Some(Ok(entry));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(key: u8, hash: u8) -> Entry {
        Entry {
            sort: vec![key],
            key: vec![vec![key]],
            hash: [hash; 16],
            count: 1,
        }
    }

    proptest! {
        #[test]
        fn overlay_when_rows_were_applied_then_they_stand_in_their_place(
            manifest in proptest::collection::btree_map(0_u8..30, 0_u8..3, 0..25),
            applied in proptest::collection::btree_map(0_u8..30, proptest::option::of(0_u8..3), 0..25),
        ) {
            let rows = manifest.iter().map(|(key, hash)| Ok(entry(*key, *hash)));
            let memory = applied.iter().map(|(key, hash)| (vec![*key], hash.map(|hash| entry(*key, hash))));
            let found: Vec<Entry> = overlay(rows, memory.collect()).map(Result::unwrap).collect();
            let mut expected = manifest.clone();
            for (key, hash) in &applied {
                match hash {
                    Some(hash) => drop(expected.insert(*key, *hash)),
                    None => drop(expected.remove(key)),
                }
            }
            let expected: Vec<Entry> = expected.iter().map(|(key, hash)| entry(*key, *hash)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
