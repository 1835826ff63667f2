//! The data: databases backed up, migrated and copied in the order of the plan, and directories.

use cutover_proto::plan::{DatabaseAction, DatabaseRole, PlanDatabase, PlanPhase, PlanStep};
use cutover_proto::step::NodeAction;

use super::builder::{self, Builder, Draft};
use super::checkpoint;
use crate::guide::GuideDirectory;
use crate::planner::checks;

pub(super) fn phase(b: &Builder<'_>) -> PlanPhase {
    let mut steps = Vec::new();
    for database in b.databases {
        steps.extend(data_of(b, database));
    }
    for directory in &b.inputs.guide.directories {
        if directory.tenants && !b.inputs.copies_tenants() {
            continue;
        }
        let name = directory
            .path
            .rsplit('/')
            .next()
            .unwrap_or(&directory.path)
            .to_owned();
        let sentences: Vec<String> = directory.sentence.iter().cloned().collect();
        steps.extend(b.on_nodes(&format!("data.copy-{name}"), |node| {
            let action = NodeAction::CopyTree {
                from: b.old_home(node),
                to: b.new_home(node),
                path: directory.path.clone(),
                protect: directory.protect,
                overwrite: overwrite(b, directory),
            };
            Draft::node(node, action, format!("copy {} to the new home", directory.path))
                .undo("remove what was copied, restore what it replaced")
                .sentences(sentences.clone())
                .deadline(14400)
        }));
    }
    b.phase("data", steps)
}

/// What the operator takes from the old home although the new version ships it.
fn overwrite(b: &Builder<'_>, directory: &GuideDirectory) -> Vec<String> {
    let beneath = |pattern: &&String| directory.protect && pattern.starts_with(&directory.path);
    b.inputs
        .upgrade
        .overwrite
        .iter()
        .filter(beneath)
        .cloned()
        .collect()
}

fn data_of(b: &Builder<'_>, database: &PlanDatabase) -> Vec<PlanStep> {
    if b.data.mode.is_online() {
        return super::online::after_stop(b, database);
    }
    let migrates_production = b.inputs.migrates_production(b.data.mode);
    let role = if migrates_production {
        DatabaseRole::Production
    } else {
        DatabaseRole::Staging
    };
    let title = "back production up and prove the backup by restoring it".into();
    let backup = b.step(
        "data.backup",
        Draft::database(database, DatabaseAction::Backup, title).deadline(14400),
    );
    let copy = Draft::database(
        database,
        DatabaseAction::Copy { serving: false },
        "copy production to staging".into(),
    )
    .undo("empty staging again")
    .deadline(28800);
    let copy = b.step("data.copy", copy);
    let [export, files] = as_files(b, database);
    let compare = compare(b, database, false);
    let migrate = migrate(b, database, role, "data.migrate");
    let repair = repair(b, database);
    let order = if migrates_production {
        [
            Some(backup),
            migrate,
            export,
            files,
            Some(copy),
            Some(compare),
            repair,
        ]
    } else {
        [
            Some(backup),
            export,
            files,
            Some(copy),
            Some(compare),
            migrate,
            repair,
        ]
    };
    builder::in_a_row(order.into_iter().flatten().collect())
}

/// Large tables that are copied as files: locked here, copied on the database host, taken in by the copy.
fn as_files(b: &Builder<'_>, database: &PlanDatabase) -> [Option<PlanStep>; 2] {
    let Some(files) = &database.tablespaces else {
        return [None, None];
    };
    let count = files.tables.len();
    let export = Draft::database(
        database,
        DatabaseAction::ExportTables {
            tables: files.tables.clone(),
        },
        format!("lock {count} table(s) of production and make them in staging, for a copy of their files"),
    )
    .undo("end the lock, empty staging")
    .deadline(3600);
    let action = NodeAction::CopyTablespaces {
        data_dir: files.data_dir.clone(),
        from: files.from.clone(),
        to: files.to.clone(),
        tables: files.tables.clone(),
    };
    let title = format!(
        "copy the files of {count} table(s) from {0}/{1} to {0}/{2}",
        files.data_dir, files.from, files.to
    );
    let copied = Draft::on(&files.node, action, title)
        .undo("remove what is not whole; the rest goes with the tables of staging")
        .skippable()
        .deadline(28800);
    [
        Some(b.step("data.export", export)),
        Some(b.step(&format!("data.copy-tablespaces-{}", database.name), copied)),
    ]
}

/// Repairs are done on staging, behind the copy and the migration and before the checkpoints look.
pub(super) fn repair(b: &Builder<'_>, database: &PlanDatabase) -> Option<PlanStep> {
    let asked = b
        .inputs
        .upgrade
        .databases
        .iter()
        .find(|asked| asked.name == database.name)?;
    let primary_domain = asked.repair.clone()?;
    let checks: Vec<serde_json::Value> = checkpoint::checks(b, database)
        .into_iter()
        .filter(checks::is_repairable)
        .collect();
    let title = format!("repair what {} checkpoint(s) find in staging", checks.len());
    let action = DatabaseAction::Repair {
        role: DatabaseRole::Staging,
        checks: serde_json::Value::Array(checks),
        primary_domain,
    };
    let draft = Draft::database(database, action, title)
        .undo_note("nothing of its own: the copy's undo empties staging")
        .deadline(3600);
    Some(b.step("data.repair", draft))
}

pub(super) fn compare(b: &Builder<'_>, database: &PlanDatabase, migrated: bool) -> PlanStep {
    let title = if migrated {
        "prove that the migrated staging holds every row of production"
    } else {
        "prove that staging equals production"
    };
    let action = DatabaseAction::Compare { migrated };
    let draft = Draft::database(database, action, title.into()).deadline(14400);
    b.step("data.compare", draft)
}

pub(super) fn migrate(
    b: &Builder<'_>,
    database: &PlanDatabase,
    role: DatabaseRole,
    name: &str,
) -> Option<PlanStep> {
    if database.scripts.is_empty() {
        return None;
    }
    let names: Vec<&str> = database
        .scripts
        .iter()
        .map(|script| script.blob.name.as_str())
        .collect();
    let statements: u32 = database.scripts.iter().map(|script| script.statements).sum();
    let overrides: usize = database.scripts.iter().map(|script| script.overrides.len()).sum();
    let mut title = format!("run {} on {role}, {statements} statements", names.join(", "));
    if overrides > 0 {
        title.push_str(&format!(", {overrides} of them overridden"));
    }
    let draft = Draft::database(database, DatabaseAction::Migrate { role }, title)
        .sentences(sentences(b, database))
        .deadline(14400);
    let draft = match role {
        DatabaseRole::Production => draft.undo("restore production from the verified backup"),
        DatabaseRole::Staging => draft.undo_note("nothing of its own: the copy's undo empties staging"),
    };
    Some(b.step(name, draft))
}

/// The sentences that ask for the scripts of a database's roles.
fn sentences(b: &Builder<'_>, database: &PlanDatabase) -> Vec<String> {
    let scripts = b
        .inputs
        .guide
        .scripts
        .iter()
        .filter(|script| b.has_role(database, script.role));
    scripts.map(|script| script.sentence.clone()).collect()
}
