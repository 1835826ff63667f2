//! Checkpoints: what must hold in staging before a new version is started on it (promise 2).

use cutover_database::checkpoint::{RowCounts, check_with};
use cutover_database::{CheckResult, Checkpoint, Verdict};
use cutover_proto::plan::{DatabaseAction, DatabaseRole, Place, PlanDatabase, StepAction};
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};

use super::{Job, Worker, defect, failed, target_of};

impl Worker {
    pub(super) async fn checkpoint(
        &self,
        job: &Job,
        database: &PlanDatabase,
        role: DatabaseRole,
        checks: &serde_json::Value,
    ) -> StepOutcome {
        let checks = read(checks)?;
        let target = target_of(database, role)?;
        let before = self.rows_before(job, database, &checks).await?;
        let results = check_with(&target, &checks, Some(&before))
            .await
            .map_err(|e| failed(&e))?;
        let of = |verdict: Verdict| results.iter().filter(move |result| result.verdict == verdict);
        let failures: Vec<String> = of(Verdict::Fail).map(|result| result.text.clone()).collect();
        if !failures.is_empty() {
            return Err(StepError::new(
                ErrorCode::CheckpointFailed,
                format!(
                    "{} of {} checkpoints do not hold in {role} ({target})",
                    failures.len(),
                    checks.len()
                ),
                failures.join("; "),
                "no new server is started on this database; find out what the migration missed, then retry or abort",
            ));
        }
        Ok(results
            .iter()
            .enumerate()
            .fold(Receipt::new(), evidence)
            .with("passed", of(Verdict::Pass).count())
            .with("warnings", of(Verdict::Warn).count()))
    }

    /// What production's tables held: as the backup says where production itself was migrated, else as it is now. In a
    /// rehearsal production goes on, and the backup is of the scratch before it was migrated.
    async fn rows_before(
        &self,
        job: &Job,
        database: &PlanDatabase,
        checks: &[Checkpoint],
    ) -> Result<RowCounts, StepError> {
        if job.plan.rehearses.is_some() || migrates_production(job, database) {
            return Ok(RowCounts::from(
                &self.backup_receipt(job.run, &database.name).await?,
            ));
        }
        let production = target_of(database, DatabaseRole::Production)?;
        RowCounts::read(&production, checks).await.map_err(|e| failed(&e))
    }
}

fn migrates_production(job: &Job, database: &PlanDatabase) -> bool {
    let here = Place::Database(database.name.clone());
    let migration = StepAction::Database(DatabaseAction::Migrate {
        role: DatabaseRole::Production,
    });
    job.plan
        .steps()
        .any(|step| step.place == here && step.action == migration)
}

/// The checks of a step.
pub(super) fn read(checks: &serde_json::Value) -> Result<Vec<Checkpoint>, StepError> {
    serde_json::from_value(checks.clone()).map_err(|e| defect(&format!("a checkpoint can't be read: {e}")))
}

fn evidence(receipt: Receipt, (number, result): (usize, &CheckResult)) -> Receipt {
    let verdict = match result.verdict {
        Verdict::Pass => "pass",
        Verdict::Warn => "WARNING",
        Verdict::Fail => "FAIL",
    };
    receipt.with(
        &format!("check{:02}", number + 1),
        format!("{verdict}: {}", result.text),
    )
}
