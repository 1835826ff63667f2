//! Repairs of what checkpoints find, on the operator's request, before the checkpoints look again.

use cutover_database::{RepairOptions, RepairReport, facts, repair};
use cutover_proto::plan::{DatabaseRole, PlanDatabase};
use cutover_proto::report::{Receipt, StepOutcome};

use super::checkpoint::read;
use super::{Job, Worker, failed, same_identity, target_of};

impl Worker {
    /// Can be repeated: what is right is not touched.
    pub(super) async fn repair(
        &self,
        job: &Job,
        database: &PlanDatabase,
        role: DatabaseRole,
        checks: &serde_json::Value,
        primary_domain: &str,
    ) -> StepOutcome {
        let checks = read(checks)?;
        let target = target_of(database, role)?;
        let planned = match role {
            DatabaseRole::Production => &database.production_identity,
            DatabaseRole::Staging => &database.staging_identity,
        };
        same_identity(&facts(&target).await.map_err(|e| failed(&e))?, planned, role)?;
        self.ensure_alone(job, &target, role).await?;
        let options = RepairOptions {
            primary_domain: primary_domain.to_owned(),
        };
        let mut receipt = Receipt::new().with("database", &target).with("role", role);
        for (number, check) in checks.iter().enumerate() {
            let report = repair(&target, check, &options).await.map_err(|e| failed(&e))?;
            receipt = evidence(receipt, number + 1, &report);
        }
        Ok(receipt)
    }
}

fn evidence(receipt: Receipt, number: usize, report: &RepairReport) -> Receipt {
    let name = |what: &str| format!("repair{number}_{what}");
    receipt
        .with(&name("found"), report.found)
        .with(&name("repaired"), report.repaired)
        .with(&name("left"), report.left)
        .with(&name("changed"), report.changed.join("; "))
        .with(&name("unchanged"), report.unchanged.join("; "))
        .with(&name("explain"), &report.explain)
}
