//! Phases and their steps (design.md section 6). The guide's order moves `migrate`; the rest is the same.
//!
//! The database is backed up after the servers have stopped, not before: a backup of a serving database lapses
//! with the next row written, and could then not undo a migration (promise 8).

mod builder;

use std::collections::BTreeMap;

use cutover_proto::ids::{NodeName, Sha256Hex, StepId};
use cutover_proto::plan::{
    DatabaseAction, DatabaseRole, Place, Plan, PlanDatabase, PlanPhase, PlanStep, PlanWindow, Reversal,
};
use cutover_proto::step::{NodeAction, XmlEdit};

pub(crate) use self::builder::step_id;
use self::builder::{Builder, Draft};
use super::{Inputs, PlanNode, edits, essentials, forecast};

/// The names of the phases, in order, for showing a guide.
#[must_use]
pub fn names(migrates_production: bool) -> Vec<String> {
    let data = if migrates_production {
        "data: back up the databases, migrate production, copy it to staging, compare; copy directories"
    } else {
        "data: back up the databases, copy production to staging, compare, migrate staging; copy directories"
    };
    [
        "preflight: look again at nodes and databases, staging empty",
        "prepare: unpack or hold the new home, carry drivers and keystores, edit its configuration",
        "backup: every old home, read back",
        "quiesce: stop and hold every server, prove it by processes, ports and the databases' session lists",
        data,
        "checkpoint: tables, columns and row rules in staging",
        "cutover: start the new servers, manager first, and prove them ready and on staging",
        "validate: the guide's tests through the admin services",
        "finalize: approval, point of no return, journals removed",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Compiles the plan.
#[must_use]
pub fn compile(inputs: &Inputs<'_>, databases: Vec<PlanDatabase>, notes: Vec<String>) -> Plan {
    let builder = Builder {
        inputs,
        databases: &databases,
    };
    let mut phases = vec![
        preflight(&builder),
        prepare(&builder),
        backup(&builder),
        quiesce(&builder),
        data(&builder),
        checkpoint(&builder),
        cutover(&builder),
        validate(&builder),
        finalize(&builder),
    ];
    phases.retain(|phase| !phase.steps.is_empty());
    let scripts = databases.iter().map(|database| database.scripts.len()).sum();
    let point = phases
        .iter()
        .flat_map(|phase| &phase.steps)
        .find(|step| step.reversal == Reversal::PointOfNoReturn)
        .map(|step| step.id.clone());
    Plan {
        name: inputs.upgrade.name.clone(),
        guide: inputs.guide.name.clone(),
        order: if inputs.upgrade.copy_first {
            "copy-first"
        } else {
            inputs.guide.order.as_str()
        }
        .to_owned(),
        summary: summary(inputs, scripts),
        nodes: inputs
            .ordered_nodes()
            .iter()
            .map(|node| node.name.clone())
            .collect(),
        parallel: inputs.upgrade.parallel,
        failures: inputs.upgrade.failures,
        phases,
        point_of_no_return: point,
        window: inputs.upgrade.window.as_ref().map(|w| PlanWindow {
            open: w.open.clone(),
            length: w.length.clone(),
        }),
        downtime: Some(forecast::downtime(inputs, scripts)),
        notes,
        databases,
        inventory: inventory(inputs),
    }
}

fn inventory(inputs: &Inputs<'_>) -> BTreeMap<NodeName, Sha256Hex> {
    let hash = |node: &PlanNode| {
        let homes = [inputs.old_home(&node.name), inputs.new_home(&node.name)];
        Some((node.name.clone(), essentials(node.facts.as_ref()?, &homes)))
    };
    inputs.nodes.iter().filter_map(hash).collect()
}

fn summary(inputs: &Inputs<'_>, scripts: usize) -> String {
    let changed = if scripts == 0 {
        "No migration script runs; production is never changed."
    } else if inputs.migrates_production() {
        "Production is migrated and then copied to staging, as WSO2's page says; until the point of no return abort \
         restores it from the verified backup."
    } else {
        "Production is copied to staging and never changed; the migration runs on staging only."
    };
    format!(
        "{}. {} node(s) go from {} to {}. {changed} What the new servers write between their start and an abort stays \
         in staging and is lost with it.",
        inputs.guide.title,
        inputs.nodes.len(),
        inputs.upgrade.old_home,
        inputs.upgrade.new_home,
    )
}

fn preflight(b: &Builder<'_>) -> PlanPhase {
    let mut steps = b.on_nodes("preflight.inspect", |node| {
        Draft::node(
            node,
            NodeAction::Inspect {
                homes: vec![b.old_home(node), b.new_home(node)],
            },
            format!("look at {} and {}", b.old_home(node), b.new_home(node)),
        )
    });
    steps.extend(b.on_databases("preflight.verify", |database| {
        Draft::database(
            database,
            DatabaseAction::Verify,
            "same engine, same charset rules, another database, and staging empty".into(),
        )
    }));
    b.phase("preflight", steps)
}

fn prepare(b: &Builder<'_>) -> PlanPhase {
    let mut steps = Vec::new();
    for node in b.inputs.ordered_nodes() {
        steps.extend(prepare_node(b, node));
    }
    b.phase("prepare", steps)
}

/// The new home of one node, step behind step: nothing may be carried or edited before the home is there and held.
fn prepare_node(b: &Builder<'_>, node: &PlanNode) -> Vec<PlanStep> {
    let mut chain = Vec::new();
    let home = b.new_home(node);
    if let Some(distribution) = &b.inputs.upgrade.distribution
        && let Some(blob) = b.inputs.attachments.get(&distribution.file)
    {
        let action = NodeAction::Unpack {
            home: home.clone(),
            distribution: blob.clone(),
        };
        let draft = Draft::node(node, action, format!("unpack {} to {home}", blob.name))
            .undo("remove the directory it made")
            .deadline(1800);
        chain.push(b.step("prepare.unpack", draft));
    }
    let hold = Draft::node(
        node,
        NodeAction::HoldServer { home: home.clone() },
        format!("hold the server of {home} down"),
    )
    .undo("release the hold");
    chain.push(b.step("prepare.hold-new", hold));
    let patterns = b
        .inputs
        .upgrade
        .carry
        .clone()
        .unwrap_or_else(|| b.inputs.guide.carry.clone());
    if !patterns.is_empty() {
        let title = format!("carry {} to the new home", patterns.join(", "));
        let action = NodeAction::CarryFiles {
            from: b.old_home(node),
            to: home.clone(),
            patterns,
        };
        let draft = Draft::node(node, action, title)
            .undo("remove what was carried, restore what it replaced")
            .deadline(900);
        chain.push(b.step("prepare.carry", draft));
    }
    let configs = config_files(b, node);
    let files: Vec<String> = configs.iter().map(|(file, ..)| file.clone()).collect();
    for (file, edits, sentence) in configs {
        let title = format!("edit {file}: {} value(s)", edits.len());
        let name = file_name(&file, &files);
        let action = NodeAction::EditXml {
            home: home.clone(),
            file,
            elsewhere: Vec::new(),
            edits,
        };
        let draft = Draft::node(node, action, title)
            .undo("restore the file byte for byte")
            .sentences(sentence);
        chain.push(b.step(&format!("prepare.edit-{name}"), draft));
    }
    builder::in_a_row(chain)
}

/// A file in a step's id: its own name where no other file has it, else its whole path. Two steps of one id would be
/// taken for one.
fn file_name(file: &str, all: &[String]) -> String {
    let last = |path: &str| {
        path.rsplit('/')
            .next()
            .unwrap_or(path)
            .trim_end_matches(".xml")
            .to_owned()
    };
    let alone = all.iter().filter(|other| last(other) == last(file)).count() == 1;
    if alone {
        last(file)
    } else {
        file.trim_end_matches(".xml").replace('/', "-")
    }
}

/// The files to edit on a node: those of the guide with the site's values added, then those of the site alone.
fn config_files(b: &Builder<'_>, node: &PlanNode) -> Vec<(String, Vec<XmlEdit>, Option<String>)> {
    let mut site: BTreeMap<String, Vec<XmlEdit>> = edits::site_edits(b.inputs, node);
    let old = node.home(&b.old_home(node));
    let mut files = Vec::new();
    for edit in &b.inputs.guide.edits {
        let mut edits = edits::edits_of(b.inputs, edit, old);
        edits.extend(site.remove(&edit.file).unwrap_or_default());
        if !edits.is_empty() {
            files.push((edit.file.clone(), edits, Some(edit.sentence.clone())));
        }
    }
    // No sentence of the guide asks for these.
    files.extend(
        site.into_iter()
            .map(|(file, edits)| (file, edits, Some(String::new()))),
    );
    files
}

fn backup(b: &Builder<'_>) -> PlanPhase {
    let steps = b.on_nodes("backup.home", |node| {
        let name = format!("{}-{}", b.inputs.upgrade.name, node.name);
        let action = NodeAction::BackupHome {
            home: b.old_home(node),
            name,
        };
        Draft::node(
            node,
            action,
            format!("back up {} and read it back", b.old_home(node)),
        )
        .deadline(7200)
    });
    b.phase("backup", steps)
}

fn quiesce(b: &Builder<'_>) -> PlanPhase {
    let upgrade = b.inputs.upgrade;
    let mut steps = b.on_nodes("quiesce.stop", |node| {
        let action = NodeAction::StopServer {
            home: b.old_home(node),
            grace_secs: upgrade.stop_grace_secs,
            kill: upgrade.stop_kill,
        };
        Draft::node(
            node,
            action,
            format!("stop and hold the server of {}", b.old_home(node)),
        )
        .undo("release the hold; start the server and wait until it is ready, if it was running")
        .deadline(u64::from(upgrade.stop_grace_secs) + 60)
    });
    let proofs = b.on_nodes("quiesce.prove-stopped", |node| {
        Draft::node(
            node,
            NodeAction::ProveStopped {
                home: b.old_home(node),
            },
            format!(
                "no process of {} is left and its ports are closed",
                b.old_home(node)
            ),
        )
        .after(vec![b.id("quiesce.stop", &Place::Node(node.name.clone()))])
    });
    let proven: Vec<StepId> = proofs.iter().map(|step| step.id.clone()).collect();
    steps.extend(proofs);
    steps.extend(b.on_databases("quiesce.prove-alone", |database| {
        let action = DatabaseAction::ProveAlone {
            role: DatabaseRole::Production,
        };
        Draft::database(
            database,
            action,
            "nobody but Cutover is connected to production".into(),
        )
        .after(proven.clone())
    }));
    b.phase("quiesce", steps)
}

fn data(b: &Builder<'_>) -> PlanPhase {
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
        steps.extend(b.on_nodes(&format!("data.copy-{name}"), |node| {
            let action = NodeAction::CopyTree {
                from: b.old_home(node),
                to: b.new_home(node),
                path: directory.path.clone(),
                protect: false,
                overwrite: Vec::new(),
            };
            Draft::node(node, action, format!("copy {} to the new home", directory.path))
                .undo("remove what was copied, restore what it replaced")
                .sentences(Some(directory.sentence.clone()))
                .deadline(14400)
        }));
    }
    b.phase("data", steps)
}

fn data_of(b: &Builder<'_>, database: &PlanDatabase) -> Vec<PlanStep> {
    let migrates_production = b.inputs.migrates_production();
    let role = if migrates_production {
        DatabaseRole::Production
    } else {
        DatabaseRole::Staging
    };
    let backup = b.step(
        "data.backup",
        Draft::database(
            database,
            DatabaseAction::Backup,
            "back production up and prove the backup by restoring it".into(),
        )
        .deadline(14400),
    );
    let copy = b.step(
        "data.copy",
        Draft::database(
            database,
            DatabaseAction::Copy,
            "copy production to staging".into(),
        )
        .undo("empty staging again")
        .deadline(28800),
    );
    let compare = b.step(
        "data.compare",
        Draft::database(
            database,
            DatabaseAction::Compare,
            "prove that staging equals production".into(),
        )
        .deadline(14400),
    );
    let migrate = (!database.scripts.is_empty()).then(|| {
        let names: Vec<&str> = database
            .scripts
            .iter()
            .map(|script| script.blob.name.as_str())
            .collect();
        let statements: u32 = database.scripts.iter().map(|script| script.statements).sum();
        let title = format!("run {} on {role}, {statements} statements", names.join(", "));
        let undo = match role {
            DatabaseRole::Production => "restore production from the verified backup",
            DatabaseRole::Staging => "nothing of its own: the copy's undo empties staging",
        };
        let draft = Draft::database(database, DatabaseAction::Migrate { role }, title).deadline(14400);
        b.step(
            "data.migrate",
            if role == DatabaseRole::Production {
                draft.undo(undo)
            } else {
                draft.undo_note(undo)
            },
        )
    });
    let order: Vec<PlanStep> = if migrates_production {
        [Some(backup), migrate, Some(copy), Some(compare)]
            .into_iter()
            .flatten()
            .collect()
    } else {
        [Some(backup), Some(copy), Some(compare), migrate]
            .into_iter()
            .flatten()
            .collect()
    };
    builder::in_a_row(order)
}

fn checkpoint(b: &Builder<'_>) -> PlanPhase {
    let steps = b.on_databases("checkpoint.check", |database| {
        let checks = b
            .inputs
            .guide
            .checkpoints
            .iter()
            .map(|checkpoint| checkpoint.check.clone())
            .collect();
        let action = DatabaseAction::Checkpoint {
            role: DatabaseRole::Staging,
            checks: serde_json::Value::Array(checks),
        };
        Draft::database(
            database,
            action,
            format!("{} checkpoints in staging", b.inputs.guide.checkpoints.len()),
        )
    });
    let covered = |step: &PlanStep| b.holds_users(&step.place);
    b.phase("checkpoint", steps.into_iter().filter(covered).collect())
}

fn cutover(b: &Builder<'_>) -> PlanPhase {
    let mut steps = b.on_databases("cutover.prove-alone", |database| {
        let action = DatabaseAction::ProveAlone {
            role: DatabaseRole::Production,
        };
        Draft::database(database, action, "nobody came back to production".into())
    });
    let alone: Vec<StepId> = steps.iter().map(|step| step.id.clone()).collect();
    let mut before = alone;
    let upgrade = b.inputs.upgrade;
    let mut readies = Vec::new();
    for (index, node) in b.inputs.ordered_nodes().into_iter().enumerate() {
        let start = Draft::node(
            node,
            NodeAction::StartServer {
                home: b.new_home(node),
            },
            format!("start the server of {}", b.new_home(node)),
        )
        .undo("stop it and hold it down")
        .after(before.clone())
        .deadline(300);
        let ready_action = NodeAction::ProveReady {
            home: b.new_home(node),
            timeout_secs: upgrade.start_timeout_secs,
            admin: upgrade.admin.clone(),
        };
        let place = Place::Node(node.name.clone());
        let ready = Draft::node(node, ready_action, "wait until it is up, and prove it".into())
            .after(vec![b.id("cutover.start", &place)])
            .deadline(u64::from(upgrade.start_timeout_secs) + 60);
        steps.push(b.step("cutover.start", start));
        let ready = b.step("cutover.ready", ready);
        readies.push(ready.id.clone());
        if index == 0 {
            // Manager first: the others start when it is ready (carbon-facts.md section 10.12).
            before = vec![ready.id.clone()];
        }
        steps.push(ready);
    }
    let nodes = u32::try_from(b.inputs.nodes.len()).unwrap_or(u32::MAX);
    steps.extend(b.on_databases("cutover.prove-serving", |database| {
        let title = "the new servers are on staging, nobody is on production".into();
        Draft::database(database, DatabaseAction::ProveServing { nodes }, title).after(readies.clone())
    }));
    b.phase("cutover", steps)
}

fn validate(b: &Builder<'_>) -> PlanPhase {
    let mut steps = Vec::new();
    if let (Some(admin), Some(node)) = (&b.inputs.upgrade.admin, b.inputs.ordered_nodes().first()) {
        let action = NodeAction::Smoke {
            home: b.new_home(node),
            admin: admin.clone(),
            prefix: smoke_prefix(&b.inputs.upgrade.name),
        };
        let draft = Draft::node(
            node,
            action,
            "user stores, tenants and users, made and removed again".into(),
        )
        .skippable()
        .undo("remove what is left of the tests")
        .deadline(900);
        steps.push(b.step("validate.smoke", draft));
    }
    b.phase("validate", steps)
}

/// What the tests make is called so; a site's own users and tenants are not. Letters and digits only: it becomes part
/// of a tenant's domain.
fn smoke_prefix(upgrade: &str) -> String {
    let hash = cutover_proto::ids::Sha256Hex::of(upgrade.as_bytes());
    format!("cutover{}", hash.as_str().get(..6).unwrap_or_default())
}

fn finalize(b: &Builder<'_>) -> PlanPhase {
    let mut phase = b.phase("finalize", vec![b.finalize()]);
    phase.approval = true;
    phase
}
