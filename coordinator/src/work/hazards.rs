//! What the scripts of a plan would do to the rows that are in production now. A script that drops a table is the right
//! one for an empty database, and rarely for one that is in use.

use cutover_database::{Harm, Hazard, hazards};
use cutover_proto::plan::{DatabaseRole, PlanDatabase};
use cutover_proto::report::{ErrorCode, StepError};
use cutover_proto::view::{Finding, Severity};
use cutover_sqlscript::Script;

use super::{Worker, failed, target_of};
use crate::planner::finding;
use crate::planner::overrides::as_it_runs;

/// Rows that would be lost though nobody said that they may, and what an operator should know besides.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) losses: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl Worker {
    async fn look_for_hazards(
        &self,
        database: &PlanDatabase,
        role: DatabaseRole,
    ) -> Result<Found, StepError> {
        let target = target_of(database, role)?;
        let mut found = Found::default();
        for planned in &database.scripts {
            let script = self.script(database, planned).await?;
            let script = Script {
                statements: as_it_runs(&script.statements, planned, script.dialect),
                ..script
            };
            for hazard in hazards(&target, &script).await.map_err(|e| failed(&e))? {
                let text = format!("`{}`, line {}: {}", planned.blob.name, hazard.line, hazard.text);
                if is_loss(&hazard, &database.may_lose) {
                    found.losses.push(text);
                } else {
                    found.warnings.push(text);
                }
            }
        }
        Ok(found)
    }

    /// The same for a plan that is being made.
    pub async fn hazards(&self, database: &PlanDatabase) -> Vec<Finding> {
        let place = format!("database `{}`", database.name);
        let found = match self.look_for_hazards(database, DatabaseRole::Production).await {
            Ok(found) => found,
            Err(error) => {
                let text = format!("{}: {}", error.what, error.why);
                return vec![finding(
                    Severity::Error,
                    error.code.as_str(),
                    place,
                    text,
                    error.next,
                )];
            }
        };
        let losses = found
            .losses
            .into_iter()
            .map(|text| finding(Severity::Error, "script-loses-rows", &place, text, MAY_LOSE));
        let losses: Vec<Finding> = losses.collect();
        let warnings = found.warnings.into_iter().map(|text| {
            let remedy = "read the statement; [[override]] replaces or leaves out one that does harm";
            finding(Severity::Warning, "script-hazard", &place, text, remedy)
        });
        losses.into_iter().chain(warnings).collect()
    }

    /// Refused once more before anything is changed, and right before a script runs: rows may have come since the plan was
    /// made.
    pub(super) async fn ensure_nothing_is_lost(
        &self,
        database: &PlanDatabase,
        role: DatabaseRole,
    ) -> Result<(), StepError> {
        let found = self.look_for_hazards(database, role).await?;
        if found.losses.is_empty() {
            return Ok(());
        }
        Err(StepError::new(
            ErrorCode::DatabaseRefused,
            format!("the scripts of database {} would lose rows", database.name),
            found.losses.join("; "),
            format!("{MAY_LOSE}; then plan again"),
        ))
    }
}

const MAY_LOSE: &str = "check that it is the right script for this database; if these rows may go, add the table to may_lose of \
     the [[database]], or leave the statement out with an [[override]]";

fn is_loss(hazard: &Hazard, may_lose: &[String]) -> bool {
    let allowed = may_lose
        .iter()
        .any(|table| table.eq_ignore_ascii_case(&hazard.table));
    matches!(hazard.harm, Harm::LosesRows { .. }) && !allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_when_the_table_may_lose_its_rows_then_none() {
        let hazard = Hazard {
            statement: 1,
            line: 1,
            statement_sha256: String::new(),
            table: "um_claim_behavior".into(),
            harm: Harm::LosesRows { rows: 3 },
            text: String::new(),
            remedy: String::new(),
        };
        assert!(is_loss(&hazard, &[]));
        assert!(!is_loss(&hazard, &["UM_CLAIM_BEHAVIOR".to_owned()]));
    }
}
