//! Preflight of the databases (promise 4): same engine, same charset rules, another database, staging empty.

use cutover_database::{compatible, facts};
use cutover_proto::plan::{DatabaseRole, PlanDatabase};
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};

use super::{Worker, failed, same_identity, target_of};

impl Worker {
    pub(super) async fn verify(&self, database: &PlanDatabase) -> StepOutcome {
        let production = facts(&target_of(database, DatabaseRole::Production)?)
            .await
            .map_err(|e| failed(&e))?;
        let staging = facts(&target_of(database, DatabaseRole::Staging)?)
            .await
            .map_err(|e| failed(&e))?;
        same_identity(
            &production,
            &database.production_identity,
            DatabaseRole::Production,
        )?;
        same_identity(&staging, &database.staging_identity, DatabaseRole::Staging)?;
        let problems = compatible(&production, &staging);
        if !problems.is_empty() {
            let why: Vec<String> = problems.iter().map(|problem| problem.text.clone()).collect();
            let next: Vec<String> = problems.iter().map(|problem| problem.remedy.clone()).collect();
            return Err(StepError::new(
                ErrorCode::DatabaseRefused,
                format!("staging of database {} can't become production", database.name),
                why.join("; "),
                format!("{}; then retry", next.join("; ")),
            ));
        }
        Ok(Receipt::new()
            .with(
                "server",
                format!("{} {}", production.flavour.name(), production.version),
            )
            .with("production", &database.production_identity)
            .with("staging", &database.staging_identity)
            .with(
                "charset",
                format!("{} / {}", production.charset, production.collation),
            )
            .with("tables", production.tables())
            .with("bytes", production.data_bytes))
    }
}
