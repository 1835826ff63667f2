//! Copy of production to staging, its proof, and the way back to an empty staging.

use std::sync::Arc;

use cutover_copy::{CopyError, CopyOptions, compare, copy};
use cutover_database::{ProvenStaging, drop_all_objects, facts};
use cutover_proto::ids::Sha256Hex;
use cutover_proto::plan::{DatabaseRole, PlanDatabase};
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};

use super::progress::Teller;
use super::{Job, Worker, failed, same_identity, target_of};

/// The journal of migration scripts is Cutover's own: it is neither copied nor compared.
fn options() -> CopyOptions {
    CopyOptions {
        skip_tables: vec![cutover_database::journal::TABLE.to_owned()],
        ..CopyOptions::default()
    }
}

impl Worker {
    pub(super) async fn copy(&self, job: &Job, database: &PlanDatabase) -> StepOutcome {
        let production = target_of(database, DatabaseRole::Production)?;
        let staging = target_of(database, DatabaseRole::Staging)?;
        for (target, role) in [
            (&production, DatabaseRole::Production),
            (&staging, DatabaseRole::Staging),
        ] {
            self.ensure_alone(job, target, role).await?;
        }
        let found = facts(&staging).await.map_err(|e| failed(&e))?;
        same_identity(&found, &database.staging_identity, DatabaseRole::Staging)?;
        if !found.objects.is_empty() {
            if !job.again {
                return Err(StepError::new(
                    ErrorCode::DatabaseRefused,
                    format!("staging ({staging}) is not empty any more"),
                    format!("it holds {:?}", found.objects),
                    "find out who wrote there, empty it, then retry",
                ));
            }
            // What an earlier try left: it was empty when this run began, so all of it is ours.
            self.empty_staging(job, database).await?;
        }
        let teller = Arc::new(Teller::new(job));
        let report = Box::pin(copy(&production, &staging, &options(), teller, &job.cancel))
            .await
            .map_err(|e| copy_failed("the copy to staging failed", &e))?;
        let way = serde_json::to_value(report.way).ok();
        let way = way
            .and_then(|way| way.as_str().map(str::to_owned))
            .unwrap_or_default();
        let mut receipt = Receipt::new()
            .with("way", way)
            .with("tables", report.tables)
            .with("rows", report.rows)
            .with("bytes", report.bytes)
            .with("millis", report.millis)
            .with("disabled_events", serde_json::json!(report.disabled_events));
        for (number, note) in report.notes.iter().enumerate() {
            receipt = receipt.with(&format!("note{}", number + 1), note);
        }
        self.hand_over(database, receipt).await
    }

    /// What Cutover's account made in staging is for the servers' account to use.
    pub(super) async fn hand_over(&self, database: &PlanDatabase, receipt: Receipt) -> StepOutcome {
        let Some(user) = &database.application else {
            return Ok(receipt);
        };
        let staging = target_of(database, DatabaseRole::Staging)?;
        let granted = cutover_database::hand_over(&staging, user)
            .await
            .map_err(|e| failed(&e))?;
        Ok(receipt.with("application", user).with("granted_objects", granted))
    }

    pub(super) async fn compare(&self, job: &Job, database: &PlanDatabase) -> StepOutcome {
        let production = target_of(database, DatabaseRole::Production)?;
        let staging = target_of(database, DatabaseRole::Staging)?;
        let teller = Arc::new(Teller::new(job));
        let result = Box::pin(compare(&production, &staging, &options(), teller, &job.cancel))
            .await
            .map_err(|e| copy_failed("production and staging could not be compared", &e))?;
        if !result.equal {
            let shown: Vec<String> = result.differences.iter().take(20).cloned().collect();
            return Err(StepError::new(
                ErrorCode::NotEqual,
                format!(
                    "staging is not equal to production: {} difference(s)",
                    result.differences.len()
                ),
                shown.join("; "),
                "find out who wrote to one of them since the copy; abort empties staging again",
            ));
        }
        let rows: u64 = result.tables.iter().map(|table| table.rows_a).sum();
        let sums: Vec<(&str, u64, &str)> = result
            .tables
            .iter()
            .map(|t| (t.name.as_str(), t.rows_a, t.checksum_a.as_str()))
            .collect();
        let proof = Sha256Hex::of(&serde_json::to_vec(&sums).unwrap_or_default());
        Ok(Receipt::new()
            .with("tables", sums.len())
            .with("rows", rows)
            .with("checksums_sha256", proof))
    }

    /// Returns staging to empty. It was proven to be another database than production, by what the servers say.
    pub(super) async fn empty_staging(&self, job: &Job, database: &PlanDatabase) -> StepOutcome {
        let production = target_of(database, DatabaseRole::Production)?;
        let staging = target_of(database, DatabaseRole::Staging)?;
        let production_facts = facts(&production).await.map_err(|e| failed(&e))?;
        let staging_facts = facts(&staging).await.map_err(|e| failed(&e))?;
        same_identity(&staging_facts, &database.staging_identity, DatabaseRole::Staging)?;
        let proof = ProvenStaging::prove(&production_facts, &staging_facts).map_err(|problem| {
            StepError::new(
                ErrorCode::DatabaseRefused,
                "staging is not emptied",
                problem.text,
                problem.remedy,
            )
        })?;
        self.ensure_alone(job, &staging, DatabaseRole::Staging).await?;
        drop_all_objects(&staging, &proof).await.map_err(|e| failed(&e))?;
        Ok(Receipt::new().with("undo", "staging is empty"))
    }
}

fn copy_failed(what: &str, error: &CopyError) -> StepError {
    let mut why = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let text = cause.to_string();
        if !why.contains(&text) {
            why = format!("{why}: {text}");
        }
        source = cause.source();
    }
    let code = if matches!(error, CopyError::Cancelled) {
        ErrorCode::Cancelled
    } else {
        ErrorCode::DatabaseRefused
    };
    StepError::new(
        code,
        what,
        why,
        "correct what the text says, then retry: the next try begins with an empty staging; or abort",
    )
}
