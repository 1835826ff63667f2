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

/// The checkpoints of the roles that a database has, each once.
pub(super) fn checks(b: &Builder<'_>, database: &PlanDatabase) -> Vec<serde_json::Value> {
    let wanted = b
        .inputs
        .guide
        .checkpoints
        .iter()
        .filter(|checkpoint| b.has_role(database, checkpoint.role));
    let mut checks: Vec<serde_json::Value> = Vec::new();
    for checkpoint in wanted {
        if !checks.contains(&checkpoint.check) {
            checks.push(checkpoint.check.clone());
        }
    }
    checks
}
