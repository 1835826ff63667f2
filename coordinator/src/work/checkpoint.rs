//! Checkpoints: what must hold in staging before a new version is started on it (promise 2).

use cutover_database::{CheckResult, Checkpoint, Verdict, check};
use cutover_proto::plan::{DatabaseRole, PlanDatabase};
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};

use super::{Worker, defect, failed, target_of};

impl Worker {
    pub(super) async fn checkpoint(
        &self,
        database: &PlanDatabase,
        role: DatabaseRole,
        checks: &serde_json::Value,
    ) -> StepOutcome {
        let checks: Vec<Checkpoint> = serde_json::from_value(checks.clone())
            .map_err(|e| defect(&format!("a checkpoint can't be read: {e}")))?;
        let target = target_of(database, role)?;
        let results = check(&target, &checks).await.map_err(|e| failed(&e))?;
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
