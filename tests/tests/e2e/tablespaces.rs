//! Large tables are copied as files by the agent on the database host.

use anyhow::{Context as _, Result, ensure};
use cutover_e2e::harness::crash::CrashPlan;
use cutover_e2e::harness::{EngineKind, Evidence, Fleet, FleetSpec, Order, PRODUCTION, Phase as _, STAGING};
use cutover_proto::view::{RunStateView, RunView};

use crate::crash::{LIMIT, all_killed, can_crash};

fn fleet(order: Order) -> Result<Fleet> {
    let mut fleet = Fleet::start(&FleetSpec {
        nodes: 2,
        database_host: true,
        ..FleetSpec::new(EngineKind::MariaDb)
    })?;
    fleet.upgrade.order = order;
    ensure!(
        !large(&fleet)?.is_empty(),
        "production has no table that is worth the trouble"
    );
    Ok(fleet)
}

/// Tables of production of at least 1 MiB, as the server reckons.
fn large(fleet: &Fleet) -> Result<Vec<String>> {
    let tables = "SELECT GROUP_CONCAT(TABLE_NAME) FROM information_schema.TABLES \
                  WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE'";
    let tables = fleet.databases.sql(PRODUCTION, tables)?;
    let analyze = format!("ANALYZE TABLE {}", tables.trim());
    fleet.databases.sql(PRODUCTION, &analyze)?;
    let sql = "SELECT TABLE_NAME FROM information_schema.TABLES \
               WHERE TABLE_SCHEMA = DATABASE() AND DATA_LENGTH >= 1048576 ORDER BY 1";
    let found = fleet.databases.sql(PRODUCTION, sql)?;
    Ok(found.lines().map(str::to_owned).collect())
}

/// What the copy says of tables that were copied as files.
fn as_files(view: &RunView) -> Result<usize> {
    let step = view.step("data.copy@carbon")?;
    let receipt = step.receipt.as_ref().context("a receipt of the copy")?;
    let told = receipt.evidence.get("tables_as_files");
    let told = told.context("the copy says nothing of files")?;
    told.parse().with_context(|| format!("`{told}` tables"))
}

fn upgrade(order: Order) -> Result<()> {
    let mut fleet = fleet(order)?;
    let plan = fleet.plan()?.expect(0)?;
    plan.says(&["copied as files by dss-1", "lock ", "copy the files of "])?;
    let before = Evidence::before(&fleet)?;
    let run = fleet.apply_planned()?;
    let view = fleet.finish(&run, LIMIT)?;
    ensure!(as_files(&view)? > 0, "no table was copied as a file");
    before.upgraded(&fleet, &view)?;
    let trail = fleet.cli.run(&["audit", "list", "--node", "dss-1"])?.expect(0)?;
    trail.says(&["copy-tablespaces"]).map(drop)
}

#[test]
fn mariadb_files_in_the_guides_order() -> Result<()> {
    upgrade(Order::Guide)
}

#[test]
fn mariadb_files_copied_first() -> Result<()> {
    upgrade(Order::CopyFirst)
}

/// Whoever dies on the way, staging is production's equal in the end. Where the lock dies with the coordinator, the rows
/// are copied instead.
#[test]
fn agent_or_coordinator_dies_while_files_are_copied() -> Result<()> {
    if !can_crash("agent_or_coordinator_dies_while_files_are_copied")? {
        return Ok(());
    }
    for coordinator_dies in [false, true] {
        let mut fleet = fleet(Order::CopyFirst)?;
        fleet.plan()?.expect(0)?;
        let root = fleet.root().join("crashed");
        let places = ["before-intent", "after-intent", "after-effect"];
        let kind = if coordinator_dies {
            "export-tables"
        } else {
            "copy-tablespaces"
        };
        let plan = CrashPlan::every(&root, &places, &[kind])?;
        let service = if coordinator_dies {
            &mut fleet.coordinator.service
        } else {
            &mut fleet.hosts.first_mut().context("a host")?.service
        };
        plan.arm(service);
        service.kill();
        fleet.tend()?;
        fleet.wait_connected()?;
        let before = Evidence::before(&fleet)?;
        let run = fleet.apply_planned()?;
        let view = fleet.finish(&run, LIMIT)?;
        all_killed(&[plan])?;
        let files = as_files(&view)?;
        ensure!(files > 0 || coordinator_dies, "no table was copied as a file");
        before.upgraded(&fleet, &view)?;
    }
    Ok(())
}

/// Something is in the way of the agent: the run holds, and abort gives everything back and ends
/// the lock.
#[test]
fn copy_of_files_that_fails_holds_the_run_and_abort_ends_the_lock() -> Result<()> {
    let mut fleet = fleet(Order::CopyFirst)?;
    fleet.plan()?.expect(0)?;
    let before = Evidence::before(&fleet)?;
    let table = large(&fleet)?.pop().context("a large table")?;
    let folder = fleet.databases.data_dir().context("a data folder")?.join(STAGING);
    let stray = folder.join(format!("{table}.ibd.cutover-partial"));
    std::fs::create_dir_all(&stray)?;
    let run = fleet.apply_planned()?;
    let view = fleet.settle(&run, LIMIT)?;
    ensure!(view.state == RunStateView::Held, "{}", fleet.why(&view));
    let failed: Vec<String> = view.failed().iter().map(|step| step.id.to_string()).collect();
    ensure!(failed == ["data.copy-tablespaces-carbon@dss-1"], "{failed:?}");
    std::fs::remove_dir(&stray)?;
    fleet.abort(&run, LIMIT)?;
    before.everything_is_back(&fleet)?;
    let write = format!("SET lock_wait_timeout=5; LOCK TABLES {table} WRITE; UNLOCK TABLES");
    fleet.databases.sql(PRODUCTION, &write).map(drop)
}

#[test]
fn plan_when_the_host_can_not_do_it_then_refused_or_told() -> Result<()> {
    let mut fleet = fleet(Order::CopyFirst)?;
    fleet.upgrade.host = Some("nobody".to_owned());
    fleet.plan()?.expect(3)?.says(&["no-database-host", "nobody"])?;
    let second = fleet.hosts.get(1).context("a second host")?.name.clone();
    fleet.upgrade.host = Some(second);
    fleet
        .plan()?
        .expect(3)?
        .says(&["database-host-policy", "database_dirs"])?;
    fleet.upgrade.host = Some(fleet.upgrade.manager.clone());
    "\n[downtime]\nmode = \"sync\"\n".clone_into(&mut fleet.upgrade.more);
    fleet
        .plan()?
        .expect(0)?
        .says(&["no table is copied as a file", "sync"])
        .map(drop)
}
