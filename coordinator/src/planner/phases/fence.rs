//! The fence: once everybody has left, production refuses the application.

use cutover_proto::plan::{DatabaseAction, PlanStep};

use super::builder::{Builder, Draft};

/// One step per database that can be fenced, behind the proof that nobody is connected.
pub(super) fn steps(b: &Builder<'_>) -> Vec<PlanStep> {
    b.databases
        .iter()
        .filter_map(|database| {
            let fencing = &b.inputs.databases.get(&database.name)?.fencing;
            if fencing.refused.is_some() {
                return None;
            }
            let action = DatabaseAction::Fence {
                accounts: fencing.accounts.clone(),
                proof: fencing.proof.clone(),
            };
            let title = format!("production refuses {}", fencing.accounts.join(", "));
            let place = cutover_proto::plan::Place::Database(database.name.clone());
            let draft = Draft::database(database, action, title)
                .undo("give the accounts back what they had")
                .after(vec![b.id("quiesce.prove-alone", &place)]);
            Some(b.step("quiesce.fence", draft))
        })
        .collect()
}
