//! Rehearsals: everything is tried and measured on scratch databases while production serves.

use anyhow::{Context as _, Result, ensure};
use cutover_e2e::harness::crash::CrashPlan;
use cutover_e2e::harness::{EngineKind, Evidence, Fleet, FleetSpec, STAGING};
use cutover_proto::plan::DataMode;
use cutover_proto::view::RehearsalView;

use crate::crash::can_crash;
use crate::support::LIMIT;

fn fleet(engine: EngineKind) -> Result<(Fleet, Evidence)> {
    let fleet = Fleet::start(&FleetSpec {
        nodes: 1,
        ..FleetSpec::new(engine)
    })?;
    let before = Evidence::before(&fleet)?;
    Ok((fleet, before))
}

/// Databases that a rehearsal left on the server.
fn scratches(fleet: &Fleet) -> Result<Vec<String>> {
    let sql = match fleet.databases.kind() {
        EngineKind::MariaDb => "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA",
        EngineKind::Postgres => "SELECT datname FROM pg_database",
    };
    let names = fleet.databases.sql("", sql)?;
    Ok(names
        .lines()
        .filter(|name| name.starts_with("cutover_"))
        .map(str::to_owned)
        .collect())
}

/// Production serves as before, staging is empty, and nothing of the rehearsal is left.
fn untouched(fleet: &Fleet, before: &Evidence) -> Result<()> {
    ensure!(
        fleet.hosts.iter().all(|host| host.old.is_serving()),
        "an old server does not serve"
    );
    before.production_is_as_it_was(fleet)?;
    ensure!(
        fleet.databases.tables(STAGING)?.is_empty(),
        "staging is not empty"
    );
    let left = scratches(fleet)?;
    ensure!(left.is_empty(), "{left:?} are left");
    Ok(())
}

fn last(fleet: &Fleet, code: i32) -> Result<RehearsalView> {
    let told = fleet
        .cli
        .run(&["--json", "rehearse", "dss-prod", "--last"])?
        .expect(code)?;
    Ok(serde_json::from_str(&told.out)?)
}

fn rehearsed_then_applied(engine: EngineKind) -> Result<()> {
    let (mut fleet, before) = fleet(engine)?;
    fleet.plan()?.expect(0)?.says(&["stop-copy: no rehearsal"])?;
    let plan = fleet.plan_file();
    fleet
        .cli
        .run(&["rehearse", &plan, "--watch", "--plain"])?
        .expect(0)?
        .says(&["Predicted downtime", "stop-copy", "sync"])?;
    untouched(&fleet, &before)?;
    let view = last(&fleet, 0)?;
    for kind in [
        "copy-database",
        "synchronise",
        "backup-database",
        "migrate",
        "checkpoint",
    ] {
        ensure!(
            view.steps.iter().any(|step| step.kind == kind),
            "{kind} was not measured"
        );
    }
    // A budget that nothing fits: the plan comes nearest, and apply refuses it without a reason.
    fleet.upgrade.more = "\n[downtime]\nbudget = \"1s\"\n".to_owned();
    fleet
        .plan()?
        .expect(0)?
        .says(&["no way fits the budget", "over-budget"])?;
    let refused = fleet.cli.run(&["apply", &plan, "--yes"])?.expect(3)?;
    refused.says(&["the budget is 1 s", "--window-anyway"])?;
    let mode = view
        .forecasts
        .iter()
        .find(|forecast| forecast.mode == DataMode::StopCopy)
        .context("a forecast")?;
    fleet.upgrade.more = format!("\n[downtime]\nbudget = \"{}s\"\n", mode.downtime.secs);
    fleet
        .plan()?
        .expect(0)?
        .says(&["stop-copy: it is the plainest way that fits"])?;
    let run = fleet.apply_planned()?;
    let view = fleet.finish(&run, LIMIT)?;
    before.upgraded(&fleet, &view)
}

#[test]
fn rehearsal_on_mariadb_measures_and_leaves_nothing() -> Result<()> {
    rehearsed_then_applied(EngineKind::MariaDb)
}

#[test]
fn rehearsal_on_postgres_measures_and_leaves_nothing() -> Result<()> {
    rehearsed_then_applied(EngineKind::Postgres)
}

#[test]
fn script_that_would_fail_is_found_while_production_serves() -> Result<()> {
    let (fleet, before) = fleet(EngineKind::MariaDb)?;
    let script = fleet.desk().join("migration.sql");
    let text = std::fs::read_to_string(&script)?;
    std::fs::write(&script, format!("{text}\nALTER TABLE NO_SUCH_TABLE ADD X INT;\n"))?;
    fleet.plan()?.expect(0)?;
    let plan = fleet.plan_file();
    fleet
        .cli
        .run(&["rehearse", &plan, "--watch", "--plain"])?
        .expect(1)?
        .says(&["It would fail", "migration.sql", "NO_SUCH_TABLE"])?;
    untouched(&fleet, &before)?;
    ensure!(
        last(&fleet, 1)?.forecasts.is_empty(),
        "a failed rehearsal predicts"
    );
    // Neither the plan that failed is begun by mistake, nor one that was made since.
    fleet.plan()?.expect(0)?;
    let refused = fleet.cli.run(&["apply", &plan, "--yes"])?.expect(3)?;
    refused
        .says(&["the last rehearsal of this upgrade failed", "NO_SUCH_TABLE"])
        .map(drop)
}

#[test]
fn scratch_that_was_kept_is_removed_by_the_next_rehearsal() -> Result<()> {
    let (fleet, before) = fleet(EngineKind::Postgres)?;
    fleet.plan()?.expect(0)?;
    let plan = fleet.plan_file();
    fleet
        .cli
        .run(&["rehearse", &plan, "--watch", "--plain", "--keep"])?
        .expect(0)?
        .says(&["kept:"])?;
    let left = scratches(&fleet)?;
    ensure!(left.len() == 1, "{left:?}");
    ensure!(
        fleet.databases.tables(&left[0])?.contains("UM_DOMAIN"),
        "the scratch is not migrated"
    );
    fleet
        .cli
        .run(&["rehearse", &plan, "--watch", "--plain"])?
        .expect(0)?;
    untouched(&fleet, &before)
}

fn coordinator_dies(engine: EngineKind, test: &str) -> Result<()> {
    if !can_crash(test)? {
        return Ok(());
    }
    let (mut fleet, before) = fleet(engine)?;
    fleet.plan()?.expect(0)?;
    let kinds = [
        "make-scratch",
        "copy-database",
        "synchronise",
        "backup-database",
        "migrate",
        "drop-scratch",
    ];
    let plan = CrashPlan::every(
        &fleet.root().join("crashed"),
        &["after-intent", "after-effect"],
        &kinds,
    )?;
    plan.arm(&mut fleet.coordinator.service);
    fleet.coordinator.service.kill();
    fleet.tend()?;
    fleet.wait_connected()?;
    let view = fleet.rehearse_planned(LIMIT)?;
    ensure!(
        view.state == cutover_proto::view::RunStateView::Done,
        "the rehearsal is {:?}: {:?}\n{}",
        view.state,
        view.waiting,
        fleet.logs()
    );
    ensure!(
        plan.unused().is_empty(),
        "these points never killed: {:?}",
        plan.unused()
    );
    untouched(&fleet, &before)
}

#[test]
fn coordinator_that_dies_in_a_rehearsal_on_mariadb_leaves_nothing() -> Result<()> {
    coordinator_dies(
        EngineKind::MariaDb,
        "coordinator_that_dies_in_a_rehearsal_on_mariadb_leaves_nothing",
    )
}

#[test]
fn coordinator_that_dies_in_a_rehearsal_on_postgres_leaves_nothing() -> Result<()> {
    coordinator_dies(
        EngineKind::Postgres,
        "coordinator_that_dies_in_a_rehearsal_on_postgres_leaves_nothing",
    )
}
