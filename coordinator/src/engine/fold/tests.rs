use cutover_proto::plan::OverrideAction;
use cutover_proto::report::ErrorCode;
use proptest::prelude::*;

use super::*;
use crate::engine::testing::{at, plan, sid};

fn error(code: ErrorCode) -> StepError {
    StepError::new(code, "w", "y", "n")
}

fn decision(reason: &str) -> StatementOverride {
    StatementOverride {
        statement: 3,
        sha256: Sha256Hex::of(b"DROP TABLE x"),
        action: OverrideAction::Skip,
        with: None,
        reason: reason.into(),
    }
}

/// Every state a step can be in, with tries that the events below fit.
fn states() -> Vec<(&'static str, StepState)> {
    vec![
        ("pending", StepState::Pending),
        ("running", StepState::Running),
        ("succeeded", StepState::Succeeded(Receipt::new())),
        ("failed", StepState::Failed(error(ErrorCode::Io))),
        (
            "unreachable",
            StepState::Failed(error(ErrorCode::NodeUnreachable)),
        ),
        ("skipped", StepState::Skipped),
        ("undo-pending", StepState::UndoPending),
        ("undoing", StepState::Undoing),
        ("undone", StepState::Undone),
        ("stuck", StepState::Stuck(error(ErrorCode::Io))),
        ("given-up", StepState::GivenUp(error(ErrorCode::Io))),
    ]
}

fn events() -> Vec<(&'static str, Event)> {
    let step = sid("quiesce.stop@n1");
    vec![
        (
            "start",
            Event::StepStarted {
                step: step.clone(),
                attempt: 2,
            },
        ),
        (
            "succeed",
            Event::StepSucceeded {
                step: step.clone(),
                attempt: 1,
                receipt: Receipt::new(),
            },
        ),
        (
            "fail",
            Event::StepFailed {
                step: step.clone(),
                attempt: 1,
                error: error(ErrorCode::Io),
            },
        ),
        (
            "retry",
            Event::StepRetried {
                step: step.clone(),
                operator: "o".into(),
                reason: String::new(),
            },
        ),
        (
            "skip",
            Event::StepSkipped {
                step: step.clone(),
                operator: "o".into(),
                reason: String::new(),
            },
        ),
        (
            "resolve",
            Event::StatementResolved {
                step: step.clone(),
                script: "migration.sql".into(),
                decision: decision("first"),
                operator: "o".into(),
            },
        ),
        (
            "undo",
            Event::UndoStarted {
                step: step.clone(),
                attempt: 2,
            },
        ),
        (
            "undone",
            Event::UndoSucceeded {
                step: step.clone(),
                attempt: 1,
                receipt: Receipt::new(),
            },
        ),
        (
            "undo-fail",
            Event::UndoFailed {
                step,
                attempt: 1,
                error: error(ErrorCode::Io),
            },
        ),
    ]
}

#[test]
fn every_state_when_every_event_then_the_table_says_whether_it_is_legal() {
    let legal: BTreeSet<(&str, &str)> = [
        ("pending", "start"),
        ("pending", "skip"),
        ("pending", "undo"),
        ("running", "succeed"),
        ("running", "fail"),
        ("failed", "retry"),
        ("failed", "skip"),
        ("failed", "undo"),
        ("failed", "resolve"),
        ("unreachable", "resolve"),
        ("unreachable", "succeed"),
        ("unreachable", "retry"),
        ("unreachable", "skip"),
        ("unreachable", "undo"),
        ("succeeded", "undo"),
        ("skipped", "undo"),
        ("undo-pending", "undo"),
        ("undoing", "undone"),
        ("undoing", "undo-fail"),
        ("stuck", "retry"),
        ("stuck", "skip"),
    ]
    .into();
    for (state_name, state) in states() {
        for (event_name, event) in events() {
            let progress = StepProgress {
                state: state.clone(),
                attempts: 1,
                undo_attempts: 1,
                ..StepProgress::new()
            };
            let expected = legal.contains(&(state_name, event_name));
            assert_eq!(
                progress.apply(&event).is_some(),
                expected,
                "{event_name} in {state_name}"
            );
        }
    }
}

#[test]
fn attempt_when_not_the_current_one_then_refused() {
    let running = StepProgress {
        state: StepState::Running,
        attempts: 2,
        ..StepProgress::new()
    };
    let late = Event::StepSucceeded {
        step: sid("quiesce.stop@n1"),
        attempt: 1,
        receipt: Receipt::new(),
    };
    assert!(running.apply(&late).is_none());
}

#[test]
fn abort_when_past_the_point_of_no_return_then_refused() {
    let plan = plan();
    let started = Event::RunStarted {
        plan_hash: plan.hash(),
        operator: "o".into(),
    };
    let finalize = Event::StepStarted {
        step: sid("finalize.finalize"),
        attempt: 1,
    };
    let abort = Event::AbortRequested {
        operator: "o".into(),
        reason: String::new(),
    };
    let log = [at(1, started), at(2, finalize)];
    let mut state = RunState::fold(&plan, &log).unwrap();
    assert!(state.past_return);
    assert!(state.apply(&plan, &at(3, abort)).is_err());
}

#[test]
fn statement_when_resolved_twice_then_the_later_decision_counts() {
    let plan = plan();
    let step = sid("data.copy@db");
    let resolved = |reason: &str| Event::StatementResolved {
        step: step.clone(),
        script: "migration.sql".into(),
        decision: decision(reason),
        operator: "o".into(),
    };
    let mut state = RunState::new(&plan);
    let log = [
        Event::RunStarted {
            plan_hash: plan.hash(),
            operator: "o".into(),
        },
        Event::StepStarted {
            step: step.clone(),
            attempt: 1,
        },
        Event::StepFailed {
            step: step.clone(),
            attempt: 1,
            error: error(ErrorCode::ScriptFailed),
        },
        resolved("first"),
        resolved("second"),
    ];
    for (seq, event) in (1..).zip(log) {
        state.apply(&plan, &at(seq, event)).unwrap();
    }
    let known = &state.steps[&step].resolved;
    assert_eq!(known.len(), 1);
    assert_eq!(known[0].decision.reason, "second");
}

proptest! {
    /// Whatever comes in whatever order, a refused event changes nothing and a log folds to the same state again.
    #[test]
    fn log_when_events_come_at_random_then_fold_is_repeatable(picks in proptest::collection::vec(0_usize..9, 0..40)) {
        let plan = plan();
        let mut state = RunState::new(&plan);
        let mut log = vec![at(1, Event::RunStarted { plan_hash: plan.hash(), operator: "o".into() })];
        state.apply(&plan, &log[0]).unwrap();
        for pick in picks {
            let progress = state.steps[&sid("quiesce.stop@n1")].clone();
            let mut event = events()[pick].1.clone();
            if let Event::StepStarted { attempt, .. } = &mut event {
                *attempt = progress.attempts + 1;
            }
            if let Event::StepSucceeded { attempt, .. } | Event::StepFailed { attempt, .. } = &mut event {
                *attempt = progress.attempts;
            }
            if let Event::UndoStarted { attempt, .. } = &mut event {
                *attempt = progress.undo_attempts + 1;
            }
            if let Event::UndoSucceeded { attempt, .. } | Event::UndoFailed { attempt, .. } = &mut event {
                *attempt = progress.undo_attempts;
            }
            let record = at(state.version + 1, event);
            let before = state.clone();
            match state.apply(&plan, &record) {
                Ok(()) => log.push(record),
                Err(_) => prop_assert_eq!(&state, &before),
            }
        }
        prop_assert_eq!(RunState::fold(&plan, &log).unwrap(), state);
    }
}
