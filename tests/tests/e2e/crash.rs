//! The coordinator and the agents are killed at every step, before and after each record of it. The run ends as if
//! nothing had happened, and nothing was done twice.

use anyhow::{Result, ensure};
use cutover_e2e::harness::crash::CrashPlan;
use cutover_e2e::harness::{Binaries, EngineKind, Evidence, Fleet, FleetSpec, NewHomes, Order};
use std::time::Duration;

/// Each kill costs a start and a new connection of every agent.
pub(crate) const LIMIT: Duration = Duration::from_secs(1800);

const NODE_ACTIONS: [&str; 11] = [
    "inspect",
    "unpack",
    "hold-server",
    "carry-files",
    "edit-xml",
    "backup-home",
    "stop-server",
    "prove-stopped",
    "copy-tree",
    "start-server",
    "prove-ready",
];
const COORDINATOR_ACTIONS: [&str; 10] = [
    "verify-databases",
    "prove-alone",
    "fence",
    "backup-database",
    "migrate",
    "copy-database",
    "compare-databases",
    "checkpoint",
    "prove-serving",
    "finalize",
];
/// A result of the coordinator's own is recorded where its work ends: behind `after-effect`, before the next intent.
const PLACES: [&str; 3] = ["before-intent", "after-intent", "after-effect"];

/// Without crash points in the programs nothing of this can be tested.
pub(crate) fn can_crash(test: &str) -> Result<bool> {
    let can = Binaries::find()?.have_crash_points()?;
    if !can {
        crate::support::skipped(test, "the programs have no crash points; run `cargo xtask test`");
    }
    Ok(can)
}

pub(crate) fn spec(engine: EngineKind) -> FleetSpec {
    FleetSpec {
        nodes: 2,
        new_homes: NewHomes::Distribution,
        ..FleetSpec::new(engine)
    }
}

/// Starts a fleet and makes its plan. Planning has every agent look at its homes, so it comes before the points are
/// armed: they are to kill in the run.
pub(crate) fn planned(engine: EngineKind, order: Order) -> Result<Fleet> {
    let mut fleet = Fleet::start(&spec(engine))?;
    fleet.upgrade.order = order;
    fleet.plan()?.expect(0)?;
    Ok(fleet)
}

/// Every point had its turn.
pub(crate) fn all_killed(plans: &[CrashPlan]) -> Result<()> {
    for plan in plans {
        let unused = plan.unused();
        ensure!(unused.is_empty(), "these points never killed: {unused:?}");
    }
    Ok(())
}

/// Upgrades a planned fleet whose services die at the points, once each.
pub(crate) fn upgrade_through(mut fleet: Fleet, plans: &[CrashPlan]) -> Result<()> {
    let before = Evidence::before(&fleet)?;
    let run = fleet.apply_planned()?;
    let view = fleet.finish(&run, LIMIT)?;
    all_killed(plans)?;
    let twice: Vec<_> = view
        .phases
        .iter()
        .flat_map(|phase| &phase.steps)
        .filter(|step| step.attempt != 1)
        .collect();
    ensure!(
        twice.is_empty(),
        "steps were tried again instead of going on: {twice:?}"
    );
    before.upgraded(&fleet, &view)
}

fn coordinator_dies(
    test: &str,
    engine: EngineKind,
    order: Order,
    actions: &[&str],
    places: &[&str],
) -> Result<()> {
    if !can_crash(test)? {
        return Ok(());
    }
    let mut fleet = planned(engine, order)?;
    let plan = CrashPlan::every(&fleet.root().join("crashed"), places, actions)?;
    plan.arm(&mut fleet.coordinator.service);
    fleet.coordinator.service.kill();
    fleet.tend()?;
    fleet.wait_connected()?;
    upgrade_through(fleet, &[plan])
}

#[test]
fn coordinator_at_every_step_on_a_database() -> Result<()> {
    let name = "coordinator_at_every_step_on_a_database";
    coordinator_dies(
        name,
        EngineKind::MariaDb,
        Order::Guide,
        &COORDINATOR_ACTIONS,
        &PLACES,
    )
}

#[test]
fn coordinator_at_every_step_on_a_postgres_database() -> Result<()> {
    let name = "coordinator_at_every_step_on_a_postgres_database";
    coordinator_dies(
        name,
        EngineKind::Postgres,
        Order::CopyFirst,
        &COORDINATOR_ACTIONS,
        &PLACES,
    )
}

#[test]
fn coordinator_at_every_step_on_a_node() -> Result<()> {
    let name = "coordinator_at_every_step_on_a_node";
    let places = ["before-intent", "after-intent", "before-result", "after-result"];
    coordinator_dies(
        name,
        EngineKind::MariaDb,
        Order::CopyFirst,
        &NODE_ACTIONS,
        &places,
    )
}

#[test]
fn agent_at_every_action() -> Result<()> {
    if !can_crash("agent_at_every_action")? {
        return Ok(());
    }
    let mut fleet = planned(EngineKind::MariaDb, Order::Guide)?;
    let places = ["before-intent", "after-intent", "after-effect", "after-result"];
    let mut plans = Vec::new();
    let root = fleet.root().to_owned();
    for (host, places) in fleet.hosts.iter_mut().zip(places.chunks(2)) {
        let plan = CrashPlan::every(&root.join("crashed").join(&host.name), places, &NODE_ACTIONS)?;
        plan.arm(&mut host.service);
        host.service.kill();
        plans.push(plan);
    }
    fleet.tend()?;
    fleet.wait_connected()?;
    upgrade_through(fleet, &plans)
}

/// What can be taken back on every node.
pub(crate) const UNDONE: [&str; 7] = [
    "unpack",
    "hold-server",
    "carry-files",
    "edit-xml",
    "stop-server",
    "copy-tree",
    "start-server",
];

/// The agents die while a run is taken back.
#[test]
fn agent_at_every_undo() -> Result<()> {
    if !can_crash("agent_at_every_undo")? {
        return Ok(());
    }
    let mut fleet = Fleet::start(&spec(EngineKind::MariaDb))?;
    let before = Evidence::before(&fleet)?;
    let places = [
        "undo-before-intent",
        "undo-after-intent",
        "undo-after-effect",
        "undo-after-result",
    ];
    let mut plans = Vec::new();
    let root = fleet.root().to_owned();
    for (host, places) in fleet.hosts.iter_mut().zip(places.chunks(2)) {
        let plan = CrashPlan::every(&root.join("crashed").join(&host.name), places, &UNDONE)?;
        plan.arm(&mut host.service);
        host.service.kill();
        plans.push(plan);
    }
    fleet.tend()?;
    fleet.wait_connected()?;
    let run = fleet.apply()?;
    fleet.settle(&run, LIMIT)?;
    fleet.abort(&run, LIMIT)?;
    all_killed(&plans)?;
    before.everything_is_back(&fleet)
}
