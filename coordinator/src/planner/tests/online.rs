//! How the data gets to staging, rehearsals, fences, overrides.

use cutover_proto::plan::{DataMode, DatabaseAction, DatabaseRole, StepAction};
use cutover_proto::step::NodeAction;

use super::ids;
use crate::planner::testing::World;
use crate::planner::*;

fn rehearsed(secs: [u64; 4]) -> RehearsalView {
    let kinds = [
        "backup-database",
        "copy-database",
        "synchronise",
        "compare-databases",
    ];
    RehearsalView {
        upgrade: "dss-prod".into(),
        run: cutover_proto::ids::RunId::new(uuid::Uuid::nil()),
        plan_hash: Sha256Hex::of(b"plan"),
        at: String::new(),
        failed: None,
        broken_off: false,
        delta_held: None,
        steps: kinds
            .into_iter()
            .zip(secs)
            .map(|(kind, secs)| cutover_proto::view::RehearsedStep {
                id: format!("rehearse.{kind}@carbon").parse().unwrap(),
                kind: kind.into(),
                place: cutover_proto::plan::Place::Database("carbon".into()),
                millis: secs * 1000,
            })
            .collect(),
        forecasts: Vec::new(),
        kept: Vec::new(),
    }
}

#[test]
fn data_when_no_rehearsal_was_made_then_the_servers_stop_first_whatever_the_budget() {
    let mut world = World::new();
    world.upgrade.downtime.budget_secs = Some(1);
    let plan = world.good();
    let data = plan.data.unwrap();
    assert_eq!(data.mode, DataMode::StopCopy);
    assert!(data.why.contains("no rehearsal"), "{}", data.why);
    assert_eq!(data.rehearsal, None);
}

#[test]
fn data_when_rehearsed_times_exceed_the_budget_then_copied_while_production_serves() {
    let mut world = World::new();
    world.rehearsal = Some(rehearsed([600, 300, 20, 10]));
    world.upgrade.downtime.budget_secs = Some(400);
    let plan = world.good();
    let data = plan.data.clone().unwrap();
    assert_eq!(data.mode, DataMode::Sync, "{}", data.why);
    assert_eq!(
        ids(&plan, "sync"),
        ["sync.copy@carbon", "sync.synchronise@carbon"]
    );
    let left = [
        "data.synchronise@carbon",
        "data.compare@carbon",
        "data.migrate@carbon",
    ];
    assert_eq!(ids(&plan, "data")[..3], left);
    assert!(ids(&plan, "validate").contains(&"validate.backup@carbon".to_owned()));
    let quiesce = plan.phases.iter().find(|phase| phase.name == "quiesce").unwrap();
    assert!(quiesce.approval, "nobody says when the downtime begins");
    // The last pass while serving comes before any server stops.
    let stops = quiesce
        .steps
        .iter()
        .filter(|step| step.id.as_str().starts_with("quiesce.stop"));
    for stop in stops {
        assert_eq!(stop.after, ["quiesce.synchronise@carbon".parse().unwrap()]);
    }
    assert_eq!(plan.downtime, Some(data.forecasts[1].downtime.clone()));
    world.upgrade.downtime.budget_secs = Some(4000);
    assert_eq!(world.good().data.unwrap().mode, DataMode::StopCopy);
}

#[test]
fn data_when_the_last_rehearsal_failed_then_its_times_are_not_used() {
    let mut world = World::new();
    let mut failed = rehearsed([600, 300, 20, 10]);
    failed.failed = Some("rehearse.migrate@carbon: no such table".into());
    world.rehearsal = Some(failed);
    world.upgrade.downtime.budget_secs = Some(400);
    let data = world.good().data.unwrap();
    assert_eq!(data.mode, DataMode::StopCopy);
    assert!(data.why.contains("failed"), "{}", data.why);
}

#[test]
fn mode_when_named_then_taken_and_production_is_never_migrated() {
    let mut world = World::new();
    world.upgrade.downtime.mode = Some(DataMode::Sync);
    let plan = world.good();
    assert_eq!(plan.data.as_ref().unwrap().mode, DataMode::Sync);
    let changes_production = plan.steps().any(|step| {
        step.action
            == StepAction::Database(DatabaseAction::Migrate {
                role: DatabaseRole::Production,
            })
    });
    assert!(!changes_production);
}

#[test]
fn fence_when_the_old_account_is_known_then_behind_the_proof_that_everybody_left() {
    let world = World::new();
    let plan = world.good();
    let fence = plan.step(&"quiesce.fence@carbon".parse().unwrap()).unwrap();
    assert_eq!(fence.after, ["quiesce.prove-alone@carbon".parse().unwrap()]);
    assert_eq!(fence.reversal, cutover_proto::plan::Reversal::Undo);
}

#[test]
fn fence_when_it_is_not_possible_then_the_plan_says_so_and_has_none() {
    let mut world = World::new();
    world.databases.get_mut("carbon").unwrap().fencing.refused = Some("one account for both".into());
    let plan = world.good();
    assert!(plan.steps().all(|step| step.action.kind() != "fence"));
    assert!(
        plan.notes
            .iter()
            .any(|note| note.contains("not fenced: one account for both"))
    );
}

#[test]
fn fence_when_it_locks_the_account_of_the_new_servers_out_of_their_server_then_no_plan() {
    let mut world = World::new();
    let probe = world.databases.get_mut("carbon").unwrap();
    probe.fencing.locked_out = vec!["dss".into()];
    probe.production_identity = "mysql:a/CARBON".into();
    probe.staging_identity = "mysql:a/CARBON_320".into();
    assert_eq!(world.codes(), ["fence-shuts-out"]);
    world.databases.get_mut("carbon").unwrap().staging_identity = "mysql:b/CARBON_320".into();
    world.good();
    world.databases.get_mut("carbon").unwrap().staging_identity = "mysql:a/CARBON_320".into();
    world.upgrade.databases[0].application = Some(cutover_proto::step::AdminAccess {
        user: "dss320".into(),
        password: cutover_proto::step::SecretRef("file:/pw".into()),
    });
    world.good();
}

#[test]
fn fence_when_planned_then_only_what_it_locks_anew_is_locked_out() {
    let mut plan = cutover_database::FencePlan {
        engine: cutover_database::Engine::MySql,
        database: "CARBON".into(),
        accounts: Vec::new(),
        measures: Vec::new(),
        does: Vec::new(),
        undoes: Vec::new(),
        warnings: Vec::new(),
    };
    for (user, was_locked) in [("free", false), ("held", true)] {
        plan.measures.push(cutover_database::fence::Measure::LockAccount {
            user: user.into(),
            host: "%".into(),
            was_locked,
        });
    }
    plan.measures.push(cutover_database::fence::Measure::NoLogin {
        role: "super".into(),
        could_login: true,
    });
    assert_eq!(fence::locked_out(&plan), ["free", "super"]);
}

fn override_of(statement: u32, text: &str) -> crate::model::upgrade::overrides::SiteOverride {
    crate::model::upgrade::overrides::SiteOverride {
        script: "migration.sql".into(),
        decision: cutover_proto::plan::StatementOverride {
            statement,
            sha256: Sha256Hex::of(text.as_bytes()),
            action: cutover_proto::plan::OverrideAction::Skip,
            with: None,
            reason: "r".into(),
        },
    }
}

#[test]
fn override_when_it_names_a_statement_by_its_hash_then_in_the_plan_and_else_refused() {
    let mut world = World::new();
    world.upgrade.overrides = vec![override_of(3, "2")];
    assert_eq!(world.good().databases[0].scripts[0].overrides[0].statement, 3);
    world.upgrade.overrides = vec![override_of(3, "other")];
    assert_eq!(world.codes(), ["override-mismatch"]);
    world.upgrade.overrides = vec![override_of(43, "42")];
    assert_eq!(world.codes(), ["override-unknown"]);
    let mut other = override_of(3, "2");
    other.script = "other.sql".into();
    world.upgrade.overrides = vec![other];
    assert_eq!(world.codes(), ["override-unused"]);
}

#[test]
fn rehearsal_when_compiled_then_only_scratch_is_written_and_no_server_is_touched() {
    let plan = World::new().good();
    let rehearsal = rehearsal::compile(&plan, false);
    assert_eq!(rehearsal.rehearses, Some(plan.hash()));
    assert!(rehearsal.databases[0].staging.url.contains("/cutover_rehearsal_"));
    for step in rehearsal.steps() {
        let harmless = match &step.action {
            StepAction::Node(action) => {
                matches!(
                    action,
                    NodeAction::Inspect { .. } | NodeAction::CompareConfig { .. }
                )
            }
            StepAction::Database(DatabaseAction::Migrate { role }) => *role == DatabaseRole::Staging,
            StepAction::Database(DatabaseAction::Copy { serving }) => *serving,
            StepAction::Database(action) => !matches!(
                action,
                DatabaseAction::Fence { .. } | DatabaseAction::ProveAlone { .. }
            ),
            StepAction::Finalize => step.reversal == cutover_proto::plan::Reversal::Nothing,
        };
        assert!(harmless, "{}", step.id);
    }
    let first = rehearsal.steps().next().unwrap();
    assert_eq!(
        first.id.as_str(),
        "preflight.make-scratch@carbon",
        "a failure before it is not recorded"
    );
    let last = rehearsal.phases.last().unwrap();
    assert_eq!(
        last.steps.iter().map(|step| step.id.as_str()).collect::<Vec<_>>(),
        ["cleanup.drop-scratch@carbon", "cleanup.record@coordinator"]
    );
    let kept = rehearsal::compile(&plan, true);
    assert!(kept.steps().all(|step| step.action.kind() != "drop-scratch"));
}

#[test]
fn accounts_when_several_data_sources_lead_to_the_database_then_all_of_them_and_the_known_one_is_tried() {
    let mut world = World::new();
    let mut other = crate::planner::testing::source(
        "WSO2_REG_DB",
        "jdbc/Reg",
        "jdbc:mysql://db1:3306/CARBON?autoReconnect=true",
    );
    other.user = "registry".into();
    world.home(0, 0).datasources.push(other);
    let database = &mut world.upgrade.databases[0];
    database.application = Some(cutover_proto::step::AdminAccess {
        user: "dss".into(),
        password: cutover_proto::step::SecretRef("file:/pw".into()),
    });
    let old = |node: &PlanNode| format!("/opt/{}/old", node.name);
    let found = fence::wanted(&world.guide, &world.nodes, old, &world.upgrade.databases[0]);
    assert_eq!(found.accounts, ["dss", "registry"]);
    assert_eq!(found.proof.map(|access| access.user), Some("dss".to_owned()));
    let none = fence::wanted(&world.guide, &[], old, &world.upgrade.databases[0]);
    assert!(none.refused.is_some());
}

#[test]
fn override_when_its_replacement_names_another_database_then_refused() {
    let mut world = World::new();
    let mut replaced = override_of(3, "2");
    replaced.decision.action = cutover_proto::plan::OverrideAction::Replace;
    replaced.decision.with = Some("ALTER TABLE CARBON.UM_ROLE ADD A INT".into());
    world.upgrade.overrides = vec![replaced];
    world.good();
    world.upgrade.copy_first = true;
    assert_eq!(world.codes(), ["script-other-database"]);
}

#[test]
fn rows_brought_in_later_when_production_has_triggers_then_refused_in_the_plan() {
    let mut world = World::new();
    world.upgrade.downtime.mode = Some(DataMode::Delta);
    world.databases.get_mut("carbon").unwrap().triggers = 2;
    let (plan, findings) = world.plan();
    assert!(plan.is_none());
    let found = findings.iter().find(|finding| finding.code == "no-delta");
    let text = &found.expect("a finding").text;
    assert!(text.contains("2 trigger(s)"), "{text}");
}
