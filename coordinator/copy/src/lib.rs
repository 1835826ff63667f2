//! Copy of a production database into an empty staging database, and the comparison that proves it.
//!
//! Rows travel as a stream, never through a file; values of more than 8 MB in pieces. Every table is loaded by one statement in one transaction, so
//! a table in staging is whole or empty. What the engines can do better themselves is left to them: schema text
//! comes from `SHOW CREATE` and `pg_dump`, checksums are computed inside the servers.

mod compare;
mod definitions;
mod error;
mod journal;
mod mysql;
mod narrow;
mod options;
mod postgres;
mod progress;
pub mod rowhash;
pub mod tablespaces;
mod way;
mod workers;

pub use compare::{Comparison, TableComparison, TableSum};
pub use definitions::{Definitions, definitions};
pub use error::CopyError;
pub use narrow::may_be_secret;
pub use options::{CopyOptions, CopyReport, CopyWay, JOURNAL};
pub use progress::{CopyProgress, NoProgress, Overall};
pub use way::{WayFacts, choose_way};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use cutover_database::{Engine, Target};
use tokio_util::sync::CancellationToken;

/// Copies everything in `from` into the empty database `to`.
///
/// The caller has proven that `to` is empty and that nobody writes to `from`. After an error the next attempt
/// either goes on with what is there ([`CopyOptions::resume`]) or begins with an emptied staging database; the
/// error says which tables are whole.
///
/// # Errors
/// [`CopyError`] names the table, the database and the remedy.
pub async fn copy(
    from: &Target,
    to: &Target,
    options: &CopyOptions,
    progress: Arc<dyn CopyProgress>,
    cancel: &CancellationToken,
) -> Result<CopyReport, CopyError> {
    same_engine(from, to)?;
    let progress = progress::Tracker::around(progress);
    let started = Instant::now();
    let work = async {
        match from.engine {
            Engine::MySql => mysql::copy(from, to, options, progress, cancel).await,
            Engine::Postgres => postgres::copy(from, to, options, progress, cancel).await,
        }
    };
    let mut report = cancellable(Box::pin(work), cancel).await?;
    report.millis = millis(started);
    Ok(report)
}

/// Compares two databases: objects and their definitions, row counts, checksums, sequence positions.
///
/// # Errors
/// When a side cannot be read; a difference is not an error.
pub async fn compare(
    a: &Target,
    b: &Target,
    options: &CopyOptions,
    progress: Arc<dyn CopyProgress>,
    cancel: &CancellationToken,
) -> Result<Comparison, CopyError> {
    same_engine(a, b)?;
    let progress = progress::Tracker::around(progress);
    let work = async {
        match a.engine {
            Engine::MySql => mysql::compare(a, b, options, progress, cancel).await,
            Engine::Postgres => postgres::compare(a, b, options, progress, cancel).await,
        }
    };
    cancellable(Box::pin(work), cancel).await
}

/// Row count and checksum of every table, for keeping and comparing later on a server of the same major version.
///
/// # Errors
/// When the database cannot be read.
pub async fn fingerprint(
    target: &Target,
    options: &CopyOptions,
) -> Result<BTreeMap<String, TableSum>, CopyError> {
    match target.engine {
        Engine::MySql => Box::pin(mysql::fingerprint(target, options)).await,
        Engine::Postgres => Box::pin(postgres::fingerprint(target, options)).await,
    }
}

/// Whether [`compare`] sums the tables of `a`, beside those of `b`, exactly as [`fingerprint`] does, so that its sums are
/// `a`'s fingerprint and need not be taken once more.
///
/// # Errors
/// When a side cannot be read.
pub async fn compares_as_fingerprint(
    a: &Target,
    b: &Target,
    options: &CopyOptions,
) -> Result<bool, CopyError> {
    match a.engine {
        // Compared by the server's own 32-bit sums where both sides are alike.
        Engine::MySql => Ok(false),
        Engine::Postgres => Box::pin(postgres::compares_as_fingerprint(a, b, options)).await,
    }
}

/// Enables the MySQL events that [`copy`] left disabled, so that staging does not act before it is promoted.
///
/// # Errors
/// When the server refuses; the error names the event.
pub async fn enable_events(target: &Target, events: &[String]) -> Result<(), CopyError> {
    match target.engine {
        Engine::MySql => mysql::enable_events(target, events).await,
        Engine::Postgres => Ok(()),
    }
}

async fn cancellable<T>(
    work: impl Future<Output = Result<T, CopyError>>,
    cancel: &CancellationToken,
) -> Result<T, CopyError> {
    tokio::select! {
        biased;
        result = work => result,
        () = cancel.cancelled() => Err(CopyError::Cancelled),
    }
}

fn same_engine(a: &Target, b: &Target) -> Result<(), CopyError> {
    if a.engine == b.engine {
        return Ok(());
    }
    Err(CopyError::EnginesDiffer {
        a: a.to_string(),
        b: b.to_string(),
    })
}

fn millis(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}
