//! Applying, watching and steering runs.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, ChildStdout, Stdio};
use std::time::SystemTime;

use cutover_proto::pb;
use cutover_proto::pb::apply_request::Source;
use cutover_proto::view::{RunStateView, StepStateView};
use tonic::Status;

use crate::authority::DAY;
use crate::coordinator::{Coordinator, Script, Told};
use crate::documents::{checkpoint_told, plan, progress_told, run as run_view, run_told, step_told};
use crate::{run, write};

const RUN: &str = "018f0000-0000-7000-8000-000000000001";

fn told(watches: Vec<Vec<Told>>) -> Coordinator {
    Coordinator::start(Script {
        plan: Some(plan()),
        run: Some(run_view(RunStateView::Running, StepStateView::Running)),
        watches: watches.into(),
        ..Script::default()
    })
}

fn to_done() -> Vec<Told> {
    vec![
        run_told(RunStateView::Running, StepStateView::Pending),
        step_told(StepStateView::Running),
        progress_told(),
        step_told(StepStateView::Succeeded),
        run_told(RunStateView::Done, StepStateView::Succeeded),
    ]
}

#[test]
fn upgrade_file_when_applied_and_watched_then_done() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("dss.toml");
    write(&file, "name = \"dss-prod\"\n");
    let coordinator = told(vec![to_done()]);
    run(coordinator.cutover(&["apply", "--yes", "--watch"]).arg(&file))
        .exits(0)
        .says(&[
            "Phase quiesce",
            &format!("run {RUN} started"),
            "… quiesce.stop@dss-1",
        ])
        .says(&[
            "✓ quiesce.stop@dss-1  stop and hold the server of /opt/dss  1.2 s  pid=4711",
            "is done: 1 of 1 steps",
        ]);
    assert_eq!(
        coordinator.script().applied[0].source,
        Some(Source::PlanHash(plan().hash().to_string()))
    );
}

#[test]
fn plan_file_travels_with_the_order() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("dss.plan");
    write(&file, plan().canonical());
    let coordinator = told(vec![]);
    run(coordinator.cutover(&["apply", "--yes"]).arg(&file))
        .exits(0)
        .says(&[&format!("cutover watch {RUN}")]);
    match &coordinator.script().applied[0].source {
        Some(Source::Plan(document)) => assert_eq!(document.json, plan().canonical()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nobody_to_confirm_then_bad_input_and_nothing_is_applied() {
    let coordinator = told(vec![]);
    run(&mut coordinator.cutover(&["apply", plan().hash().as_str()]))
        .exits(2)
        .warns(&["--yes", "Point of no return"]);
    run(&mut coordinator.cutover(&["abort", "dss-prod"]))
        .exits(2)
        .warns(&["--yes", "Abort run"]);
    let skip = [
        "skip",
        "dss-prod",
        "--step",
        "quiesce.stop@dss-1",
        "--reason",
        "x",
    ];
    run(&mut coordinator.cutover(&skip))
        .exits(2)
        .warns(&["--yes", "Skip quiesce.stop@dss-1"]);
    let script = coordinator.script();
    assert!(script.applied.is_empty() && script.orders.is_empty());
}

#[test]
fn apply_when_another_run_has_the_node_then_refused() {
    let coordinator = Coordinator::start(Script {
        plan: Some(plan()),
        ..Script::default()
    });
    run(&mut coordinator.cutover(&["apply", "--yes", plan().hash().as_str()]))
        .exits(3)
        .warns(&["node dss-1 is part of run 7"]);
}

#[test]
fn held_run_exits_1_and_says_where_what_why_and_next() {
    let coordinator = told(vec![vec![
        run_told(RunStateView::Running, StepStateView::Running),
        step_told(StepStateView::Failed),
        run_told(RunStateView::Held, StepStateView::Failed),
    ]]);
    run(&mut coordinator.cutover(&["watch", "dss-prod"]))
        .exits(1)
        .says(&[
            "✗ quiesce.stop@dss-1",
            "where dss-1",
            "the server did not stop",
            "pid 4711 is there [still-running]",
        ])
        .says(&[
            "stop it by hand",
            "is held",
            "somebody must look",
            &format!("cutover retry {RUN}"),
        ]);
}

#[test]
fn waiting_run_exits_4() {
    for state in [RunStateView::WaitingForApproval, RunStateView::Paused] {
        let coordinator = told(vec![vec![run_told(state, StepStateView::Pending)]]);
        run(&mut coordinator.cutover(&["watch", RUN]))
            .exits(4)
            .says(&["because: somebody must look"]);
    }
}

#[test]
fn aborted_and_stuck_runs_exit_1() {
    for (state, step) in [
        (RunStateView::Aborted, StepStateView::Undone),
        (RunStateView::Stuck, StepStateView::Stuck),
    ] {
        let coordinator = told(vec![vec![run_told(state, step)]]);
        run(&mut coordinator.cutover(&["watch", RUN])).exits(1);
    }
}

#[test]
fn broken_stream_is_taken_up_again_and_nothing_is_told_twice() {
    let first = vec![
        run_told(RunStateView::Running, StepStateView::Pending),
        step_told(StepStateView::Running),
        Err(Status::unavailable("shutting down")),
    ];
    // The second stream ends without a word, as when the coordinator is killed.
    let second = vec![run_told(RunStateView::Running, StepStateView::Running)];
    let coordinator = told(vec![first, second, to_done()]);
    let outcome = run(&mut coordinator.cutover(&["watch", "dss-prod"]))
        .exits(0)
        .warns(&[
            "broke (shutting down)",
            "broke (the stream ended)",
            "the run goes on",
        ]);
    assert_eq!(
        outcome.out.matches("… quiesce.stop@dss-1").count(),
        1,
        "{outcome:?}"
    );
    assert_eq!(
        outcome.out.matches("✓ quiesce.stop@dss-1").count(),
        1,
        "{outcome:?}"
    );
    assert_eq!(coordinator.script().watched, ["dss-prod", RUN, RUN]);
}

#[test]
fn run_that_does_not_exist_is_bad_input_at_once() {
    let coordinator = Coordinator::start(Script::default());
    run(&mut coordinator.cutover(&["watch", "none"]))
        .exits(2)
        .warns(&["no such run"]);
    run(&mut coordinator.cutover(&["status", "none"]))
        .exits(2)
        .warns(&["list them with"]);
}

#[test]
fn json_watch_writes_one_object_per_line() {
    let coordinator = told(vec![to_done()]);
    let outcome = run(&mut coordinator.cutover(&["watch", RUN, "--json"])).exits(0);
    let keys: Vec<String> = outcome
        .out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(line).unwrap())
        .map(|object| object.keys().next().unwrap().clone())
        .collect();
    assert_eq!(keys, ["run", "step", "progress", "step", "run"]);
}

/// The binary following a run, past its first line.
fn watching(coordinator: &Coordinator) -> (Child, BufReader<ChildStdout>) {
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("cutover"))
        .args(["watch", "dss-prod", "--profile"])
        .arg(coordinator.profile.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut String::new()).unwrap();
    (child, out)
}

fn errors(mut child: Child) -> (Option<i32>, String) {
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (child.wait().unwrap().code(), err)
}

#[test]
fn ctrl_c_leaves_the_run_going_and_says_so() {
    let coordinator = told(vec![vec![run_told(
        RunStateView::Running,
        StepStateView::Running,
    )]]);
    let (child, _out) = watching(&coordinator);
    let pid = child.id().to_string();
    let interrupted = std::process::Command::new("kill")
        .args(["-INT", &pid])
        .status()
        .unwrap();
    assert!(interrupted.success());
    let (code, err) = errors(child);
    assert_eq!(code, Some(130), "{err}");
    let advice = format!("the run goes on; follow it again with: cutover watch {RUN}");
    assert!(err.contains(&advice), "{err}");
}

#[test]
fn restarted_coordinator_is_found_again() {
    let mut coordinator = told(vec![vec![run_told(
        RunStateView::Running,
        StepStateView::Running,
    )]]);
    let (child, mut out) = watching(&coordinator);
    coordinator.script().watches = vec![to_done()].into();
    coordinator.restart();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    let (code, err) = errors(child);
    assert_eq!(code, Some(0), "{rest}{err}");
    assert!(err.contains("the connection to the coordinator broke"), "{err}");
    assert!(rest.contains("is done"), "{rest}");
}

#[test]
fn orders_carry_step_and_reason() {
    let coordinator = told(vec![]);
    run(&mut coordinator.cutover(&["pause", "dss-prod", "--reason", "freeze"]))
        .exits(0)
        .says(&["is running"]);
    run(&mut coordinator.cutover(&["retry", "dss-prod"])).exits(0);
    run(&mut coordinator.cutover(&["retry", "dss-prod", "--step", "a.b@c"])).exits(0);
    run(&mut coordinator.cutover(&["skip", "dss-prod", "--step", "a.b@c", "--reason", "r", "--yes"]))
        .exits(0);
    run(&mut coordinator.cutover(&["abort", "dss-prod", "--yes"])).exits(0);
    let orders: Vec<_> = coordinator
        .script()
        .orders
        .iter()
        .map(|order| (order.kind(), order.step.clone(), order.reason.clone()))
        .collect();
    let order = |kind, step: &str, reason: &str| (kind, step.to_owned(), reason.to_owned());
    assert_eq!(
        orders,
        [
            order(pb::ControlKind::Pause, "", "freeze"),
            order(pb::ControlKind::Retry, "", ""),
            order(pb::ControlKind::Retry, "a.b@c", ""),
            order(pb::ControlKind::Skip, "a.b@c", "r"),
            order(pb::ControlKind::Abort, "", ""),
        ]
    );
}

#[test]
fn status_of_a_run_shows_steps_and_failures() {
    let held = run_view(RunStateView::Held, StepStateView::Failed);
    let coordinator = Coordinator::start(Script {
        run: Some(held),
        ..Script::default()
    });
    run(&mut coordinator.cutover(&["status", RUN])).exits(0).says(&[
        "quiesce",
        "failed",
        "stop it by hand",
        "is held",
    ]);
    let json = run(&mut coordinator.cutover(&["status", RUN, "--json"]))
        .exits(0)
        .json();
    assert_eq!(json["state"], "held");
}

#[test]
fn single_action_names_nodes_home_and_grace() {
    let coordinator = told(vec![to_done()]);
    let args = [
        "do",
        "stop",
        "--on",
        "cluster=dss",
        "--home",
        "/opt/dss",
        "--grace",
        "90",
        "--watch",
    ];
    run(&mut coordinator.cutover(&args))
        .exits(0)
        .says(&["run 7 started", "is done"]);
    let script = coordinator.script();
    let action = &script.actions[0];
    assert_eq!(action.kind(), pb::DoKind::Stop);
    assert_eq!(
        (action.selector.as_str(), action.home.as_str(), action.grace_secs),
        ("cluster=dss", "/opt/dss", 90)
    );
}

#[test]
fn certificate_that_expires_soon_is_warned_of_once_and_not_to_programs() {
    let coordinator = told(vec![]);
    let outcome = run(&mut coordinator.cutover(&["status", RUN])).exits(0);
    assert_eq!(outcome.err, "", "a year is long enough");
    coordinator.operator_until(SystemTime::now() + 12 * DAY + DAY / 2);
    let outcome = run(&mut coordinator.cutover(&["status", RUN]))
        .exits(0)
        .warns(&["operator.pem expires in 12 days", "cutover-coordinator init"]);
    assert_eq!(outcome.err.matches("warning:").count(), 1, "{outcome:?}");
    let outcome = run(&mut coordinator.cutover(&["status", RUN, "--json"])).exits(0);
    assert_eq!(outcome.err, "");
    coordinator.operator_until(SystemTime::now() + DAY / 2);
    run(&mut coordinator.cutover(&["status", RUN]))
        .exits(0)
        .warns(&["expires in less than a day"]);
}

#[test]
fn certificate_that_expired_is_refused_with_the_way_out() {
    let coordinator = told(vec![]);
    coordinator.operator_until(SystemTime::now() - 3 * DAY - DAY / 2);
    run(&mut coordinator.cutover(&["status", RUN])).exits(3).warns(&[
        "operator.pem has expired",
        "3 days ago",
        "cutover-coordinator init",
    ]);
    let outcome = run(&mut coordinator.cutover(&["status", RUN, "--json"])).exits(3);
    let error: serde_json::Value = serde_json::from_str(&outcome.err).unwrap();
    assert_eq!(error["error"]["code"], "refused");
}

#[test]
fn inspect_alone_needs_no_home() {
    let coordinator = told(vec![]);
    run(&mut coordinator.cutover(&["do", "inspect", "--on", "cluster=dss"])).exits(0);
    for action in ["stop", "start", "backup", "release"] {
        run(&mut coordinator.cutover(&["do", action, "--on", "cluster=dss"]))
            .exits(2)
            .warns(&["the home is missing", "--home PATH"]);
    }
    let script = coordinator.script();
    assert_eq!(script.actions.len(), 1, "what is refused must not be ordered");
    assert_eq!(script.actions[0].kind(), pb::DoKind::Inspect);
    assert_eq!(script.actions[0].home, "");
}

#[test]
fn node_in_a_home_is_for_the_coordinator_to_fill_in() {
    let coordinator = told(vec![]);
    let args = [
        "do",
        "backup",
        "--on",
        "cluster=dss",
        "--home",
        "/srv/{node}/wso2dss-3.0.1",
    ];
    run(&mut coordinator.cutover(&args)).exits(0);
    assert_eq!(coordinator.script().actions[0].home, "/srv/{node}/wso2dss-3.0.1");
}

#[test]
fn stuck_undo_is_given_up_after_another_question_than_a_skip() {
    let coordinator = Coordinator::start(Script {
        run: Some(run_view(RunStateView::Stuck, StepStateView::Stuck)),
        ..Script::default()
    });
    let skip = [
        "skip",
        "dss-prod",
        "--step",
        "quiesce.stop@dss-1",
        "--reason",
        "x",
    ];
    run(&mut coordinator.cutover(&skip)).exits(2).warns(&[
        "Give up the undo of quiesce.stop@dss-1 on dss-1",
        "stays as it is",
        "--yes",
    ]);
    assert!(coordinator.script().orders.is_empty());
    run(coordinator.cutover(&skip).arg("--yes")).exits(0);
    assert_eq!(coordinator.script().orders[0].kind(), pb::ControlKind::Skip);
}

#[test]
fn checkpoints_are_watched_line_by_line() {
    let text = "table UM_DOMAIN has 18 rows, expected at least 6; no tenant is without a domain of its own";
    let coordinator = told(vec![vec![
        checkpoint_told(text),
        run_told(RunStateView::Done, StepStateView::Succeeded),
    ]]);
    let plain = run(&mut coordinator.cutover(&["watch", RUN, "--plain"])).exits(0);
    let lines = format!("passed=1 warnings=1\n      check01=pass: {text}\n    ! check02=WARNING: {text}\n");
    plain.says(&[&lines]);
}

#[test]
fn token_file_is_private_and_never_overwritten() {
    let coordinator = told(vec![]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t");
    let args = [
        "node",
        "token",
        "--node",
        "dss-1",
        "--label",
        "cluster=a",
        "--label",
        "zone=b",
        "--ttl",
        "30m",
        "--out",
    ];
    let outcome = run(coordinator.cutover(&args).arg(&file)).exits(0);
    assert!(!outcome.out.contains("cutover-join-v1"), "{outcome:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "cutover-join-v1.abc\n");
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    run(coordinator.cutover(&args).arg(&file)).exits(2);
    let shown = run(&mut coordinator.cutover(&["node", "token"])).exits(0);
    assert_eq!(shown.out, "cutover-join-v1.abc\n");
    let script = coordinator.script();
    assert_eq!(script.tokens.len(), 2, "the refused file must not cost a token");
    assert_eq!(
        (script.tokens[0].ttl_secs, script.tokens[0].labels.len()),
        (1800, 2)
    );
}
