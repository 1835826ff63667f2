use cutover_proto::report::{ErrorCode, Receipt, StepError};

use super::*;
use crate::engine::testing::{at, plan, sid};

/// Plays a run: every started step ends as `ends` says; returns the order of starts.
struct Play {
    plan: Plan,
    state: RunState,
    order: Vec<String>,
}

impl Play {
    fn new() -> Self {
        let plan = plan();
        let state = RunState::new(&plan);
        let mut play = Self {
            plan,
            state,
            order: Vec::new(),
        };
        let hash = play.plan.hash();
        play.push(Event::RunStarted {
            plan_hash: hash,
            operator: "o".into(),
        });
        play
    }

    fn push(&mut self, event: Event) {
        self.state
            .apply(&self.plan, &at(self.state.version + 1, event))
            .unwrap();
    }

    /// Goes on until nothing can happen by itself; steps in `failing` fail.
    fn run(&mut self, failing: &[&str]) -> Wait {
        loop {
            let outlook = outlook(&self.plan, &self.state);
            if outlook.events.is_empty() {
                return outlook.wait;
            }
            for event in outlook.events {
                self.push(event.clone());
                self.end(event, failing);
            }
        }
    }

    fn end(&mut self, event: Event, failing: &[&str]) {
        let outcome = |step: &StepId| {
            let fails = failing.contains(&step.as_str());
            if fails {
                Err(StepError::new(ErrorCode::Io, "w", "y", "n"))
            } else {
                Ok(Receipt::new())
            }
        };
        let Some((step, direction, attempt)) = event.begins() else {
            return;
        };
        let name = match direction {
            Direction::Do => step.to_string(),
            Direction::Undo => format!("undo {step}"),
        };
        self.order.push(name);
        let outcome = outcome(step);
        self.push(Event::ended(direction, step.clone(), attempt, outcome));
    }
}

#[test]
fn run_when_nothing_fails_then_phases_in_order_and_approval_before_the_last() {
    let mut play = Play::new();
    assert_eq!(play.run(&[]), Wait::Approval("finalize".into()));
    let expected = [
        "quiesce.stop@n1",
        "quiesce.stop@n2",
        "data.copy@db",
        "cutover.start@n1",
        "cutover.ready@n1",
        "cutover.start@n2",
    ];
    assert_eq!(play.order, expected);
    play.push(Event::PhaseApproved {
        phase: "finalize".into(),
        operator: "o".into(),
        reason: String::new(),
    });
    assert_eq!(play.run(&[]), Wait::Ended(End::Done));
    assert_eq!(play.state.end, Some(End::Done));
}

#[test]
fn step_when_it_fails_then_run_is_held_and_retry_goes_on() {
    let mut play = Play::new();
    assert_eq!(play.run(&["data.copy@db"]), Wait::Held(vec![sid("data.copy@db")]));
    play.push(Event::StepRetried {
        step: sid("data.copy@db"),
        operator: "o".into(),
        reason: String::new(),
    });
    assert_eq!(play.run(&[]), Wait::Approval("finalize".into()));
    assert_eq!(play.state.steps[&sid("data.copy@db")].attempts, 2);
}

#[test]
fn abort_when_everything_ran_then_undone_in_reverse_with_followers_first() {
    let mut play = Play::new();
    play.run(&[]);
    play.order.clear();
    play.push(Event::AbortRequested {
        operator: "o".into(),
        reason: String::new(),
    });
    assert_eq!(play.run(&[]), Wait::Ended(End::Aborted));
    let expected = [
        "undo cutover.start@n2",
        "undo cutover.start@n1",
        "undo data.copy@db",
        "undo quiesce.stop@n2",
        "undo quiesce.stop@n1",
    ];
    assert_eq!(play.order, expected);
}

#[test]
fn abort_when_a_step_failed_then_that_step_is_taken_back_too() {
    let mut play = Play::new();
    play.run(&["data.copy@db"]);
    play.order.clear();
    play.push(Event::AbortRequested {
        operator: "o".into(),
        reason: String::new(),
    });
    play.run(&[]);
    assert_eq!(
        play.order,
        [
            "undo data.copy@db",
            "undo quiesce.stop@n2",
            "undo quiesce.stop@n1"
        ]
    );
}

#[test]
fn undo_when_it_fails_then_stuck_and_earlier_phases_wait_for_it() {
    let mut play = Play::new();
    play.run(&[]);
    play.order.clear();
    play.push(Event::AbortRequested {
        operator: "o".into(),
        reason: String::new(),
    });
    assert_eq!(
        play.run(&["data.copy@db"]),
        Wait::Stuck(vec![sid("data.copy@db")])
    );
    assert!(!play.order.contains(&"undo quiesce.stop@n1".to_owned()));
    play.push(Event::StepRetried {
        step: sid("data.copy@db"),
        operator: "o".into(),
        reason: String::new(),
    });
    assert_eq!(play.run(&[]), Wait::Ended(End::Aborted));
}

#[test]
fn abort_when_a_step_is_running_then_it_is_waited_for() {
    let mut play = Play::new();
    play.push(Event::StepStarted {
        step: sid("quiesce.stop@n1"),
        attempt: 1,
    });
    play.push(Event::AbortRequested {
        operator: "o".into(),
        reason: String::new(),
    });
    assert_eq!(
        outlook(&play.plan, &play.state),
        Outlook {
            events: vec![],
            wait: Wait::Steps
        }
    );
}

#[test]
fn pause_when_asked_then_nothing_new_starts() {
    let mut play = Play::new();
    play.push(Event::Paused {
        operator: "o".into(),
        reason: String::new(),
    });
    assert_eq!(play.run(&[]), Wait::Paused);
    play.push(Event::Resumed {
        operator: "o".into(),
        reason: String::new(),
    });
    assert_eq!(play.run(&[]), Wait::Approval("finalize".into()));
}

#[test]
fn parallel_when_limited_then_no_more_start_at_once() {
    let mut play = Play::new();
    play.plan.parallel = 1;
    assert_eq!(outlook(&play.plan, &play.state).events.len(), 1);
}

#[test]
fn failures_when_tolerated_then_other_nodes_go_on_but_the_phase_still_holds() {
    let mut play = Play::new();
    play.plan.failures = 1;
    play.plan.parallel = 1;
    let wait = play.run(&["quiesce.stop@n1"]);
    assert_eq!(wait, Wait::Held(vec![sid("quiesce.stop@n1")]));
    assert_eq!(play.order, ["quiesce.stop@n1", "quiesce.stop@n2"]);
}

#[test]
fn undo_when_given_up_then_the_steps_before_it_are_taken_back() {
    let mut play = Play::new();
    play.run(&[]);
    play.order.clear();
    play.push(Event::AbortRequested {
        operator: "o".into(),
        reason: String::new(),
    });
    assert_eq!(
        play.run(&["cutover.start@n2"]),
        Wait::Stuck(vec![sid("cutover.start@n2")])
    );
    let skip = Event::StepSkipped {
        step: sid("cutover.start@n2"),
        operator: "o".into(),
        reason: "dead".into(),
    };
    play.push(skip);
    assert_eq!(play.run(&[]), Wait::Ended(End::Aborted));
    assert!(play.order.contains(&"undo quiesce.stop@n1".to_owned()));
}

#[test]
fn rehearsal_when_a_step_fails_then_it_is_taken_back_by_itself() {
    let mut play = Play::new();
    play.plan.rehearses = Some(play.plan.hash());
    // Its failure only says that the server is not ready: it has no undo that could fail as well.
    assert_eq!(play.run(&["cutover.ready@n1"]), Wait::Ended(End::Aborted));
    assert!(play.order.contains(&"undo quiesce.stop@n1".to_owned()));
    assert!(!play.order.contains(&"cutover.start@n2".to_owned()));
}
