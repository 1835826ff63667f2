//! Rehearsals, decisions about statements, fences, backups.

use cutover_proto::ids::Sha256Hex;
use cutover_proto::pb;
use cutover_proto::plan::{DataMode, DowntimeForecast, ModeForecast};
use cutover_proto::view::{DeadLetterView, RehearsalView, RunStateView, StepStateView};

use crate::coordinator::{Coordinator, Script};
use crate::documents::{plan, run as run_view};
use crate::{run, write};

fn rehearsal(failed: Option<&str>) -> RehearsalView {
    RehearsalView {
        upgrade: "dss-prod".into(),
        run: run_view(RunStateView::Done, StepStateView::Succeeded).id,
        plan_hash: plan().hash(),
        at: "2026-01-01T00:00:00Z".into(),
        failed: failed.map(str::to_owned),
        broken_off: false,
        delta_held: None,
        steps: Vec::new(),
        forecasts: vec![ModeForecast {
            mode: DataMode::Sync,
            downtime: DowntimeForecast {
                secs: 240,
                parts: Vec::new(),
            },
        }],
        kept: Vec::new(),
    }
}

fn scripted(failed: Option<&str>) -> Script {
    Script {
        plan: Some(plan()),
        run: Some(run_view(RunStateView::Held, StepStateView::Failed)),
        rehearsal: Some(rehearsal(failed)),
        ..Script::default()
    }
}

#[test]
fn rehearsal_when_started_then_of_the_plan_that_was_named() {
    let coordinator = Coordinator::start(scripted(None));
    run(&mut coordinator.cutover(&["rehearse", plan().hash().short(), "--keep"]))
        .exits(0)
        .says(&["started", "cutover watch"]);
    let asked = coordinator.script().rehearsed.clone();
    let expected = pb::RehearseRequest {
        plan_hash: plan().hash().to_string(),
        keep: true,
    };
    assert_eq!(asked, [expected]);
}

#[test]
fn last_rehearsal_when_shown_then_predictions_and_its_failure_is_the_exit_code() {
    let coordinator = Coordinator::start(scripted(None));
    run(&mut coordinator.cutover(&["rehearse", "dss-prod", "--last"]))
        .exits(0)
        .says(&["sync", "about 4 min"]);
    assert!(coordinator.script().rehearsed.is_empty());
    let coordinator = Coordinator::start(scripted(Some("rehearse.migrate@carbon: no such table")));
    run(&mut coordinator.cutover(&["rehearse", "dss-prod", "--last"]))
        .exits(1)
        .says(&["It would fail", "no such table"]);
    run(&mut coordinator.cutover(&["rehearse", "other", "--last"]))
        .exits(2)
        .warns(&["no rehearsal has ended"]);
}

#[test]
fn apply_when_a_short_window_is_accepted_then_the_reason_travels() {
    let coordinator = Coordinator::start(scripted(None));
    let hash = plan().hash();
    run(&mut coordinator.cutover(&["apply", hash.short(), "--yes", "--window-anyway", "CHG-1"])).exits(0);
    assert_eq!(coordinator.script().applied[0].window_anyway, "CHG-1");
}

#[test]
fn statement_when_resolved_then_the_decision_travels_whole() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("other.sql");
    write(&file, "ALTER TABLE UM_USER DROP KEY y");
    let coordinator = Coordinator::start(scripted(None));
    let hash = Sha256Hex::of(b"x").to_string();
    let mut args = vec!["resolve", "dss-prod", "--step", "data.migrate@carbon"];
    args.extend([
        "--statement",
        "12",
        "--sha256",
        &hash,
        "--reason",
        "CHG-2",
        "--do",
        "replace",
    ]);
    run(&mut coordinator.cutover(&args)).exits(2).warns(&["--with"]);
    let path = file.display().to_string();
    args.extend(["--with", &path]);
    run(&mut coordinator.cutover(&args))
        .exits(0)
        .says(&["cutover retry", "data.migrate@carbon"]);
    let expected = pb::ResolveStatementRequest {
        run: "dss-prod".into(),
        step: "data.migrate@carbon".into(),
        script: String::new(),
        statement: 12,
        sha256: hash.clone(),
        action: pb::StatementAction::Replace.into(),
        with: "ALTER TABLE UM_USER DROP KEY y".into(),
        reason: "CHG-2".into(),
    };
    assert_eq!(coordinator.script().resolved, [expected]);
}

#[test]
fn fence_when_lifted_then_only_after_a_yes() {
    let coordinator = Coordinator::start(scripted(None));
    let args = ["unfence", "dss-prod", "--reason", "auditors"];
    run(&mut coordinator.cutover(&args)).exits(2).warns(&["--yes"]);
    assert!(coordinator.script().lifted.is_empty());
    run(coordinator.cutover(&args).arg("--yes"))
        .exits(0)
        .says(&["lifted: carbon"]);
}

#[test]
fn backup_when_restored_then_only_with_the_databases_name_or_a_yes() {
    let coordinator = Coordinator::start(Script::default());
    let into = "mysql://dba@db1/look?tls=required";
    let mut args = vec!["backup", "restore", "dss-prod/carbon", "--into", into];
    args.extend(["--password", "file:/etc/cutover/db1.pw", "--reason", "INC-7"]);
    run(&mut coordinator.cutover(&args)).exits(2).warns(&["`look`"]);
    assert!(coordinator.script().restored.is_empty());
    args.extend(["--confirm", "look"]);
    coordinator.cutover(&args).assert().failure();
    let sent = coordinator.script().restored.clone();
    assert_eq!((sent[0].url.as_str(), sent[0].confirm.as_str()), (into, "look"));
}

#[test]
fn backup_when_verified_then_followed_to_its_end() {
    let coordinator = Coordinator::start(Script::default());
    run(&mut coordinator.cutover(&["backup", "verify", "dss-prod/carbon"]))
        .exits(0)
        .says(&["proven: dss-prod/carbon", "39 tables"]);
}

#[test]
fn dead_letters_when_there_are_some_then_shown_and_the_exit_code_says_so() {
    let letter = DeadLetterView {
        database: "carbon".into(),
        table: "UM_USER".into(),
        act: "store".into(),
        key: vec!["7".into()],
        row: Some("{}".into()),
        reason: "Duplicate entry".into(),
        at: String::new(),
    };
    let coordinator = Coordinator::start(Script {
        letters: vec![letter],
        ..Script::default()
    });
    run(&mut coordinator.cutover(&["dead-letters", "dss-prod"]))
        .exits(1)
        .says(&["UM_USER (7)", "Duplicate entry"]);
    run(&mut coordinator.cutover(&["dead-letters", "other"]))
        .exits(0)
        .says(&["went in"]);
}

#[test]
fn downtime_when_begun_in_a_short_window_then_the_reason_travels() {
    let coordinator = Coordinator::start(scripted(None));
    run(&mut coordinator.cutover(&["approve", "dss-prod", "--window-anyway", "CHG-2"])).exits(0);
    assert_eq!(coordinator.script().orders[0].window_anyway, "CHG-2");
}
