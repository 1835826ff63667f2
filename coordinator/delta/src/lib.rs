//! Keeps a staging database in step with a production that goes on being written to.
//!
//! [`synchronise`] makes the rows of an un-migrated copy equal to production's as they are at one moment. It compares
//! states, not changes: chunks of every table are hashed inside both servers, chunks that differ are narrowed down
//! to rows, and those rows are replaced. Nothing is installed in production; tables without keys and rows deleted by
//! cascades are found like any other; and a pass that dies anywhere is simply repeated.
//!
//! [`apply_delta`] serves the other order, in which the copy is migrated first: what changed in production since is
//! found with a [`Manifest`] of the copy and brought into the migrated schema. It needs to know what the migration does
//! to rows ([`Mapping`], [`fix_ups`]); [`delta_allowed`] says when it may not be used without. [`compare_migrated`]
//! proves that nothing is missing.

mod allowed;
mod apply;
mod dialect;
mod drift;
mod entry;
mod error;
mod layout;
mod manifest;
mod mapping;
mod merge;
mod migrated;
mod mysql;
mod options;
mod pass;
mod postgres;
mod progress;
mod proof;
mod session;
mod spool;
mod sync;
mod table;

pub use allowed::{Reason, delta_allowed};
pub use apply::{DeadLetter, DeltaReport, TableDelta, dead_letters, forget};
pub use error::DeltaError;
pub use manifest::{Manifest, ManifestTable};
pub use mapping::{FIX_UPS, FixUps, Mapping, fix_ups};
pub use migrated::MigratedComparison;
pub use options::{SyncOptions, SyncReport, TableSync};
pub use progress::{NoProgress, SyncProgress};

use std::sync::Arc;

use cutover_database::Target;
use tokio_util::sync::CancellationToken;

/// Makes the rows of `staging` equal to those that `production` has at one moment during the call.
///
/// Staging is a copy with the same schema that nobody else writes to. After an error or a kill it is some state
/// between two of production's, and calling this again goes on from there. Sequences and AUTO_INCREMENT counters
/// follow last; foreign keys of changed tables are proven. Triggers of staging do not act.
///
/// # Errors
/// [`DeltaError`] names the table, the database and the remedy.
pub async fn synchronise(
    production: &Target,
    staging: &Target,
    options: &SyncOptions,
    progress: Arc<dyn SyncProgress>,
    cancel: &CancellationToken,
) -> Result<SyncReport, DeltaError> {
    same_engine(production, staging)?;
    let work = Box::pin(sync::run(production, staging, options, progress));
    cancellable(work, cancel).await
}

/// Brings what changed in `production` since `manifest` was captured into `staging`, whose copy was migrated meanwhile.
///
/// Columns are matched by name and by `mapping`, new ones take their defaults; then `fix_ups` run, which must be
/// without effect when repeated. Staging remembers each row in the transaction that brings it, so that calling this
/// again, after a kill too, brings only what is new. What staging refuses lies in [`dead_letters`] and is tried again
/// with every call. Foreign keys act; values that do not fit are refused, not cut.
///
/// # Errors
/// [`DeltaError`] names the table, the database and the remedy. A row that does not fit is not an error.
#[expect(
    clippy::too_many_arguments,
    reason = "each is a thing of its own that the caller has at hand"
)]
pub async fn apply_delta(
    production: &Target,
    staging: &Target,
    manifest: &Manifest,
    mapping: &Mapping,
    fix_ups: &[String],
    options: &SyncOptions,
    progress: Arc<dyn SyncProgress>,
    cancel: &CancellationToken,
) -> Result<DeltaReport, DeltaError> {
    same_engine(production, staging)?;
    let run = apply::Run {
        production,
        staging,
        manifest,
        mapping,
        fix_ups,
        options,
        progress,
    };
    cancellable(Box::pin(run.run()), cancel).await
}

/// Proves that a migrated staging holds every row of production, by the columns that both have.
///
/// # Errors
/// When a side cannot be read, or the mapping does not say where a table or column went; a difference is not an error.
pub async fn compare_migrated(
    production: &Target,
    staging: &Target,
    mapping: &Mapping,
    options: &SyncOptions,
    cancel: &CancellationToken,
) -> Result<MigratedComparison, DeltaError> {
    same_engine(production, staging)?;
    let work = Box::pin(migrated::compare(production, staging, mapping, options));
    cancellable(work, cancel).await
}

async fn cancellable<T>(
    work: impl Future<Output = Result<T, DeltaError>>,
    cancel: &CancellationToken,
) -> Result<T, DeltaError> {
    tokio::select! {
        biased;
        result = work => result,
        () = cancel.cancelled() => Err(DeltaError::Cancelled),
    }
}

fn same_engine(a: &Target, b: &Target) -> Result<(), DeltaError> {
    if a.engine == b.engine {
        return Ok(());
    }
    Err(DeltaError::EnginesDiffer {
        a: a.to_string(),
        b: b.to_string(),
    })
}
