//! One table: hash it on both sides, narrow differences down to rows, bring them over, hash again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use crate::DeltaError;
use crate::dialect::Dialect;
use crate::layout::{self, Layout, Selection, Sums};
use crate::merge::{self, Difference};
use crate::mysql::{self, writer::Writer as MySqlWriter};
use crate::options::{SyncOptions, TableSync};
use crate::postgres;
use crate::progress::SyncProgress;
use crate::session::Session;
use crate::spool::{Spool, Wanted};
use crate::table::Table;

/// The connection that changes staging.
pub(crate) enum Writer {
    MySql {
        writer: Box<MySqlWriter>,
        local_infile: Option<()>,
        /// Bytes of one INSERT statement, below what the server takes.
        insert_size: usize,
    },
    Postgres {
        session: Session,
        way: postgres::load::Way,
    },
}

/// Everything one table needs: a view of production, a view of staging, and a connection that changes staging.
pub(crate) struct Worker {
    pub(crate) dialect: Dialect,
    pub(crate) production: Session,
    pub(crate) staging: Session,
    pub(crate) writer: Writer,
    pub(crate) options: Arc<SyncOptions>,
    pub(crate) progress: Arc<dyn SyncProgress>,
    /// Held while triggers are set aside: the probe's name is one for all.
    pub(crate) triggers: Arc<tokio::sync::Mutex<()>>,
}

/// What is to be done to staging's table.
struct Work {
    remove: Spool<Wanted>,
    fetch: Spool<Wanted>,
    result: TableSync,
}

impl Worker {
    pub(crate) async fn table(&mut self, table: &Table) -> Result<TableSync, DeltaError> {
        let started = Instant::now();
        let layout = self.layout(table).await?;
        let (here, there) = futures::try_join!(
            self.dialect
                .sums(&mut self.production, table, layout, &Selection::All),
            self.dialect
                .sums(&mut self.staging, table, layout, &Selection::All)
        )?;
        let differing = layout::differing(&here, &there);
        let mut result = TableSync {
            name: table.label.clone(),
            rows: here.values().map(|(rows, _)| rows).sum(),
            bytes: table.size,
            chunks: here.len() as u64,
            differing_chunks: differing.len() as u64,
            scan_millis: millis(started),
            ..TableSync::default()
        };
        let progress = Arc::clone(&self.progress);
        progress.scanned(&table.label, result.rows, result.bytes, result.differing_chunks);
        if !differing.is_empty() {
            let selections = layout.selections(&differing);
            let work = self.narrow(table, layout, &selections, result).await?;
            result = self.apply(table, work).await?;
            self.verify(table, layout, &selections, &differing, &here, &result)
                .await?;
        }
        progress.done(&table.label);
        result.millis = millis(started);
        Ok(result)
    }

    async fn layout(&mut self, table: &Table) -> Result<Layout, DeltaError> {
        if !Layout::needs_bounds(table.rows) {
            return Ok(Layout::Whole);
        }
        let bounds = self.dialect.bounds(&mut self.production, table).await?;
        Ok(Layout::choose(table.rows, bounds))
    }

    async fn narrow(
        &mut self,
        table: &Table,
        layout: Layout,
        selections: &[Selection],
        result: TableSync,
    ) -> Result<Work, DeltaError> {
        let mut work = Work {
            remove: Spool::new(),
            fetch: Spool::new(),
            result,
        };
        for selection in selections {
            let before = self.dialect.entries(&mut self.staging, table, layout, selection);
            let after = self
                .dialect
                .entries(&mut self.production, table, layout, selection);
            merge::differences(before, after, |found| work.note(found)).await?;
        }
        Ok(work)
    }

    async fn apply(&mut self, table: &Table, work: Work) -> Result<TableSync, DeltaError> {
        let Work {
            remove,
            fetch,
            mut result,
        } = work;
        if remove.len + fetch.len == 0 {
            return Ok(result);
        }
        if let Writer::MySql { writer, .. } = &mut self.writer {
            let _held = self.triggers.lock().await;
            mysql::triggers::set_aside(&mut self.staging, writer, &[table.label.as_str()]).await?;
        }
        let (mut remove, mut fetch) = (remove.read()?, fetch.read()?);
        let what = format!("changing table `{}`", table.label);
        self.statement(&what, "BEGIN").await?;
        // All that differs goes before anything comes: what stays is production's already, so that no row that
        // comes can collide with one that was to go.
        while remove.left > 0 {
            match &mut self.writer {
                Writer::MySql { writer, .. } => mysql::load::remove(writer, table, &mut remove).await?,
                Writer::Postgres { session, way } => {
                    postgres::load::remove(session, *way, table, &mut remove).await?
                }
            };
        }
        let mut since = 0;
        let mut rows = 0;
        while fetch.left > 0 {
            let limit = self.options.batch_bytes.max(1);
            let loaded = match &mut self.writer {
                Writer::MySql {
                    writer,
                    local_infile,
                    insert_size,
                } => {
                    let from = &mut self.production;
                    mysql::load::load(
                        from,
                        writer,
                        *local_infile,
                        *insert_size,
                        table,
                        &mut fetch,
                        limit,
                    )
                    .await?
                }
                Writer::Postgres { session, way } => {
                    postgres::load::load(&mut self.production, session, *way, table, &mut fetch).await?
                }
            };
            rows += loaded.rows;
            since += loaded.bytes;
            result.applied_bytes += loaded.bytes;
            result.rows_in_pieces += loaded.in_pieces;
            self.progress.applied(&table.label, rows, result.applied_bytes);
            if since >= limit && fetch.left > 0 {
                self.statement(&what, "COMMIT").await?;
                self.statement(&what, "BEGIN").await?;
                since = 0;
            }
        }
        self.statement(&what, "COMMIT").await?;
        Ok(result)
    }

    async fn statement(&mut self, what: &str, sql: &str) -> Result<(), DeltaError> {
        match &mut self.writer {
            Writer::MySql { writer, .. } => writer.run(what, sql).await.map(drop),
            Writer::Postgres { session, .. } => session.run(what, sql).await.map(drop),
        }
    }

    /// Hashes the changed chunks of staging again: the servers say that the rows are the same, not this program.
    async fn verify(
        &mut self,
        table: &Table,
        layout: Layout,
        selections: &[Selection],
        differing: &BTreeSet<i128>,
        here: &Sums,
        result: &TableSync,
    ) -> Result<(), DeltaError> {
        let mut there = Sums::new();
        for selection in selections {
            there.extend(
                self.dialect
                    .sums(&mut self.staging, table, layout, selection)
                    .await?,
            );
        }
        if differing.iter().all(|chunk| here.get(chunk) == there.get(chunk)) {
            return Ok(());
        }
        Err(DeltaError::StillDiffers {
            table: table.label.clone(),
            production: self.production.label().to_owned(),
            staging: self.staging.label().to_owned(),
            changes: result.changes(),
        })
    }
}

impl Work {
    fn note(&mut self, found: Difference) -> Result<(), DeltaError> {
        let (old, new) = (count(found.before), count(found.after));
        match (found.before, found.after) {
            // The same rows, more or fewer of them: only tables without keys have these.
            (Some((before, _)), Some((after, _))) if before == after => {
                self.result.inserted += new.saturating_sub(old);
                self.result.deleted += old.saturating_sub(new);
                if old > new {
                    return self.remove.push(&wanted(found.key, old - new, old));
                }
                self.fetch.push(&wanted(found.key, new - old, new))
            }
            (Some(_), Some(_)) => {
                self.result.updated += 1;
                self.remove.push(&wanted(found.key.clone(), old, old))?;
                self.fetch.push(&wanted(found.key, new, new))
            }
            (None, Some(_)) => {
                self.result.inserted += new;
                self.fetch.push(&wanted(found.key, new, new))
            }
            (Some(_), None) => {
                self.result.deleted += old;
                self.remove.push(&wanted(found.key, old, old))
            }
            (None, None) => Ok(()),
        }
    }
}

fn count(state: Option<(crate::entry::Hash, u64)>) -> u64 {
    state.map_or(0, |(_, count)| count)
}

fn wanted(key: Vec<Vec<u8>>, count: u64, of: u64) -> Wanted {
    Wanted { key, count, of }
}

pub(crate) fn millis(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}
