//! A rehearsal: the plan's copy, scripts and checkpoints on scratch databases beside the staging ones, while
//! production serves and is only read.

use cutover_proto::ids::{Sha256Hex, StepId};
use cutover_proto::plan::{
    DatabaseAction, DatabaseRole, Place, Plan, PlanDatabase, PlanPhase, PlanStep, Reversal, StepAction,
};
use cutover_proto::step::NodeAction;

use super::phases::step_id;

/// The plan of a rehearsal.
#[must_use]
pub fn compile(plan: &Plan, keep: bool) -> Plan {
    let databases: Vec<PlanDatabase> = plan
        .databases
        .iter()
        .map(|database| scratch(&plan.name, database))
        .collect();
    // First of all: whatever fails, taking back a scratch that was begun is what writes the rehearsal down.
    let mut first: Vec<PlanStep> = databases
        .iter()
        .map(|database| make_scratch(database, keep))
        .collect();
    first.extend(node_steps(plan));
    let rehearsed = databases
        .iter()
        .flat_map(|database| in_a_row(on_database(plan, database)))
        .collect();
    let checks = plan.steps().filter_map(checkpoint).collect();
    let mut last: Vec<PlanStep> = if keep {
        Vec::new()
    } else {
        databases.iter().map(drop_scratch).collect()
    };
    let record = record(&last);
    last.push(record);
    let phase = |name: &str, steps: Vec<PlanStep>| PlanPhase {
        name: name.to_owned(),
        approval: false,
        steps,
    };
    let mut phases = vec![
        phase("preflight", first),
        phase("rehearse", rehearsed),
        phase("checkpoint", checks),
        phase("cleanup", last),
    ];
    phases.retain(|phase| !phase.steps.is_empty());
    Plan {
        name: run_name(&plan.name),
        order: "rehearsal".to_owned(),
        summary: format!(
            "A rehearsal of {}: production serves and is only read; everything is tried on scratch databases of \
             Cutover's own, which {} afterwards.",
            plan.name,
            if keep { "stay" } else { "are removed" }
        ),
        failures: 0,
        phases,
        point_of_no_return: None,
        window: None,
        downtime: None,
        notes: Vec::new(),
        databases,
        rehearses: Some(plan.hash()),
        ..plan.clone()
    }
}

/// The name of a rehearsal's runs.
#[must_use]
pub fn run_name(upgrade: &str) -> String {
    format!("{upgrade}-rehearsal")
}

/// The database with the scratch in the place of staging. The name is the same for every rehearsal of the upgrade, so
/// that a new one finds what an earlier one left.
fn scratch(upgrade: &str, database: &PlanDatabase) -> PlanDatabase {
    let hash = Sha256Hex::of(format!("{upgrade}/{}", database.name).as_bytes());
    let name = format!("{}{}", cutover_database::scratch::PREFIX, hash.short());
    let mut staging = database.staging.clone();
    staging.url = renamed(&staging.url, &name);
    let server = database
        .staging_identity
        .rsplit_once('/')
        .map_or("", |(server, _)| server);
    PlanDatabase {
        staging,
        staging_identity: format!("{server}/{name}"),
        application: None,
        // Tables are locked for it, and a rehearsal's production serves.
        tablespaces: None,
        ..database.clone()
    }
}

/// The URL of another database of the same server.
fn renamed(url: &str, name: &str) -> String {
    let (address, query) = match url.split_once('?') {
        Some((address, query)) => (address, format!("?{query}")),
        None => (url, String::new()),
    };
    let server = address.rsplit_once('/').map_or(address, |(server, _)| server);
    format!("{server}/{name}{query}")
}

/// The node steps that only look.
fn node_steps(plan: &Plan) -> Vec<PlanStep> {
    let looks = |step: &&PlanStep| {
        matches!(
            step.action,
            StepAction::Node(NodeAction::Inspect { .. } | NodeAction::CompareConfig { .. })
        )
    };
    let kept: Vec<&PlanStep> = plan.steps().filter(looks).collect();
    kept.iter()
        .map(|step| PlanStep {
            after: step
                .after
                .iter()
                .filter(|id| kept.iter().any(|other| &other.id == *id))
                .cloned()
                .collect(),
            ..(*step).clone()
        })
        .collect()
}

fn step(name: &str, database: &PlanDatabase, action: DatabaseAction, title: &str) -> PlanStep {
    let place = Place::Database(database.name.clone());
    PlanStep {
        id: step_id(name, &place),
        title: title.to_owned(),
        place,
        action: StepAction::Database(action),
        reversal: Reversal::Nothing,
        undo: "the scratch database is removed".to_owned(),
        skippable: false,
        deadline_secs: 86_400,
        after: Vec::new(),
        sentences: Vec::new(),
    }
}

fn make_scratch(database: &PlanDatabase, keep: bool) -> PlanStep {
    let action = DatabaseAction::MakeScratch { keep };
    let mut step = step(
        "preflight.make-scratch",
        database,
        action,
        "make a scratch database beside staging",
    );
    step.reversal = Reversal::Undo;
    if keep {
        "write down what failed; the scratch database stays".clone_into(&mut step.undo);
    }
    step
}

fn drop_scratch(database: &PlanDatabase) -> PlanStep {
    step(
        "cleanup.drop-scratch",
        database,
        DatabaseAction::DropScratch,
        "remove the scratch database",
    )
}

fn on_database(plan: &Plan, database: &PlanDatabase) -> Vec<PlanStep> {
    let role = DatabaseRole::Staging;
    let mut steps = vec![
        step(
            "rehearse.copy",
            database,
            DatabaseAction::Copy { serving: true },
            "copy production to the scratch while it serves",
        ),
        step(
            "rehearse.synchronise",
            database,
            DatabaseAction::Synchronise { fenced: false },
            "bring what was written since over to the scratch",
        ),
        step(
            "rehearse.compare",
            database,
            DatabaseAction::Compare { migrated: false },
            "compare the scratch with production, which goes on changing",
        ),
        step(
            "rehearse.backup",
            database,
            DatabaseAction::Backup,
            "time a backup and its drill on the scratch",
        ),
    ];
    let migrate = step(
        "rehearse.migrate",
        database,
        DatabaseAction::Migrate { role },
        "run the migration scripts on the scratch",
    );
    match (database.scripts.is_empty(), &database.delta) {
        (true, _) => {}
        (false, None) => steps.push(migrate),
        (false, Some(_)) => steps.extend([
            step(
                "rehearse.manifest",
                database,
                DatabaseAction::CaptureManifest,
                "keep name and hash of every row of the scratch",
            ),
            migrate,
            step(
                "rehearse.delta",
                database,
                DatabaseAction::BringDelta { fenced: false },
                "bring what was written since into the migrated scratch",
            ),
            step(
                "rehearse.compare-migrated",
                database,
                DatabaseAction::Compare { migrated: true },
                "compare the migrated scratch with production, which goes on changing",
            ),
        ]),
    }
    let here = Place::Database(database.name.clone());
    let repairs = plan.steps().filter(|step| {
        step.place == here && matches!(step.action, StepAction::Database(DatabaseAction::Repair { .. }))
    });
    steps.extend(repairs.map(|planned| PlanStep {
        after: Vec::new(),
        ..planned.clone()
    }));
    steps
}

fn checkpoint(planned: &PlanStep) -> Option<PlanStep> {
    if !matches!(
        planned.action,
        StepAction::Database(DatabaseAction::Checkpoint { .. })
    ) {
        return None;
    }
    Some(PlanStep {
        after: Vec::new(),
        ..planned.clone()
    })
}

fn record(after: &[PlanStep]) -> PlanStep {
    PlanStep {
        id: step_id("cleanup.record", &Place::Coordinator),
        title: "write down how long everything took".to_owned(),
        place: Place::Coordinator,
        action: StepAction::Finalize,
        reversal: Reversal::Nothing,
        undo: "nothing to undo".to_owned(),
        skippable: false,
        deadline_secs: 300,
        after: after.iter().map(|step| step.id.clone()).collect(),
        sentences: Vec::new(),
    }
}

fn in_a_row(mut steps: Vec<PlanStep>) -> Vec<PlanStep> {
    let mut before: Option<StepId> = None;
    for step in &mut steps {
        step.after.extend(before.take());
        before = Some(step.id.clone());
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_when_renamed_then_only_the_database_changes() {
        assert_eq!(
            renamed("mysql://a@h:1/old?tls=off", "new"),
            "mysql://a@h:1/new?tls=off"
        );
        assert_eq!(renamed("postgres://a@h/old", "new"), "postgres://a@h/new");
    }
}
