//! The steps of an upgrade whose data is copied while production serves. Only the difference, the scripts and the
//! proofs are left for the time when nobody can work.

use cutover_proto::plan::{DataMode, DatabaseAction, DatabaseRole, PlanDatabase, PlanPhase, PlanStep};

use super::builder::{Builder, Draft, in_a_row};

/// The phase in which staging is made while production serves.
pub(super) fn serving(b: &Builder<'_>) -> PlanPhase {
    let steps = b
        .databases
        .iter()
        .flat_map(|database| match b.data.mode {
            DataMode::StopCopy => Vec::new(),
            DataMode::Sync => in_a_row(vec![
                copy(b, database),
                synchronise(b, database, "sync.synchronise", false),
            ]),
        })
        .collect();
    b.phase("sync", steps)
}

fn copy(b: &Builder<'_>, database: &PlanDatabase) -> PlanStep {
    let title = "copy production to staging as it is at one moment, while it serves".into();
    let draft = Draft::database(database, DatabaseAction::Copy { serving: true }, title)
        .undo("empty staging again")
        .deadline(86_400);
    b.step("sync.copy", draft)
}

fn synchronise(b: &Builder<'_>, database: &PlanDatabase, name: &str, fenced: bool) -> PlanStep {
    let title = if fenced {
        "bring the last difference over to staging"
    } else {
        "bring what was written since over to staging, while production serves"
    };
    let draft = Draft::database(database, DatabaseAction::Synchronise { fenced }, title.into())
        .undo_note("nothing of its own: the copy's undo empties staging")
        .deadline(28_800);
    b.step(name, draft)
}

/// Right before the servers stop the difference is made as small as it gets.
pub(super) fn before_stop(b: &Builder<'_>) -> Vec<PlanStep> {
    if b.data.mode != DataMode::Sync {
        return Vec::new();
    }
    b.databases
        .iter()
        .map(|database| synchronise(b, database, "quiesce.synchronise", false))
        .collect()
}

/// What is left to do on a database once production is fenced.
pub(super) fn after_stop(b: &Builder<'_>, database: &PlanDatabase) -> Vec<PlanStep> {
    match b.data.mode {
        DataMode::StopCopy => Vec::new(),
        DataMode::Sync => {
            let mut steps = vec![
                synchronise(b, database, "data.synchronise", true),
                super::data::compare(b, database),
            ];
            let staging = DatabaseRole::Staging;
            steps.extend(super::data::migrate(b, database, staging, "data.migrate"));
            steps.extend(super::data::repair(b, database));
            in_a_row(steps)
        }
    }
}

/// The backup of a production that this upgrade never changes: taken when the new servers serve, before the point of
/// no return, so that it costs no downtime. Production is fenced: it is what it was when the servers stopped.
pub(super) fn late_backup(b: &Builder<'_>) -> Vec<PlanStep> {
    if !b.data.mode.is_online() {
        return Vec::new();
    }
    b.on_databases("validate.backup", |database| {
        let title = "back the old production up and prove the backup by restoring it".into();
        Draft::database(database, DatabaseAction::Backup, title).deadline(14_400)
    })
}
