use cutover_proto::ids::Direction;
use cutover_proto::report::Receipt;

use super::*;
use crate::engine::event::Event;
use crate::engine::testing::{at, plan, sid};

/// Plays events; each happens at the second of its number.
fn played(events: Vec<Event>) -> (Plan, RunState) {
    let plan = plan();
    let start = Event::RunStarted {
        plan_hash: plan.hash(),
        operator: "o".into(),
    };
    let log: Vec<_> = std::iter::once(start)
        .chain(events)
        .zip(1_u64..)
        .map(|(event, seq)| at(seq, event))
        .collect();
    let state = RunState::fold(&plan, &log).unwrap();
    (plan, state)
}

fn tried(direction: Direction, step: &str) -> [Event; 2] {
    let started = Event::started(direction, sid(step), 1);
    [started, Event::ended(direction, sid(step), 1, Ok(Receipt::new()))]
}

fn seconds(events: Vec<Event>, now: i64) -> Option<(u64, bool)> {
    let (plan, state) = played(events);
    let view = downtime(&plan, &state, Timestamp::from_second(now).unwrap())?;
    Some((view.millis / 1000, view.until.is_some()))
}

const STEPS: [&str; 5] = [
    "quiesce.stop@n1",
    "quiesce.stop@n2",
    "data.copy@db",
    "cutover.start@n1",
    "cutover.ready@n1",
];

fn forward() -> Vec<Event> {
    STEPS.iter().flat_map(|step| tried(Direction::Do, step)).collect()
}

#[test]
fn downtime_when_nothing_was_stopped_then_absent() {
    assert_eq!(seconds(vec![], 50), None);
}

#[test]
fn downtime_when_servers_are_down_then_it_grows_and_when_ready_then_it_ends() {
    // The first stop begins at second 2; the last server is ready at second 11.
    assert_eq!(seconds(forward()[..4].to_vec(), 50), Some((48, false)));
    assert_eq!(seconds(forward(), 5000), Some((9, true)));
}

#[test]
fn downtime_when_aborted_after_serving_then_the_time_in_between_does_not_count() {
    let mut events = forward();
    events.push(Event::AbortRequested {
        operator: "o".into(),
        reason: String::new(),
    });
    for step in [
        "cutover.start@n1",
        "data.copy@db",
        "quiesce.stop@n2",
        "quiesce.stop@n1",
    ] {
        events.extend(tried(Direction::Undo, step));
    }
    // 2 to 11 before, 13 (the new server told to stop) to 20 (the last old one back) after.
    assert_eq!(seconds(events, 5000), Some((9 + 7, true)));
}
