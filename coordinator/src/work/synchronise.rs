//! Staging kept in step with production: while it serves, and for the last time behind the fence.

use std::sync::Arc;

use cutover_database::Target;
use cutover_delta::{DeltaError, SyncOptions, SyncReport, synchronise};
use cutover_proto::plan::{DatabaseRole, PlanDatabase};
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};

use super::progress::Teller;
use super::{Job, Worker, target_of};

/// Tables named in a receipt: those with the most changes.
const NAMED: usize = 20;

impl Worker {
    /// Makes staging's rows those of production. It can be repeated: after a crash it goes on from what staging has.
    pub(super) async fn synchronise(&self, job: &Job, database: &PlanDatabase, fenced: bool) -> StepOutcome {
        let (production, staging) = self.before_pass(job, database, fenced).await?;
        let report = self.pass(job, &production, &staging, fenced).await?;
        self.after_pass(job, database, &production, fenced).await?;
        Ok(receipt_of(&report))
    }

    /// Nobody else writes to staging, which this run filled; and for the last pass nobody to production.
    pub(super) async fn before_pass(
        &self,
        job: &Job,
        database: &PlanDatabase,
        fenced: bool,
    ) -> Result<(Target, Target), StepError> {
        let production = target_of(database, DatabaseRole::Production)?;
        let staging = target_of(database, DatabaseRole::Staging)?;
        self.ensure_ours(job, database)?;
        self.after_pass(job, database, &production, fenced).await?;
        self.ensure_alone(job, &staging, DatabaseRole::Staging).await?;
        Ok((production, staging))
    }

    /// Whoever came in during the last pass may have written behind it.
    pub(super) async fn after_pass(
        &self,
        job: &Job,
        database: &PlanDatabase,
        production: &Target,
        fenced: bool,
    ) -> Result<(), StepError> {
        if !fenced {
            return Ok(());
        }
        self.ensure_fenced(job, database, production).await?;
        self.ensure_alone(job, production, DatabaseRole::Production).await
    }

    async fn pass(
        &self,
        job: &Job,
        production: &Target,
        staging: &Target,
        fenced: bool,
    ) -> Result<SyncReport, StepError> {
        let options = SyncOptions {
            fenced,
            prove_all_foreign_keys: fenced,
            ..SyncOptions::default()
        };
        let teller = Arc::new(Teller::new(job));
        Box::pin(synchronise(production, staging, &options, teller, &job.cancel))
            .await
            .map_err(|error| delta_failed("staging could not be brought in step with production", &error))
    }
}

fn receipt_of(report: &SyncReport) -> Receipt {
    let mut receipt = Receipt::new()
        .with("tables", report.tables.len())
        .with("rows", report.rows)
        .with("bytes", report.bytes)
        .with("inserted", report.inserted)
        .with("updated", report.updated)
        .with("deleted", report.deleted)
        .with("counters", report.counters)
        .with("foreign_keys", report.foreign_keys)
        .with("millis", report.millis);
    if let Some(seconds) = report.seconds_per_gb() {
        receipt = receipt.with("seconds_per_gb", format!("{seconds:.1}"));
    }
    let mut changed: Vec<_> = report.tables.iter().filter(|table| table.changes() > 0).collect();
    changed.sort_by_key(|table| std::cmp::Reverse(table.changes()));
    for table in changed.iter().take(NAMED) {
        receipt = receipt.with(
            &format!("table_{}", table.name),
            format!(
                "{} inserted, {} updated, {} deleted",
                table.inserted, table.updated, table.deleted
            ),
        );
    }
    for (number, note) in report.notes.iter().enumerate() {
        receipt = receipt.with(&format!("note{}", number + 1), note);
    }
    receipt
}

pub(super) fn delta_failed(what: &str, error: &DeltaError) -> StepError {
    let mut why = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let text = cause.to_string();
        if !why.contains(&text) {
            why = format!("{why}: {text}");
        }
        source = cause.source();
    }
    let code = if matches!(error, DeltaError::Cancelled) {
        ErrorCode::Cancelled
    } else {
        ErrorCode::DatabaseRefused
    };
    StepError::new(
        code,
        what,
        why,
        "correct what the text says, then retry: it goes on from what staging has; or abort",
    )
}
