//! Servers shared by the tests, and what the tests do with them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use cutover_copy::{Comparison, CopyError, CopyOptions, CopyReport, NoProgress, compare, copy};
use cutover_database::Target;
use cutover_testdb::{MariaDb, Postgres};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

/// Two servers of one engine: production's and staging's.
pub(crate) fn maria() -> &'static (MariaDb, MariaDb) {
    static SERVERS: OnceLock<(MariaDb, MariaDb)> = OnceLock::new();
    SERVERS.get_or_init(|| {
        // Staging's packets are smaller than production's largest value, its mode is the strictest.
        let strict = "--sql-mode=STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO";
        let production = MariaDb::start_with(&["--sql-mode="]).unwrap();
        let staging =
            MariaDb::start_with(&["--max-allowed-packet=16M", "--event-scheduler=ON", strict]).unwrap();
        (production, staging)
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

/// Fresh databases for production and staging on two MariaDB servers.
pub(crate) fn maria_pair(name: &str) -> (Target, Target) {
    let (production, staging) = maria();
    let (from, to) = (unique(name), unique(name));
    production.create_database(&from).unwrap();
    staging.create_database(&to).unwrap();
    (maria_target(production, &from), maria_target(staging, &to))
}

pub(crate) fn postgres_pair(name: &str) -> (Target, Target) {
    let (production, staging) = postgres();
    let (from, to) = (unique(name), unique(name));
    production.create_database(&from).unwrap();
    staging.create_database(&to).unwrap();
    (postgres_target(production, &from), postgres_target(staging, &to))
}

pub(crate) fn run_copy(from: &Target, to: &Target, options: &CopyOptions) -> Result<CopyReport, CopyError> {
    runtime().block_on(copy(
        from,
        to,
        options,
        Arc::new(NoProgress),
        &CancellationToken::new(),
    ))
}

pub(crate) fn run_compare(a: &Target, b: &Target) -> Comparison {
    let options = CopyOptions::default();
    runtime()
        .block_on(compare(
            a,
            b,
            &options,
            Arc::new(NoProgress),
            &CancellationToken::new(),
        ))
        .unwrap()
}

pub(crate) fn assert_equal(a: &Target, b: &Target) -> Comparison {
    let result = run_compare(a, b);
    assert!(result.equal, "{:#?}", result.differences);
    assert!(result.differences.is_empty());
    result
}

/// The one difference that is found, which must contain every word.
#[track_caller]
pub(crate) fn assert_difference(a: &Target, b: &Target, words: &[&str]) {
    let result = run_compare(a, b);
    assert!(!result.equal);
    assert_eq!(result.differences.len(), 1, "{:#?}", result.differences);
    let found = &result.differences[0];
    assert!(
        words.iter().all(|word| found.contains(word)),
        "{found} lacks one of {words:?}"
    );
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

/// Where the real Carbon scripts are, if they are.
pub(crate) fn corpus() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/carbon-corpus");
    let path = std::env::var_os("CUTOVER_CORPUS").map_or_else(|| PathBuf::from(default), PathBuf::from);
    path.is_dir().then_some(path)
}
