//! Copy of production to staging, its proof, and the way back to an empty staging.

use std::sync::Arc;

use cutover_copy::{CopyError, CopyOptions, CopyReport, compare, compares_as_fingerprint, copy};
use cutover_database::{ProvenStaging, Target, drop_all_objects, facts};
use cutover_proto::ids::Sha256Hex;
use cutover_proto::plan::{DatabaseRole, Place, PlanDatabase};
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};

use super::progress::Teller;
use super::{Job, Worker, failed, same_identity, target_of};
use crate::planner::phases::step_id;

/// The journal of migration scripts is Cutover's own: it is neither copied nor compared.
pub(super) fn options() -> CopyOptions {
    CopyOptions {
        skip_tables: vec![cutover_database::journal::TABLE.to_owned()],
        ..CopyOptions::default()
    }
}

impl Worker {
    /// Copies production. While it serves nothing that would hold its writers up is done: `INSERT … SELECT` locks the rows
    /// it reads, and a template copy wants nobody connected.
    pub(super) async fn copy(&self, job: &Job, database: &PlanDatabase, serving: bool) -> StepOutcome {
        let begun = self.claim_staging(job, database, serving).await?;
        let (files, notes) = self.take_files_in(job, database).await?;
        let report = self.copy_or_resume(job, database, begun, serving).await?;
        let way = serde_json::to_value(report.way).ok();
        let way = way
            .and_then(|way| way.as_str().map(str::to_owned))
            .unwrap_or_default();
        let mut receipt = Receipt::new()
            .with("way", way)
            .with("why", &report.why)
            .with("kept_tables", report.kept)
            .with("tables", report.tables)
            .with("rows", report.rows)
            .with("bytes", report.bytes)
            .with("millis", report.millis)
            .with("disabled_events", serde_json::json!(report.disabled_events));
        if database.tablespaces.is_some() {
            // The server's own estimate stands for the rows of these.
            receipt = receipt
                .with("tables_as_files", files)
                .with("rows", format!("about {}", report.rows));
        }
        for (number, note) in notes.iter().chain(&report.notes).enumerate() {
            receipt = receipt.with(&format!("note{}", number + 1), note);
        }
        self.hand_over(database, receipt).await
    }

    /// Behind held servers tables that an earlier try left whole are production's still; the comparison that follows
    /// would find it if they were not. While production serves they are not: the copy begins again.
    async fn copy_or_resume(
        &self,
        job: &Job,
        database: &PlanDatabase,
        begun: bool,
        serving: bool,
    ) -> Result<CopyReport, StepError> {
        let production = target_of(database, DatabaseRole::Production)?;
        let staging = target_of(database, DatabaseRole::Staging)?;
        if begun && serving {
            self.empty_staging(job, database).await?;
        }
        let begun = begun && !serving;
        let mut choice = CopyOptions {
            resume: begun,
            same_server: !serving,
            serving,
            ..options()
        };
        let teller = Arc::new(Teller::new(job));
        let mut result = Box::pin(copy(&production, &staging, &choice, teller, &job.cancel)).await;
        if begun && matches!(result, Err(CopyError::NotResumable { .. })) {
            self.empty_staging(job, database).await?;
            choice.resume = false;
            let teller = Arc::new(Teller::new(job));
            result = Box::pin(copy(&production, &staging, &choice, teller, &job.cancel)).await;
        }
        result.map_err(|e| copy_failed("the copy to staging failed", &e))
    }

    /// Nobody is in the way, and staging is the planned one and this run's from now on. Says whether it was before: what
    /// stands there then is of an earlier try; anything else was written by someone since the preflight.
    pub(super) async fn claim_staging(
        &self,
        job: &Job,
        database: &PlanDatabase,
        serving: bool,
    ) -> Result<bool, StepError> {
        let production = target_of(database, DatabaseRole::Production)?;
        let staging = target_of(database, DatabaseRole::Staging)?;
        if !serving {
            self.ensure_fenced(job, database, &production).await?;
            self.ensure_alone(job, &production, DatabaseRole::Production)
                .await?;
        }
        self.ensure_alone(job, &staging, DatabaseRole::Staging).await?;
        let found = facts(&staging).await.map_err(|e| failed(&e))?;
        same_identity(&found, &database.staging_identity, DatabaseRole::Staging)?;
        let begun = self.is_claimed(job, &mark(database));
        if !found.objects.is_empty() && !begun {
            return Err(not_empty(&staging.to_string(), &format!("{:?}", found.objects)));
        }
        self.claim(job, &mark(database)).await?;
        Ok(begun)
    }

    /// Refuses to write to a staging that this run did not fill.
    pub(super) fn ensure_ours(&self, job: &Job, database: &PlanDatabase) -> Result<(), StepError> {
        if self.is_claimed(job, &mark(database)) {
            return Ok(());
        }
        Err(StepError::new(
            ErrorCode::DatabaseRefused,
            format!("staging of database {} was not filled by this run", database.name),
            "there is no mark of a copy that this run began",
            "abort, and apply again",
        ))
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
        let told = |e: CopyError| copy_failed("production and staging could not be compared", &e);
        let options = options();
        let as_fingerprint = Box::pin(compares_as_fingerprint(&production, &staging, &options));
        let as_fingerprint = as_fingerprint.await.map_err(told)?;
        // Taken first: a row that arrives between the two makes the comparison fail.
        let before = match as_fingerprint {
            true => None,
            false => Some(production_fingerprint(&production).await?),
        };
        let teller = Arc::new(Teller::new(job));
        let result = Box::pin(compare(&production, &staging, &options, teller, &job.cancel));
        let result = result.await.map_err(told)?;
        // A rehearsal's production goes on serving: what differs is told, and is no failure.
        if !result.equal && job.plan.rehearses.is_none() {
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
        let proof = digest(&sums);
        Ok(Receipt::new()
            .with("tables", sums.len())
            .with("rows", rows)
            .with("differences", result.differences.len())
            .with("checksums_sha256", &proof)
            .with(FINGERPRINT, before.unwrap_or(proof)))
    }

    /// Production has not changed since it was proven equal to staging: a session that came and went in between could
    /// have written rows that staging lacks.
    pub(super) async fn prove_unchanged(&self, job: &Job, database: &PlanDatabase) -> Result<(), StepError> {
        let compared = job
            .receipts
            .get(&step_id("data.compare", &Place::Database(database.name.clone())));
        let Some(known) = compared.and_then(|receipt| receipt.evidence.get(FINGERPRINT)) else {
            return Ok(());
        };
        let production = target_of(database, DatabaseRole::Production)?;
        if production_fingerprint(&production).await?.as_str() == known {
            return Ok(());
        }
        Err(StepError::new(
            ErrorCode::NotEqual,
            format!("production ({production}) has changed since it was copied to staging"),
            "its rows are not those that were compared with staging: something wrote there in the meantime",
            "find out what wrote there; abort empties staging and brings the old servers back, then apply again",
        ))
    }

    /// Returns staging to empty. It was proven to be another database than production, by what the servers say.
    pub(super) async fn empty_staging(&self, job: &Job, database: &PlanDatabase) -> StepOutcome {
        let production = target_of(database, DatabaseRole::Production)?;
        let staging = target_of(database, DatabaseRole::Staging)?;
        let production_facts = facts(&production).await.map_err(|e| failed(&e))?;
        let staging_facts = facts(&staging).await.map_err(|e| failed(&e))?;
        same_identity(&staging_facts, &database.staging_identity, DatabaseRole::Staging)?;
        if !self.is_claimed(job, &mark(database)) {
            // Nothing was ever copied: whatever stands there is not this run's to remove.
            return Ok(Receipt::new().with("undo", "nothing was copied; staging is left as it is"));
        }
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
        self.drop_manifest(job.run, &database.name).await?;
        Ok(Receipt::new().with("undo", "staging is empty"))
    }
}

/// The mark that a copy of this run began in an empty staging: what stands there from then on is ours.
pub(super) fn mark(database: &PlanDatabase) -> String {
    format!("{}.staging-copy", database.name)
}

/// Evidence of the comparison: what production held when it was proven equal to staging.
pub(super) const FINGERPRINT: &str = "production_fingerprint";

pub(super) async fn production_fingerprint(production: &Target) -> Result<Sha256Hex, StepError> {
    let sums = Box::pin(cutover_copy::fingerprint(production, &options()))
        .await
        .map_err(|e| copy_failed("production could not be read", &e))?;
    let sums: Vec<(&str, u64, &str)> = sums
        .iter()
        .map(|(name, sum)| (name.as_str(), sum.rows, sum.checksum.as_str()))
        .collect();
    Ok(digest(&sums))
}

/// Of name, rows and checksum of every table, in the order of names.
fn digest(sums: &[(&str, u64, &str)]) -> Sha256Hex {
    Sha256Hex::of(&serde_json::to_vec(sums).unwrap_or_default())
}

fn not_empty(staging: &str, objects: &str) -> StepError {
    StepError::new(
        ErrorCode::DatabaseRefused,
        format!("staging ({staging}) is not empty any more"),
        format!("it holds {objects}, which this run did not write"),
        "find out who wrote there, empty it, then retry",
    )
}

pub(super) fn copy_failed(what: &str, error: &CopyError) -> StepError {
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
        "correct what the text says, then retry: tables that are whole in staging stay; or abort",
    )
}
