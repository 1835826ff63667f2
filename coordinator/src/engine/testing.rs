//! A small plan for the engine's tests: two nodes, a database, a point of no return.

use cutover_proto::ids::StepId;
use cutover_proto::plan::{DatabaseAction, Place, Plan, PlanPhase, PlanStep, Reversal, StepAction};
use cutover_proto::step::NodeAction;
use jiff::Timestamp;

use super::event::{Event, EventRecord};

pub(crate) fn sid(text: &str) -> StepId {
    text.parse().unwrap()
}

pub(crate) fn at(seq: u64, event: Event) -> EventRecord {
    EventRecord {
        seq,
        at: Timestamp::from_second(i64::try_from(seq).unwrap()).unwrap(),
        event,
    }
}

fn step(id: &str, place: Place, action: StepAction, reversal: Reversal, after: &[&str]) -> PlanStep {
    PlanStep {
        id: sid(id),
        title: id.to_owned(),
        place,
        action,
        reversal,
        undo: String::new(),
        skippable: false,
        deadline_secs: 60,
        after: after.iter().map(|a| sid(a)).collect(),
        sentences: Vec::new(),
    }
}

pub(crate) fn plan() -> Plan {
    let home = || "/opt/x".to_owned();
    let on = |n: &str| Place::Node(n.parse().unwrap());
    let stop = || {
        StepAction::Node(NodeAction::StopServer {
            home: home(),
            grace_secs: 1,
            kill: false,
        })
    };
    let start = || StepAction::Node(NodeAction::StartServer { home: home() });
    let ready = || {
        StepAction::Node(NodeAction::ProveReady {
            home: home(),
            timeout_secs: 1,
            admin: None,
        })
    };
    let phase = |name: &str, steps| PlanPhase {
        name: name.into(),
        approval: name == "finalize",
        steps,
    };
    Plan {
        name: "t".into(),
        guide: "g".into(),
        order: "o".into(),
        summary: String::new(),
        nodes: vec!["n1".parse().unwrap(), "n2".parse().unwrap()],
        databases: Vec::new(),
        parallel: 10,
        failures: 0,
        phases: vec![
            phase(
                "quiesce",
                vec![
                    step("quiesce.stop@n1", on("n1"), stop(), Reversal::Undo, &[]),
                    step("quiesce.stop@n2", on("n2"), stop(), Reversal::Undo, &[]),
                ],
            ),
            phase(
                "data",
                vec![step(
                    "data.copy@db",
                    Place::Database("db".into()),
                    StepAction::Database(DatabaseAction::Copy { serving: false }),
                    Reversal::Undo,
                    &[],
                )],
            ),
            phase(
                "cutover",
                vec![
                    step("cutover.start@n1", on("n1"), start(), Reversal::Undo, &[]),
                    step(
                        "cutover.ready@n1",
                        on("n1"),
                        ready(),
                        Reversal::Nothing,
                        &["cutover.start@n1"],
                    ),
                    step(
                        "cutover.start@n2",
                        on("n2"),
                        start(),
                        Reversal::Undo,
                        &["cutover.ready@n1"],
                    ),
                ],
            ),
            phase(
                "finalize",
                vec![step(
                    "finalize.finalize",
                    Place::Coordinator,
                    StepAction::Finalize,
                    Reversal::PointOfNoReturn,
                    &[],
                )],
            ),
        ],
        point_of_no_return: Some(sid("finalize.finalize")),
        window: None,
        downtime: None,
        notes: Vec::new(),
        inventory: std::collections::BTreeMap::new(),
        configs: std::collections::BTreeMap::new(),
        data: None,
        rehearses: None,
    }
}
