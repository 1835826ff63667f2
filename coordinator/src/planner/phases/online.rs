//! The steps of an upgrade whose data is copied while production serves. Only the difference, the scripts and the
//! proofs are left for the time when nobody can work.

use cutover_proto::plan::{DataMode, DatabaseAction, DatabaseRole, PlanDatabase, PlanPhase, PlanStep};

use super::builder::{Builder, Draft, in_a_row};

/// The way of one database. In an upgrade that migrates first, those for which that is not possible are kept in step.
fn way(b: &Builder<'_>, database: &PlanDatabase) -> DataMode {
    match b.data.mode {
        DataMode::StopCopy => DataMode::StopCopy,
        DataMode::Delta if database.delta.is_some() => DataMode::Delta,
        DataMode::Sync | DataMode::Delta => DataMode::Sync,
    }
}

/// The phase in which staging is made while production serves.
pub(super) fn serving(b: &Builder<'_>) -> PlanPhase {
    let steps = b
        .databases
        .iter()
        .flat_map(|database| match way(b, database) {
            DataMode::StopCopy => Vec::new(),
            DataMode::Sync => in_a_row(vec![
                copy(b, database),
                synchronise(b, database, "sync.synchronise", false),
            ]),
            DataMode::Delta => {
                let in_step = synchronise(b, database, "sync.synchronise", false);
                let mut steps = vec![copy(b, database), in_step, manifest(b, database)];
                let staging = DatabaseRole::Staging;
                steps.extend(super::data::migrate(b, database, staging, "sync.migrate"));
                steps.push(delta(b, database, "sync.delta", false));
                in_a_row(steps)
            }
        })
        .collect();
    b.phase("sync", steps)
}

fn copy(b: &Builder<'_>, database: &PlanDatabase) -> PlanStep {
    let title = "copy production to staging while it serves".into();
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

fn manifest(b: &Builder<'_>, database: &PlanDatabase) -> PlanStep {
    let title = "keep name and hash of every row of the copy".into();
    let draft = Draft::database(database, DatabaseAction::CaptureManifest, title)
        .undo_note("nothing of its own: the copy's undo empties staging")
        .deadline(28_800);
    b.step("sync.manifest", draft)
}

fn delta(b: &Builder<'_>, database: &PlanDatabase, name: &str, fenced: bool) -> PlanStep {
    let title = if fenced {
        "bring the last rows into the migrated staging"
    } else {
        "bring what was written since into the migrated staging, while production serves"
    };
    let draft = Draft::database(database, DatabaseAction::BringDelta { fenced }, title.into())
        .undo_note("nothing of its own: the copy's undo empties staging")
        .deadline(28_800);
    b.step(name, draft)
}

/// Right before the servers stop the difference is made as small as it gets.
pub(super) fn before_stop(b: &Builder<'_>) -> Vec<PlanStep> {
    let step = |database| match way(b, database) {
        DataMode::StopCopy => None,
        DataMode::Sync => Some(synchronise(b, database, "quiesce.synchronise", false)),
        DataMode::Delta => Some(delta(b, database, "quiesce.delta", false)),
    };
    b.databases.iter().filter_map(step).collect()
}

/// What is left to do on a database once production is fenced.
pub(super) fn after_stop(b: &Builder<'_>, database: &PlanDatabase) -> Vec<PlanStep> {
    let mut steps = Vec::new();
    match way(b, database) {
        DataMode::StopCopy => {}
        DataMode::Sync => {
            steps.push(synchronise(b, database, "data.synchronise", true));
            steps.push(super::data::compare(b, database, false));
            let staging = DatabaseRole::Staging;
            steps.extend(super::data::migrate(b, database, staging, "data.migrate"));
        }
        DataMode::Delta => {
            steps.push(delta(b, database, "data.delta", true));
            steps.push(super::data::compare(b, database, true));
        }
    }
    steps.extend(super::data::repair(b, database));
    in_a_row(steps)
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
