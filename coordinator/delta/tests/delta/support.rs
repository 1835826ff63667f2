//! Servers shared by the tests, and what the tests do with them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use cutover_copy::{CopyOptions, compare, copy};
use cutover_database::{Engine, Target};
use cutover_delta::{DeltaError, NoProgress, SyncOptions, SyncReport, TableSync, synchronise};
use cutover_testdb::{MariaDb, Postgres};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

/// Two servers of one engine: production's and staging's.
pub(crate) fn maria() -> &'static (MariaDb, MariaDb) {
    static SERVERS: OnceLock<(MariaDb, MariaDb)> = OnceLock::new();
    SERVERS.get_or_init(|| {
        // Staging's packets are smaller than production's largest value, its mode is the strictest; production's
        // default would give a snapshot per statement.
        let strict = "--sql-mode=STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO";
        (
            MariaDb::start_with(&["--sql-mode=", "--transaction-isolation=READ-COMMITTED"]).unwrap(),
            MariaDb::start_with(&["--max-allowed-packet=1M", strict]).unwrap(),
        )
    })
}

pub(crate) fn postgres() -> &'static (Postgres, Postgres) {
    static SERVERS: OnceLock<(Postgres, Postgres)> = OnceLock::new();
    SERVERS.get_or_init(|| (Postgres::start().unwrap(), Postgres::start().unwrap()))
}

/// A database name that no other test uses.
pub(crate) fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{name}_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn maria_target(server: &MariaDb, database: &str) -> Target {
    Target::parse(&server.url(database), SecretString::from(server.password())).unwrap()
}

pub(crate) fn postgres_target(server: &Postgres, database: &str) -> Target {
    Target::parse(&server.url(database), SecretString::from(server.password())).unwrap()
}

/// Production and staging, and a way to run SQL in each.
pub(crate) struct Pair {
    pub(crate) production: Target,
    pub(crate) staging: Target,
}

impl Pair {
    /// Production with `setup`, on the shared servers; staging is a copy of it.
    pub(crate) fn maria(name: &str, setup: &str) -> Self {
        let (here, there) = maria();
        let (from, to) = (unique(name), unique(name));
        here.create_database(&from).unwrap();
        there.create_database(&to).unwrap();
        here.sql(&from, setup).unwrap();
        let pair = Pair {
            production: maria_target(here, &from),
            staging: maria_target(there, &to),
        };
        pair.copy();
        pair
    }

    pub(crate) fn postgres(name: &str, setup: &str) -> Self {
        let (here, there) = postgres();
        let (from, to) = (unique(name), unique(name));
        here.create_database(&from).unwrap();
        there.create_database(&to).unwrap();
        here.sql(&from, setup).unwrap();
        let pair = Pair {
            production: postgres_target(here, &from),
            staging: postgres_target(there, &to),
        };
        pair.copy();
        pair
    }

    pub(crate) fn copy(&self) {
        let (options, cancel) = (CopyOptions::default(), CancellationToken::new());
        runtime()
            .block_on(copy(
                &self.production,
                &self.staging,
                &options,
                Arc::new(cutover_copy::NoProgress),
                &cancel,
            ))
            .unwrap();
    }

    /// Runs SQL in production through the engine's client.
    pub(crate) fn here(&self, sql: &str) -> String {
        match self.production.engine {
            Engine::MySql => maria().0.sql(&self.production.database, sql).unwrap(),
            Engine::Postgres => postgres().0.sql(&self.production.database, sql).unwrap(),
        }
    }

    /// Runs SQL in staging through the engine's client.
    pub(crate) fn there(&self, sql: &str) -> String {
        match self.staging.engine {
            Engine::MySql => maria().1.sql(&self.staging.database, sql).unwrap(),
            Engine::Postgres => postgres().1.sql(&self.staging.database, sql).unwrap(),
        }
    }

    pub(crate) fn try_sync(&self, options: &SyncOptions) -> Result<SyncReport, DeltaError> {
        runtime().block_on(synchronise(
            &self.production,
            &self.staging,
            options,
            Arc::new(NoProgress),
            &CancellationToken::new(),
        ))
    }

    #[track_caller]
    pub(crate) fn sync(&self) -> SyncReport {
        let result = self.try_sync(&SyncOptions::default());
        result.unwrap_or_else(|error| panic!("{}", chain(&error)))
    }

    /// A synchronisation after which the copy engine's own comparison finds no difference.
    #[track_caller]
    pub(crate) fn sync_and_compare(&self) -> SyncReport {
        let report = self.sync();
        self.assert_equal();
        let again = self.sync();
        assert_eq!(again.changes(), 0, "{again:?}");
        report
    }

    #[track_caller]
    pub(crate) fn assert_equal(&self) {
        let (options, cancel) = (CopyOptions::default(), CancellationToken::new());
        let progress = Arc::new(cutover_copy::NoProgress);
        let result = runtime()
            .block_on(compare(
                &self.production,
                &self.staging,
                &options,
                progress,
                &cancel,
            ))
            .unwrap();
        assert!(result.equal, "{:#?}", result.differences);
    }
}

#[track_caller]
fn of<'a>(report: &'a SyncReport, table: &str) -> &'a TableSync {
    let found = report.tables.iter().find(|found| found.name == table);
    found.unwrap_or_else(|| panic!("no table {table} in {report:?}"))
}

/// Inserted, updated and deleted rows of one table.
#[track_caller]
pub(crate) fn changes(report: &SyncReport, table: &str) -> (u64, u64, u64) {
    let found = of(report, table);
    (found.inserted, found.updated, found.deleted)
}

/// Rows of one table whose large values came in pieces.
#[track_caller]
pub(crate) fn in_pieces(report: &SyncReport, table: &str) -> u64 {
    of(report, table).rows_in_pieces
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// Error and all its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}
