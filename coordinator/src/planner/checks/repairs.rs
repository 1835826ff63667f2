//! A repair that the upgrade file asks for must have something to repair.

use cutover_proto::view::Finding;

use crate::planner::{Inputs, error, roles};

/// Whether Cutover knows how to repair what a checkpoint can find.
pub(in crate::planner) fn is_repairable(check: &serde_json::Value) -> bool {
    serde_json::from_value(check.clone()).is_ok_and(|check| cutover_database::repairable(&check))
}

/// Repairs asked for on databases that no repairable checkpoint is about.
pub(super) fn check(inputs: &Inputs<'_>) -> Vec<Finding> {
    let roles = roles::of(inputs);
    let asked = inputs
        .upgrade
        .databases
        .iter()
        .filter(|database| database.repair.is_some());
    let idle = asked.filter(|database| {
        let about = |role| {
            roles
                .get(&database.name)
                .is_some_and(|roles| roles.contains(role))
        };
        let mut checkpoints = inputs.guide.checkpoints.iter();
        !checkpoints.any(|checkpoint| about(&checkpoint.role) && is_repairable(&checkpoint.check))
    });
    idle.map(|database| {
        error(
            "repair-nothing",
            &database.line,
            "repair = true, and no checkpoint of the guide finds anything in this database that could be repaired",
            "remove it",
        )
    })
    .collect()
}
