//! Phases and their steps (design.md section 6). The guide's order moves `migrate`; the rest is the same.
//!
//! The database is backed up after the servers have stopped, not before: a backup of a serving database lapses
//! with the next row written, and could then not undo a migration (promise 8).

mod builder;
mod checkpoint;
mod data;
mod fence;
mod online;
mod outline;
mod prepare;

use std::collections::BTreeMap;

use cutover_proto::ids::{NodeName, Sha256Hex, StepId};
use cutover_proto::plan::{
    DataMode, DataPlan, DatabaseAction, DatabaseRole, Place, Plan, PlanDatabase, PlanPhase, PlanWindow,
    Reversal,
};
use cutover_proto::step::NodeAction;

pub(crate) use self::builder::step_id;
use self::builder::{Builder, Draft};
pub use self::outline::{Outline, outline};
use super::config::{self, Resolution};
use super::{Inputs, PlanNode, essentials, roles};

/// Compiles the plan.
#[must_use]
pub fn compile(
    inputs: &Inputs<'_>,
    databases: Vec<PlanDatabase>,
    data_plan: DataPlan,
    notes: Vec<String>,
    config: &Resolution,
) -> Plan {
    let builder = Builder {
        inputs,
        databases: &databases,
        data: &data_plan,
        roles: roles::of(inputs),
        config,
    };
    let mut phases = vec![
        preflight(&builder),
        prepare::phase(&builder),
        backup(&builder),
        online::serving(&builder),
        quiesce(&builder),
        data::phase(&builder),
        checkpoint::phase(&builder),
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
        summary: summary(inputs, &data_plan, scripts),
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
        downtime: data_plan
            .forecasts
            .iter()
            .find(|forecast| forecast.mode == data_plan.mode)
            .map(|forecast| forecast.downtime.clone()),
        notes,
        databases,
        inventory: inventory(inputs),
        configs: inputs
            .configs
            .iter()
            .filter_map(|(node, comparison)| Some((node.clone(), config::prints(comparison.as_ref().ok()?))))
            .collect(),
        data: Some(data_plan),
        rehearses: None,
    }
}

fn inventory(inputs: &Inputs<'_>) -> BTreeMap<NodeName, Sha256Hex> {
    let hash = |node: &PlanNode| {
        let homes = [inputs.old_home(&node.name), inputs.new_home(&node.name)];
        Some((node.name.clone(), essentials(node.facts.as_ref()?, &homes)))
    };
    inputs.nodes.iter().filter_map(hash).collect()
}

fn summary(inputs: &Inputs<'_>, data: &DataPlan, scripts: usize) -> String {
    let changed = if data.mode == DataMode::Delta {
        "Production is copied to staging while it serves and never changed; staging is migrated while production \
         serves, and what it wrote meanwhile is brought in. Only the last of it, the proofs and the new servers' start \
         take downtime. Its backup is taken when the new servers serve, before the point of no return."
    } else if data.mode.is_online() {
        "Production is copied to staging while it serves and never changed; only the last difference, the proofs and \
         the new servers' start take downtime. Its backup is taken when the new servers serve, before the point of no \
         return."
    } else if scripts == 0 {
        "No migration script runs; production is never changed."
    } else if inputs.migrates_production(data.mode) {
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
    steps.extend(b.on_nodes("preflight.compare-config", |node| {
        let title = "what the site changed in its configuration is what the plan was made from".to_owned();
        let action = config::compare_action(b.inputs.upgrade, b.inputs.attachments, &node.name);
        Draft::node(node, action, title).deadline(900)
    }));
    steps.extend(b.on_databases("preflight.verify", |database| {
        Draft::database(
            database,
            DatabaseAction::Verify,
            "same engine, same charset rules, another database, and staging empty".into(),
        )
    }));
    b.phase("preflight", steps)
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
    let caught_up = online::before_stop(b);
    let ready: Vec<StepId> = caught_up.iter().map(|step| step.id.clone()).collect();
    let mut steps = caught_up;
    steps.extend(b.on_nodes("quiesce.stop", |node| {
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
        .after(ready.clone())
        .deadline(u64::from(upgrade.stop_grace_secs) + 60)
    }));
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
    steps.extend(fence::steps(b));
    let mut phase = b.phase("quiesce", steps);
    // Whoever approves says with it that the plan's "by hand" notes are done: the new servers start soon after. And what
    // comes before goes on beside a serving production in an online upgrade: a person says when the downtime begins.
    phase.approval = b.data.mode.is_online() || !b.config.by_hand(b.inputs.nodes.len()).is_empty();
    phase
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
    steps.extend(online::late_backup(b));
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
