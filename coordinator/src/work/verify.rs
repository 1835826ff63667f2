//! Preflight of the databases (promise 4): same engine, same charset rules, another database, staging empty.

use cutover_database::facts;
use cutover_proto::plan::{DatabaseRole, PlanDatabase};
use cutover_proto::report::{Receipt, StepOutcome};

use super::{Worker, compatible_or_refused, failed, same_identity, target_of};

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
        compatible_or_refused(database, &production, &staging)?;
        self.ensure_nothing_is_lost(database, DatabaseRole::Production)
            .await?;
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
