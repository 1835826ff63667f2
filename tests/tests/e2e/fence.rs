//! The fence: once its servers have stopped, production refuses the application until somebody says otherwise.

use anyhow::{Context as _, Result, ensure};
use cutover_e2e::harness::crash::CrashPlan;
use cutover_e2e::harness::{EngineKind, Evidence, Fleet, FleetSpec, Order, PRODUCTION, Phase as _, wait};
use cutover_proto::report::ErrorCode;
use cutover_proto::view::{RunStateView, StepStateView};

use crate::crash::can_crash;
use crate::faults::held_by;
use crate::support::LIMIT;

fn refused(fleet: &Fleet) -> Result<()> {
    ensure!(
        fleet
            .databases
            .foreign_session(PRODUCTION, &fleet.secrets)
            .is_err(),
        "production lets the application in"
    );
    Ok(())
}

fn fence_stands_until_it_is_lifted(engine: EngineKind) -> Result<()> {
    let mut fleet = Fleet::start(&FleetSpec {
        nodes: 1,
        ..FleetSpec::new(engine)
    })?;
    fleet.upgrade.order = Order::CopyFirst;
    let before = Evidence::before(&fleet)?;
    fleet.plan()?.expect(0)?.says(&["production refuses dss"])?;
    let run = fleet.apply_planned()?;
    let view = fleet.settle(&run, LIMIT)?;
    let fence = view.step("quiesce.fence@carbon")?;
    ensure!(fence.state == StepStateView::Succeeded, "{fence:?}");
    let receipt = fence.receipt.as_ref().context("the fence left no receipt")?;
    let proof = receipt.evidence.get("proof").context("the fence has no proof")?;
    ensure!(proof.starts_with("dss was refused with"), "{proof}");
    refused(&fleet)?;
    // Taken back with everything else: the old servers serve and write again.
    fleet.abort(&run, LIMIT)?;
    before.everything_is_back(&fleet)?;
    let run = fleet.apply()?;
    let view = fleet.finish(&run, LIMIT)?;
    before.upgraded(&fleet, &view)?;
    refused(&fleet)?;
    let lift = ["unfence", &run, "--yes", "--reason", "auditors"];
    fleet.cli.run(&lift)?.expect(0)?.says(&["lifted: carbon"])?;
    drop(fleet.databases.foreign_session(PRODUCTION, &fleet.secrets)?);
    let trail = fleet.cli.run(&["audit", "list"])?.expect(0)?;
    for action in ["fence.planned", "fence.lifted"] {
        ensure!(trail.out.contains(action), "no {action} in the trail");
    }
    // What is down already is not lifted again.
    fleet
        .cli
        .run(&lift)?
        .expect(0)?
        .says(&["no fence of this run is up"])
        .map(drop)
}

#[test]
fn fence_on_mariadb_stands_until_it_is_lifted() -> Result<()> {
    fence_stands_until_it_is_lifted(EngineKind::MariaDb)
}

#[test]
fn fence_on_postgres_stands_until_it_is_lifted() -> Result<()> {
    fence_stands_until_it_is_lifted(EngineKind::Postgres)
}

/// An account that no fence knows of comes in behind it, before the snapshot: while the coordinator is away, so that
/// nothing else stands between the two.
fn session_that_sneaks_in(engine: EngineKind, test: &str) -> Result<()> {
    if !can_crash(test)? {
        return Ok(());
    }
    let mut fleet = Fleet::start(&FleetSpec {
        nodes: 1,
        ..FleetSpec::new(engine)
    })?;
    fleet.upgrade.order = Order::CopyFirst;
    let before = Evidence::before(&fleet)?;
    fleet.plan()?.expect(0)?;
    let points = vec!["before-intent:backup-database".to_owned()];
    let plan = CrashPlan::of(&fleet.root().join("crashed"), points)?;
    plan.arm(&mut fleet.coordinator.service);
    fleet.coordinator.service.kill();
    fleet.tend()?;
    fleet.wait_connected()?;
    let run = fleet.apply_planned()?;
    wait("the kill behind the fence", LIMIT, || plan.unused().is_empty())?;
    let session = fleet.databases.stranger(PRODUCTION)?;
    let view = fleet.settle(&run, LIMIT)?;
    held_by(&view, "data.backup@carbon", ErrorCode::ForeignSessions)?;
    let error = view
        .step("data.backup@carbon")?
        .error
        .clone()
        .context("an error")?;
    ensure!(error.why.contains("reports"), "{error}");
    drop(session);
    fleet.cli.run(&["retry", &run])?.expect(0)?;
    let view = fleet.settle(&run, LIMIT)?;
    ensure!(
        view.state == RunStateView::WaitingForApproval,
        "{:?}",
        view.waiting
    );
    let view = fleet.approve(&run, LIMIT)?;
    before.upgraded(&fleet, &view)
}

#[test]
fn session_that_sneaks_in_behind_the_fence_on_mariadb_stops_the_run() -> Result<()> {
    let name = "session_that_sneaks_in_behind_the_fence_on_mariadb_stops_the_run";
    session_that_sneaks_in(EngineKind::MariaDb, name)
}

#[test]
fn session_that_sneaks_in_behind_the_fence_on_postgres_stops_the_run() -> Result<()> {
    let name = "session_that_sneaks_in_behind_the_fence_on_postgres_stops_the_run";
    session_that_sneaks_in(EngineKind::Postgres, name)
}
