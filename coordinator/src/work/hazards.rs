//! What the scripts of a plan would do to the rows that are in production now. A script that drops a table is the right
//! one for an empty database, and rarely for one that is in use.

use cutover_database::{Harm, Hazard, hazards};
use cutover_proto::plan::{DatabaseRole, OverrideAction, PlanDatabase, PlanScript};
use cutover_proto::report::{ErrorCode, StepError};
use cutover_proto::view::{Finding, Severity};
use cutover_sqlscript::{Script, Statement};

use super::{Worker, failed, target_of};
use crate::planner::finding;

/// Rows that would be lost though nobody said that they may, and what an operator should know besides.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) losses: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl Worker {
    pub(super) async fn look_for_hazards(&self, database: &PlanDatabase) -> Result<Found, StepError> {
        let mut found = Found::default();
        for planned in &database.scripts {
            let script = self.script(database, planned).await?;
            let script = as_it_runs(script, planned);
            let production = target_of(database, DatabaseRole::Production)?;
            for hazard in hazards(&production, &script).await.map_err(|e| failed(&e))? {
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
        let found = match self.look_for_hazards(database).await {
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

    /// Refused once more right before anything is changed: rows may have come since the plan was made.
    pub(super) async fn ensure_nothing_is_lost(&self, database: &PlanDatabase) -> Result<(), StepError> {
        let found = self.look_for_hazards(database).await?;
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

/// The statements that will run: without those that an override leaves out, and with what runs in their place.
fn as_it_runs(mut script: Script, planned: &PlanScript) -> Script {
    let dialect = script.dialect;
    let replaced = |statement: Statement| -> Vec<Statement> {
        let number = u32::try_from(statement.index + 1).unwrap_or(u32::MAX);
        let decision = planned.overrides.iter().find(|o| o.statement == number);
        match decision.map(|decision| (decision.action, decision.with.as_deref())) {
            None => vec![statement],
            Some((OverrideAction::Skip | OverrideAction::DoneByHand, _)) => Vec::new(),
            Some((OverrideAction::Replace, with)) => {
                let with = cutover_sqlscript::split(with.unwrap_or_default(), dialect);
                let others = with.map(|script| script.statements).unwrap_or_default();
                let placed = others.into_iter().map(|mut other| {
                    (other.index, other.line) = (statement.index, statement.line);
                    other
                });
                placed.collect()
            }
        }
    };
    script.statements = script.statements.into_iter().flat_map(replaced).collect();
    script
}

#[cfg(test)]
mod tests {
    use cutover_proto::ids::Sha256Hex;
    use cutover_proto::plan::StatementOverride;
    use cutover_proto::step::BlobRef;
    use cutover_sqlscript::Dialect;

    use super::*;

    #[test]
    fn statement_when_overridden_then_what_runs_in_its_place_is_looked_at() {
        let script =
            cutover_sqlscript::split("DROP TABLE A;\nDROP TABLE B;\nSELECT 1;", Dialect::MySql).unwrap();
        let order = |statement, action, with: Option<&str>| StatementOverride {
            statement,
            sha256: Sha256Hex::of(b""),
            action,
            with: with.map(str::to_owned),
            reason: String::new(),
        };
        let planned = PlanScript {
            blob: BlobRef {
                name: "m.sql".into(),
                sha256: Sha256Hex::of(b""),
                size: 0,
            },
            statements: 3,
            bundled: false,
            overrides: vec![
                order(1, OverrideAction::Skip, None),
                order(2, OverrideAction::Replace, Some("TRUNCATE TABLE C")),
            ],
        };
        let left = as_it_runs(script, &planned).statements;
        let told: Vec<(usize, usize, &str)> =
            left.iter().map(|s| (s.index, s.line, s.text.as_str())).collect();
        assert_eq!(told, [(1, 2, "TRUNCATE TABLE C"), (2, 3, "SELECT 1")]);
    }

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
