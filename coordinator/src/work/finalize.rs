//! The point of no return: what only served the way back is removed.

use cutover_database::forget_journal;
use cutover_proto::plan::{DatabaseRole, Place};
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};

use crate::planner::phases::step_id;

use super::synchronise::delta_failed;
use super::{Job, Worker, failed, target_of};

impl Worker {
    pub(super) async fn finalize(&self, job: &Job) -> StepOutcome {
        if job.plan.rehearses.is_some() {
            return self.record_rehearsal(job).await;
        }
        let mut receipt = Receipt::new();
        for database in &job.plan.databases {
            let staging = target_of(database, DatabaseRole::Staging)?;
            let events = self.disabled_events(job, &database.name);
            cutover_copy::enable_events(&staging, &events)
                .await
                .map_err(|error| {
                    StepError::new(
                        ErrorCode::DatabaseRefused,
                        format!("events of {staging} could not be enabled"),
                        error.to_string(),
                        "enable them by hand or correct the privileges, then retry",
                    )
                })?;
            for role in [DatabaseRole::Production, DatabaseRole::Staging] {
                forget_journal(&target_of(database, role)?)
                    .await
                    .map_err(|e| failed(&e))?;
            }
            if database.delta.is_some() {
                self.drop_manifest(job.run, &database.name).await?;
                cutover_delta::forget(&staging).await.map_err(|error| {
                    delta_failed("the record of the rows that were brought over stays", &error)
                })?;
            }
            receipt = receipt.with(&format!("{}_events_enabled", database.name), events.len());
        }
        Ok(receipt
            .with("journals", "removed")
            .with("old_servers", "stay held; `cutover do release` gives one up"))
    }

    /// Scheduled events that the copy left disabled, so that staging did not act before it was in charge.
    fn disabled_events(&self, job: &Job, database: &str) -> Vec<String> {
        ["data.copy", "sync.copy"]
            .iter()
            .map(|name| step_id(name, &Place::Database(database.to_owned())))
            .find_map(|copied| {
                let receipt = job.receipts.get(&copied)?;
                serde_json::from_str(receipt.evidence.get("disabled_events")?).ok()
            })
            .unwrap_or_default()
    }
}
