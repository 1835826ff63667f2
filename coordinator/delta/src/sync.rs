//! One pass over all tables.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use cutover_database::{Engine, Target};
use futures::future::try_join_all;

use crate::DeltaError;
use crate::dialect::Dialect;
use crate::drift;
use crate::mysql::{self, writer::Writer as MySqlWriter};
use crate::options::{SyncOptions, SyncReport, TableSync};
use crate::pass::{Worker, Writer, millis};
use crate::postgres::{self, catalog::Method, load::Way};
use crate::progress::SyncProgress;
use crate::proof::{self, ForeignKey};
use crate::session::Session;
use crate::table::Table;

pub(crate) async fn run(
    production: &Target,
    staging: &Target,
    options: &SyncOptions,
    progress: Arc<dyn SyncProgress>,
) -> Result<SyncReport, DeltaError> {
    let pass = Pass {
        production,
        staging,
        options: Arc::new(options.clone()),
        progress,
        triggers: Arc::default(),
    };
    match production.engine {
        Engine::MySql => Box::pin(pass.mysql()).await,
        Engine::Postgres => Box::pin(pass.postgres()).await,
    }
}

/// The tables of both sides, proven to be alike, and how they are hashed.
struct Catalog {
    dialect: Dialect,
    tables: Vec<Table>,
}

struct Pass<'a> {
    production: &'a Target,
    staging: &'a Target,
    options: Arc<SyncOptions>,
    progress: Arc<dyn SyncProgress>,
    triggers: Arc<tokio::sync::Mutex<()>>,
}

impl Pass<'_> {
    async fn mysql(&self) -> Result<SyncReport, DeltaError> {
        let (mut here, mut there) = self.controls().await?;
        let mut lock = MySqlWriter::open(self.staging).await?;
        lock.lock().await?;
        // What an earlier run set aside and died before it could make again.
        mysql::triggers::restore(&mut there, &mut lock).await?;
        let result = self.mysql_tables(&mut here, &mut there, &mut lock).await;
        let restored = mysql::triggers::restore(&mut there, &mut lock).await;
        let mut report = result?;
        let restored = restored?;
        if restored > 0 {
            report.notes.push(format!(
                "{}: {restored} triggers were set aside while rows were brought over, and made again",
                self.staging
            ));
        }
        Ok(report)
    }

    async fn mysql_tables(
        &self,
        here: &mut Session,
        there: &mut Session,
        lock: &mut MySqlWriter,
    ) -> Result<SyncReport, DeltaError> {
        let (ours, theirs) = futures::try_join!(mysql::catalog::server(here), mysql::catalog::server(there))?;
        let crc32c = ours.crc32c && theirs.crc32c;
        // Several connections see one state only while nobody writes.
        let jobs = if self.options.fenced { self.jobs() } else { 1 };
        let insert_size = usize::try_from(theirs.max_packet / 3)
            .unwrap_or(usize::MAX)
            .min(1 << 20);
        let mut workers = try_join_all((0..jobs).map(|_| async {
            let mut production = Session::open(self.production).await?;
            let sql = "START TRANSACTION WITH CONSISTENT SNAPSHOT";
            production.run("taking a snapshot", sql).await?;
            let writer = Box::new(MySqlWriter::open(self.staging).await?);
            Ok::<_, DeltaError>((production, Session::open(self.staging).await?, writer))
        }))
        .await?
        .into_iter()
        .map(|(production, staging, writer)| {
            let writer = Writer::MySql {
                writer,
                local_infile: theirs.local_infile.then_some(()),
                insert_size,
            };
            self.worker(Dialect::MySql { crc32c }, production, staging, writer)
        })
        .collect::<Vec<Worker>>();
        let tables = futures::try_join!(
            mysql::catalog::tables(here, ours, crc32c, &self.options),
            mysql::catalog::tables(there, theirs, crc32c, &self.options)
        )?;
        let catalog = self.catalog(Dialect::MySql { crc32c }, tables.0, &tables.1)?;
        let keys = mysql::finish::foreign_keys(there).await?;
        let mut report = self.work(&mut workers, catalog, &keys).await?;
        drop(workers);
        report.counters = mysql::finish::counters(here, there, lock, &self.options).await?;
        Ok(report)
    }

    async fn postgres(&self) -> Result<SyncReport, DeltaError> {
        let (mut here, mut there) = self.controls().await?;
        let sql = "SELECT pg_advisory_lock(hashtextextended('cutover-delta', 0))";
        if let Err(error) = there.run("taking the lock", sql).await {
            tracing::debug!(%error, "no lock");
            return Err(DeltaError::Busy {
                database: self.staging.to_string(),
            });
        }
        self.refuse_stubborn_triggers(&mut there).await?;
        let (ours, theirs) = futures::try_join!(
            postgres::catalog::major(&mut here),
            postgres::catalog::major(&mut there)
        )?;
        let way = Way {
            method: Method::choose(ours, theirs),
            same_major: ours == theirs,
        };
        let dialect = Dialect::Postgres(way.method);
        let mut workers = Vec::new();
        let mut snapshot = None;
        for _ in 0..self.jobs() {
            let production = self.postgres_snapshot(&mut snapshot).await?;
            let staging = Session::open(self.staging).await?;
            let session = self.postgres_writer().await?;
            workers.push(self.worker(dialect, production, staging, Writer::Postgres { session, way }));
        }
        let tables = futures::try_join!(
            postgres::catalog::tables(&mut here, way.method, &self.options),
            postgres::catalog::tables(&mut there, way.method, &self.options)
        )?;
        let catalog = self.catalog(dialect, tables.0, &tables.1)?;
        let keys = postgres::finish::foreign_keys(&mut there).await?;
        let mut report = self.work(&mut workers, catalog, &keys).await?;
        drop(workers);
        report.counters = postgres::finish::counters(&mut here, &mut there).await?;
        Ok(report)
    }

    /// The first connection exports its snapshot, the others take it on.
    async fn postgres_snapshot(&self, snapshot: &mut Option<String>) -> Result<Session, DeltaError> {
        let mut session = Session::open(self.production).await?;
        let what = "taking a snapshot";
        session
            .run(what, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await?;
        match snapshot {
            Some(name) => {
                let sql = format!("SET TRANSACTION SNAPSHOT {}", postgres::sql::literal(name));
                session.run(what, sql).await?;
            }
            None => {
                let found = session.rows(what, "SELECT pg_export_snapshot()").await?;
                *snapshot = found.first().map(|row| crate::session::text(row, 0));
            }
        }
        Ok(session)
    }

    /// A session in which neither triggers nor foreign keys act.
    async fn postgres_writer(&self) -> Result<Session, DeltaError> {
        let mut session = Session::open(self.staging).await?;
        let set = session
            .run("silencing triggers", "SET session_replication_role=replica")
            .await;
        set.map_err(|error| DeltaError::Unsupported {
            what: "staging".to_owned(),
            database: self.staging.to_string(),
            why: format!(
                "its account may not silence triggers and foreign keys ({})",
                std::error::Error::source(&error).map_or_else(String::new, ToString::to_string)
            ),
            remedy: format!(
                "let it be a superuser, or from PostgreSQL 15 on: GRANT SET ON PARAMETER session_replication_role TO {}",
                postgres::sql::ident(&self.staging.user)
            ),
        })?;
        Ok(session)
    }

    async fn refuse_stubborn_triggers(&self, there: &mut Session) -> Result<(), DeltaError> {
        let names = postgres::catalog::stubborn_triggers(there).await?;
        if names.is_empty() {
            return Ok(());
        }
        Err(DeltaError::Triggers {
            database: self.staging.to_string(),
            names,
            why: "is set to fire for rows that are brought over too (ENABLE ALWAYS or ENABLE REPLICA)"
                .to_owned(),
            remedy: "disable it in staging and enable it after the switch".to_owned(),
        })
    }

    async fn controls(&self) -> Result<(Session, Session), DeltaError> {
        futures::try_join!(Session::open(self.production), Session::open(self.staging))
    }

    fn jobs(&self) -> usize {
        self.options.jobs.clamp(1, 64)
    }

    fn worker(&self, dialect: Dialect, production: Session, staging: Session, writer: Writer) -> Worker {
        Worker {
            dialect,
            production,
            staging,
            writer,
            options: Arc::clone(&self.options),
            progress: Arc::clone(&self.progress),
            triggers: Arc::clone(&self.triggers),
        }
    }

    fn catalog(
        &self,
        dialect: Dialect,
        production: Vec<Table>,
        staging: &[Table],
    ) -> Result<Catalog, DeltaError> {
        let differences = drift::differences(&production, staging);
        if !differences.is_empty() {
            return Err(DeltaError::Drift {
                production: self.production.to_string(),
                staging: self.staging.to_string(),
                differences,
            });
        }
        Ok(Catalog {
            dialect,
            tables: production,
        })
    }

    async fn work(
        &self,
        workers: &mut [Worker],
        catalog: Catalog,
        keys: &[ForeignKey],
    ) -> Result<SyncReport, DeltaError> {
        let started = Instant::now();
        let mut tables = catalog.tables;
        let size = tables.iter().map(|table| table.size).sum();
        self.progress.total(tables.len() as u64, size);
        tracing::debug!(dialect = ?catalog.dialect, tables = tables.len(), size, "comparing");
        // The largest first, so that no connection is left with it at the end.
        tables.sort_by_key(|table| std::cmp::Reverse(table.size));
        let queue = Mutex::new(VecDeque::from(tables));
        let done = Mutex::new(Vec::<TableSync>::new());
        try_join_all(workers.iter_mut().map(|worker| async {
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some(table) = next else {
                    return Ok::<(), DeltaError>(());
                };
                let result = Box::pin(worker.table(&table)).await?;
                done.lock().unwrap_or_else(PoisonError::into_inner).push(result);
            }
        }))
        .await?;
        let mut report = SyncReport::default();
        let mut tables = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        tables.into_iter().for_each(|table| report.add(table));
        if let Some(worker) = workers.first_mut() {
            report.foreign_keys = self.prove(worker, keys, &mut report).await?;
        }
        report.millis = millis(started);
        Ok(report)
    }

    async fn prove(
        &self,
        worker: &mut Worker,
        keys: &[ForeignKey],
        report: &mut SyncReport,
    ) -> Result<u64, DeltaError> {
        let changed = report.tables.iter().filter(|table| table.changes() > 0);
        let changed: BTreeSet<String> = changed.map(|table| table.name.clone()).collect();
        let only = (!self.options.prove_all_foreign_keys).then_some(&changed);
        let (production, staging) = (&mut worker.production, &mut worker.staging);
        proof::prove(keys, only, production, staging, &mut report.notes).await
    }
}

/// A session that sees one state of a database, and its tables as they are hashed among servers of its kind.
pub(crate) async fn frozen(
    target: &Target,
    options: &SyncOptions,
) -> Result<(Session, Dialect, Vec<Table>), DeltaError> {
    let dialect = common_dialect(target, target).await?;
    let (session, tables) = frozen_as(target, dialect, options).await?;
    Ok((session, dialect, tables))
}

/// How rows are hashed on both servers alike.
pub(crate) async fn common_dialect(one: &Target, other: &Target) -> Result<Dialect, DeltaError> {
    let (mut here, mut there) = futures::try_join!(Session::open(one), Session::open(other))?;
    match one.engine {
        Engine::MySql => {
            let (ours, theirs) = futures::try_join!(
                mysql::catalog::server(&mut here),
                mysql::catalog::server(&mut there)
            )?;
            Ok(Dialect::MySql {
                crc32c: ours.crc32c && theirs.crc32c,
            })
        }
        Engine::Postgres => {
            let (ours, theirs) = futures::try_join!(
                postgres::catalog::major(&mut here),
                postgres::catalog::major(&mut there)
            )?;
            Ok(Dialect::Postgres(Method::choose(ours, theirs)))
        }
    }
}

/// A session that sees one state of a database, and its tables as this dialect hashes them.
pub(crate) async fn frozen_as(
    target: &Target,
    dialect: Dialect,
    options: &SyncOptions,
) -> Result<(Session, Vec<Table>), DeltaError> {
    let mut control = Session::open(target).await?;
    let mut session = Session::open(target).await?;
    let what = "taking a snapshot";
    let tables = match dialect {
        Dialect::MySql { crc32c } => {
            session
                .run(what, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
                .await?;
            let server = mysql::catalog::server(&mut control).await?;
            mysql::catalog::tables(&mut control, server, crc32c, options).await?
        }
        Dialect::Postgres(method) => {
            session
                .run(what, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                .await?;
            postgres::catalog::tables(&mut session, method, options).await?
        }
    };
    Ok((session, tables))
}
