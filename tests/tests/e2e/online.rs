//! The data is copied while production serves and is written to; only the difference is left for the downtime.

use std::io::Write as _;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use cutover_e2e::harness::crash::CrashPlan;
use cutover_e2e::harness::{EngineKind, Fleet, FleetSpec, Order, PRODUCTION, Phase as _, STAGING};
use cutover_proto::view::{RunStateView, RunView, StepStateView};

use crate::crash::can_crash;
use crate::support::LIMIT;

/// A table with a key, one whose rows go with their parents, and one without any key.
const TABLES: &str = "CREATE TABLE HAMMER_PARENT (ID INTEGER NOT NULL PRIMARY KEY, V VARCHAR(40)); \
     CREATE TABLE HAMMER_CHILD (ID INTEGER NOT NULL PRIMARY KEY, PARENT_ID INTEGER NOT NULL, \
     FOREIGN KEY (PARENT_ID) REFERENCES HAMMER_PARENT (ID) ON DELETE CASCADE); \
     CREATE TABLE HAMMER_LOG (TEXT_VALUE VARCHAR(40));";
const HAMMERED: [&str; 3] = ["HAMMER_PARENT", "HAMMER_CHILD", "HAMMER_LOG"];

/// One round: rows come, change and go, by cascades as well; equal rows stand twice in the table without a key.
fn round(kind: EngineKind, n: u64) -> String {
    let one = match kind {
        EngineKind::MariaDb => format!("DELETE FROM HAMMER_LOG WHERE TEXT_VALUE = 'r{}' LIMIT 1;", n / 2),
        EngineKind::Postgres => format!(
            "DELETE FROM HAMMER_LOG WHERE ctid IN (SELECT ctid FROM HAMMER_LOG WHERE TEXT_VALUE = 'r{}' LIMIT 1);",
            n / 2
        ),
    };
    format!(
        "BEGIN; INSERT INTO HAMMER_PARENT VALUES ({n}, 'new'); INSERT INTO HAMMER_CHILD VALUES ({n}, {n}); \
         INSERT INTO HAMMER_LOG VALUES ('r{n}'), ('r{n}'); UPDATE HAMMER_PARENT SET V = 'changed {n}' WHERE ID = {}; \
         DELETE FROM HAMMER_PARENT WHERE ID = {}; {one} COMMIT;",
        n.saturating_sub(3),
        n.saturating_sub(7)
    )
}

/// Feeds rounds to the engine's client until `stop`, and waits until it has carried all of them out; how many.
fn hammer(mut client: Child, kind: EngineKind, stop: &AtomicBool) -> Result<u64> {
    let mut input = client.stdin.take().context("the client's input")?;
    let mut rounds = 0;
    while !stop.load(Ordering::SeqCst) {
        input.write_all(round(kind, rounds).as_bytes())?;
        input.write_all(b"\n")?;
        input.flush()?;
        rounds += 1;
        // A pace that a busy server keeps up with.
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(input);
    let status = client.wait()?;
    ensure!(status.success(), "the writer's client ended with {status}");
    Ok(rounds)
}

/// Drives a run to the approval that begins the downtime, hammering all the while, then to its end.
fn driven(fleet: &mut Fleet, run: &str) -> Result<RunView> {
    let stop = Arc::new(AtomicBool::new(false));
    let client = fleet.databases.feed(PRODUCTION)?;
    let kind = fleet.databases.kind();
    let writer = std::thread::spawn({
        let stop = stop.clone();
        move || hammer(client, kind, &stop)
    });
    let waiting = fleet.settle(run, LIMIT);
    stop.store(true, Ordering::SeqCst);
    let rounds = writer
        .join()
        .map_err(|_| anyhow::anyhow!("the writer panicked"))??;
    let waiting = waiting?;
    ensure!(
        waiting.state == RunStateView::WaitingForApproval,
        "{:?}\n{}",
        waiting.waiting,
        fleet.logs()
    );
    ensure!(rounds > 3, "only {rounds} rounds were written beside the copy");
    ensure!(
        fleet.hosts.iter().all(|host| host.old.is_serving()),
        "an old server stopped before anybody agreed"
    );
    fleet
        .cli
        .run(&["approve", run, "--reason", "downtime begins"])?
        .expect(0)?;
    fleet.finish(run, LIMIT)
}

/// Every committed row stands in staging exactly once.
fn every_row_arrived(fleet: &Fleet) -> Result<()> {
    let columns = fleet.databases.columns(PRODUCTION)?;
    let (old, new) = (
        fleet.databases.rows_of(PRODUCTION, &columns)?,
        fleet.databases.rows(STAGING)?,
    );
    for table in HAMMERED {
        ensure!(
            old.get(table).is_some_and(|rows| !rows.is_empty()) && old.get(table) == new.get(table),
            "{table}: {} rows in production, {} in staging, or not the same",
            old.get(table).map_or(0, Vec::len),
            new.get(table).map_or(0, Vec::len)
        );
    }
    let stored = fleet.databases.sql(
        STAGING,
        "SELECT REG_PATH, COUNT(*) FROM REG_LOG GROUP BY REG_PATH",
    )?;
    let mut counted = std::collections::BTreeMap::new();
    for line in stored.lines() {
        let (path, count) = line.split_once('\t').context("two columns")?;
        counted.insert(path, count);
    }
    for host in &fleet.hosts {
        let markers = host.old.markers();
        ensure!(
            !markers.is_empty(),
            "the old server of {} wrote no row",
            host.name
        );
        for marker in markers {
            ensure!(
                counted.get(marker.as_str()) == Some(&"1"),
                "{marker} stands {:?} times in staging",
                counted.get(marker.as_str())
            );
        }
    }
    Ok(())
}

fn started(engine: EngineKind) -> Result<Fleet> {
    let mut fleet = Fleet::start(&FleetSpec {
        nodes: 2,
        ..FleetSpec::new(engine)
    })?;
    fleet.upgrade.order = Order::CopyFirst;
    fleet.upgrade.more = "\n[downtime]\nmode = \"sync\"\n".to_owned();
    fleet.databases.sql_as_application(PRODUCTION, TABLES)?;
    fleet
        .plan()?
        .expect(0)?
        .says(&["sync: the upgrade file names it"])?;
    Ok(fleet)
}

fn online(engine: EngineKind) -> Result<()> {
    let mut fleet = started(engine)?;
    let run = fleet.apply_planned()?;
    let view = driven(&mut fleet, &run)?;
    for step in [
        "data.synchronise@carbon",
        "data.compare@carbon",
        "validate.backup@carbon",
    ] {
        ensure!(
            view.step(step)?.state == StepStateView::Succeeded,
            "{step} did not end well"
        );
    }
    every_row_arrived(&fleet)
}

#[test]
fn online_upgrade_on_mariadb_with_a_writer_loses_and_doubles_no_row() -> Result<()> {
    online(EngineKind::MariaDb)
}

#[test]
fn online_upgrade_on_postgres_with_a_writer_loses_and_doubles_no_row() -> Result<()> {
    online(EngineKind::Postgres)
}

fn coordinator_dies(engine: EngineKind, test: &str) -> Result<()> {
    if !can_crash(test)? {
        return Ok(());
    }
    let mut fleet = started(engine)?;
    let kinds = [
        "copy-database",
        "synchronise",
        "fence",
        "compare-databases",
        "migrate",
        "backup-database",
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
    let run = fleet.apply_planned()?;
    driven(&mut fleet, &run)?;
    ensure!(
        plan.unused().is_empty(),
        "these points never killed: {:?}",
        plan.unused()
    );
    every_row_arrived(&fleet)
}

#[test]
fn coordinator_that_dies_in_an_online_upgrade_on_mariadb_goes_on() -> Result<()> {
    coordinator_dies(
        EngineKind::MariaDb,
        "coordinator_that_dies_in_an_online_upgrade_on_mariadb_goes_on",
    )
}

#[test]
fn coordinator_that_dies_in_an_online_upgrade_on_postgres_goes_on() -> Result<()> {
    coordinator_dies(
        EngineKind::Postgres,
        "coordinator_that_dies_in_an_online_upgrade_on_postgres_goes_on",
    )
}
