//! A run built by hand.

use cutover_proto::ids::{RunId, Sha256Hex};
use cutover_proto::plan::Place;
use cutover_proto::report::{ErrorCode, Receipt, StepError};
use cutover_proto::view::{
    DowntimeView, PhaseView, RunStateView, RunStepView, RunView, StepStateView, WaitingView,
};

pub(crate) fn step(node: &str, state: StepStateView) -> RunStepView {
    let failed = matches!(state, StepStateView::Failed | StepStateView::Stuck);
    RunStepView {
        id: format!("quiesce.stop@{node}").parse().unwrap(),
        phase: "quiesce".into(),
        title: "stop and hold the server of /opt/dss".into(),
        place: Place::Node(node.parse().unwrap()),
        state,
        attempt: u32::from(state != StepStateView::Pending) + u32::from(failed),
        started: None,
        millis: (state == StepStateView::Succeeded).then_some(1234),
        error: failed.then(|| {
            StepError::new(
                ErrorCode::StillRunning,
                "server of /opt/dss did not stop",
                "process 4711 is still there after 120 s",
                "stop it by hand, then cutover retry",
            )
        }),
        receipt: (state == StepStateView::Succeeded)
            .then(|| Receipt::new().with("killed", "no").with("pid", 4711)),
    }
}

/// Two checkpoints, of which the second warns.
pub(crate) fn checkpoint(text: &str) -> RunStepView {
    RunStepView {
        id: "checkpoint.check@carbon".parse().unwrap(),
        phase: "checkpoint".into(),
        title: "2 checkpoints in staging".into(),
        receipt: Some(
            Receipt::new()
                .with("check01", format!("pass: {text}"))
                .with("check02", format!("WARNING: {text}"))
                .with("passed", 1)
                .with("warnings", 1),
        ),
        ..step("carbon", StepStateView::Succeeded)
    }
}

pub(crate) fn run(state: RunStateView, steps: Vec<RunStepView>) -> RunView {
    RunView {
        id: RunId::new(uuid::Uuid::from_u128(1)),
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
            steps,
        }],
        waiting: (state == RunStateView::Held).then(|| WaitingView {
            reason: "quiesce.stop@dss-2 failed".into(),
            owner: "an operator".into(),
            commands: vec!["cutover retry 1".into(), "cutover abort 1".into()],
        }),
        downtime: Some(DowntimeView {
            from: "2026-01-01T00:01:00Z".into(),
            until: None,
            millis: 61_000,
        }),
        version: 7,
    }
}
