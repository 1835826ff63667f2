//! Plans and runs for the coordinator's answers.

use cutover_proto::convert::document;
use cutover_proto::ids::{RunId, Sha256Hex};
use cutover_proto::pb;
use cutover_proto::pb::watch_run_response::Kind;
use cutover_proto::plan::{Place, Plan, PlanPhase, PlanStep, Reversal, StepAction};
use cutover_proto::report::{ErrorCode, Receipt, StepError};
use cutover_proto::step::NodeAction;
use cutover_proto::view::{
    Finding, PhaseView, RunStateView, RunStepView, RunView, Severity, StepStateView, WaitingView,
};

use crate::coordinator::Told;

const STEP: &str = "quiesce.stop@dss-1";
const TITLE: &str = "stop and hold the server of /opt/dss";

pub(crate) fn plan() -> Plan {
    let home = "/opt/dss".to_owned();
    let step = PlanStep {
        id: STEP.parse().unwrap(),
        title: TITLE.into(),
        place: Place::Node("dss-1".parse().unwrap()),
        action: StepAction::Node(NodeAction::StopServer {
            home,
            grace_secs: 120,
            kill: false,
        }),
        reversal: Reversal::Undo,
        undo: "start it".into(),
        skippable: false,
        deadline_secs: 300,
        after: Vec::new(),
        sentences: vec!["Stop all running instances.".into()],
    };
    Plan {
        name: "dss-prod".into(),
        guide: "dss-3.2.0".into(),
        order: "copy-first".into(),
        summary: "One node is stopped.".into(),
        nodes: vec!["dss-1".parse().unwrap()],
        databases: Vec::new(),
        parallel: 1,
        failures: 0,
        phases: vec![PlanPhase {
            name: "quiesce".into(),
            approval: false,
            steps: vec![step],
        }],
        point_of_no_return: None,
        window: None,
        downtime: None,
        notes: Vec::new(),
        inventory: std::collections::BTreeMap::new(),
        configs: std::collections::BTreeMap::new(),
        data: None,
        rehearses: None,
    }
}

pub(crate) fn step(state: StepStateView) -> RunStepView {
    RunStepView {
        id: STEP.parse().unwrap(),
        phase: "quiesce".into(),
        title: TITLE.into(),
        place: Place::Node("dss-1".parse().unwrap()),
        state,
        attempt: u32::from(state != StepStateView::Pending),
        started: None,
        millis: (state == StepStateView::Succeeded).then_some(1234),
        error: (state == StepStateView::Failed).then(|| {
            StepError::new(
                ErrorCode::StillRunning,
                "the server did not stop",
                "pid 4711 is there",
                "stop it by hand",
            )
        }),
        receipt: (state == StepStateView::Succeeded).then(|| Receipt::new().with("pid", 4711)),
    }
}

pub(crate) fn run(state: RunStateView, step_state: StepStateView) -> RunView {
    let waits = matches!(
        state,
        RunStateView::Held | RunStateView::WaitingForApproval | RunStateView::Paused
    );
    let id = RunId::new("018f0000-0000-7000-8000-000000000001".parse().unwrap());
    RunView {
        id,
        plan_hash: Sha256Hex::of(b"plan"),
        name: "dss-prod".into(),
        guide: "dss-3.2.0".into(),
        operator: "alice".into(),
        state,
        started: "2026-01-01T00:00:00Z".into(),
        ended: None,
        phases: vec![PhaseView {
            name: "quiesce".into(),
            approval_missing: false,
            steps: vec![step(step_state)],
        }],
        waiting: waits.then(|| WaitingView {
            reason: "somebody must look".into(),
            owner: "an operator".into(),
            commands: vec![format!("cutover retry {id}")],
        }),
        downtime: None,
        version: 1,
    }
}

fn told(kind: Kind) -> Told {
    Ok(pb::WatchRunResponse { kind: Some(kind) })
}

pub(crate) fn run_told(state: RunStateView, step_state: StepStateView) -> Told {
    told(Kind::Run(document("run/1", &run(state, step_state))))
}

pub(crate) fn step_told(state: StepStateView) -> Told {
    told(Kind::Step(document("run-step/1", &step(state))))
}

/// A checkpoint step that ended well; the second of its checkpoints warns.
pub(crate) fn checkpoint_told(text: &str) -> Told {
    let step = RunStepView {
        id: "checkpoint.check@carbon".parse().unwrap(),
        phase: "checkpoint".into(),
        title: "2 checkpoints in staging".into(),
        place: Place::Database("carbon".into()),
        receipt: Some(
            Receipt::new()
                .with("check01", format!("pass: {text}"))
                .with("check02", format!("WARNING: {text}"))
                .with("passed", 1)
                .with("warnings", 1),
        ),
        ..step(StepStateView::Succeeded)
    };
    told(Kind::Step(document("run-step/1", &step)))
}

pub(crate) fn progress_told() -> Told {
    let progress = pb::StepProgress {
        step: STEP.into(),
        done_bytes: 1,
        total_bytes: 2,
        ..Default::default()
    };
    told(Kind::Progress(progress))
}

pub(crate) fn finding(severity: Severity, place: &str) -> Finding {
    Finding {
        severity,
        code: "not-empty".into(),
        place: place.into(),
        text: "staging has 12 tables".into(),
        remedy: "name an empty database".into(),
    }
}
