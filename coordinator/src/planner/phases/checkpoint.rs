//! What must hold in staging before a new server is started on it.

use cutover_proto::plan::{DatabaseAction, DatabaseRole, PlanDatabase, PlanPhase};

use super::builder::{Builder, Draft};

pub(super) fn phase(b: &Builder<'_>) -> PlanPhase {
    let steps = b.databases.iter().filter_map(|database| {
        let checks = checks(b, database);
        let draft = |checks: Vec<serde_json::Value>| {
            let title = format!("{} checkpoints in staging", checks.len());
            let action = DatabaseAction::Checkpoint {
                role: DatabaseRole::Staging,
                checks: serde_json::Value::Array(checks),
            };
            b.step("checkpoint.check", Draft::database(database, action, title))
        };
        (!checks.is_empty()).then(|| draft(checks))
    });
    b.phase("checkpoint", steps.collect())
}

/// The checkpoints of the roles that a database has.
fn checks(b: &Builder<'_>, database: &PlanDatabase) -> Vec<serde_json::Value> {
    let checkpoints = b.inputs.guide.checkpoints.iter();
    checkpoints
        .filter(|checkpoint| b.has_role(database, checkpoint.role))
        .map(|checkpoint| checkpoint.check.clone())
        .collect()
}
