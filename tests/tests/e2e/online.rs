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

/// What reaches production last, right before the downtime begins: a tenant with a role, whose domains and whose
/// permission's domain only a migration makes.
const LATE: &str = "INSERT INTO UM_TENANT (UM_ID, UM_DOMAIN_NAME, UM_ACTIVE, UM_CREATED_DATE) \
       VALUES (77, 'late.example.com', TRUE, '2026-01-01 00:00:00'); \
     INSERT INTO UM_PERMISSION (UM_ID, UM_RESOURCE_ID, UM_ACTION, UM_TENANT_ID) VALUES (7700, '/late', 'read', 77); \
     INSERT INTO UM_ROLE_PERMISSION (UM_ID, UM_PERMISSION_ID, UM_ROLE_NAME, UM_IS_ALLOWED, UM_TENANT_ID) \
       VALUES (7700, 7700, 'late', 1, 77); \
     INSERT INTO HAMMER_PARENT VALUES (1000000, 'late');";
/// Where ids come from sequences, these are as if they had given the late ones.
const LATE_SEQUENCES: &str = "SELECT setval('um_tenant_pk_seq', 77); SELECT setval('um_permission_pk_seq', 7700); \
     SELECT setval('um_role_permission_pk_seq', 7700);";

/// Drives a run to the approval that begins the downtime, hammering all the while, then to its end.
fn driven(fleet: &mut Fleet, run: &str) -> Result<RunView> {
    approved(fleet, run)?;
    fleet.finish(run, LIMIT)
}

/// Hammers until a run waits for the approval that begins the downtime, writes the last rows, and approves.
fn approved(fleet: &mut Fleet, run: &str) -> Result<()> {
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
    fleet.databases.sql_as_application(PRODUCTION, LATE)?;
    if kind == EngineKind::Postgres {
        fleet.databases.sql_as_application(PRODUCTION, LATE_SEQUENCES)?;
    }
    fleet
        .cli
        .run(&["approve", run, "--reason", "downtime begins"])?
        .expect(0)
        .map(drop)
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
    let domains = fleet.databases.sql(
        STAGING,
        "SELECT COUNT(*) FROM UM_DOMAIN WHERE UM_TENANT_ID = 77; \
         SELECT D.UM_DOMAIN_NAME FROM UM_ROLE_PERMISSION P JOIN UM_DOMAIN D ON D.UM_DOMAIN_ID = P.UM_DOMAIN_ID \
           AND D.UM_TENANT_ID = P.UM_TENANT_ID WHERE P.UM_ID = 7700",
    )?;
    ensure!(
        domains.split_whitespace().collect::<Vec<_>>() == ["3", "PRIMARY"],
        "the late tenant has {domains:?}"
    );
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

fn started(engine: EngineKind, mode: &str) -> Result<Fleet> {
    let mut fleet = Fleet::start(&FleetSpec {
        nodes: 2,
        ..FleetSpec::new(engine)
    })?;
    fleet.upgrade.order = Order::CopyFirst;
    fleet.upgrade.more = format!("\n[downtime]\nmode = \"{mode}\"\n");
    fleet.databases.sql_as_application(PRODUCTION, TABLES)?;
    fleet
        .plan()?
        .expect(0)?
        .says(&[&format!("{mode}: the upgrade file names it")])?;
    Ok(fleet)
}

fn online(engine: EngineKind, mode: &str, last: &str) -> Result<()> {
    let mut fleet = started(engine, mode)?;
    let run = fleet.apply_planned()?;
    let view = driven(&mut fleet, &run)?;
    for step in [last, "data.compare@carbon", "validate.backup@carbon"] {
        ensure!(
            view.step(step)?.state == StepStateView::Succeeded,
            "{step} did not end well"
        );
    }
    every_row_arrived(&fleet)
}

#[test]
fn online_upgrade_on_mariadb_with_a_writer_loses_and_doubles_no_row() -> Result<()> {
    online(EngineKind::MariaDb, "sync", "data.synchronise@carbon")
}

#[test]
fn online_upgrade_on_postgres_with_a_writer_loses_and_doubles_no_row() -> Result<()> {
    online(EngineKind::Postgres, "sync", "data.synchronise@carbon")
}

#[test]
fn migrated_first_on_mariadb_with_a_writer_loses_and_doubles_no_row() -> Result<()> {
    online(EngineKind::MariaDb, "delta", "data.delta@carbon")
}

#[test]
fn migrated_first_on_postgres_with_a_writer_loses_and_doubles_no_row() -> Result<()> {
    online(EngineKind::Postgres, "delta", "data.delta@carbon")
}

#[test]
fn row_that_the_migrated_staging_refuses_holds_the_run_and_is_shown_until_it_goes_in() -> Result<()> {
    let mut fleet = started(EngineKind::MariaDb, "delta")?;
    // The migration makes a rule that a later row breaks.
    let script = fleet.desk().join("migration.sql");
    let text = std::fs::read_to_string(&script)?;
    let rule = "ALTER TABLE HAMMER_PARENT ADD CONSTRAINT NOT_LATE CHECK (V <> 'late');";
    std::fs::write(&script, format!("{text}\n{rule}\n"))?;
    fleet.plan()?.expect(0)?;
    let run = fleet.apply_planned()?;
    approved(&mut fleet, &run)?;
    let held = fleet.settle(&run, LIMIT)?;
    ensure!(held.state == RunStateView::Held, "{:?}", held.state);
    let step = held.step("quiesce.delta@carbon")?;
    let error = step.error.as_ref().context("an error")?.to_string();
    ensure!(
        step.state == StepStateView::Failed
            && error.contains("1 of `HAMMER_PARENT`")
            && !error.contains("1000000"),
        "{error}"
    );
    ensure!(
        fleet.hosts.iter().all(|host| host.old.is_serving()),
        "a server was stopped for what was known to fail"
    );
    fleet.cli.run(&["dead-letters", &run])?.expect(1)?.says(&[
        "HAMMER_PARENT (1000000)",
        "NOT_LATE",
        "\"late\"",
    ])?;
    fleet
        .databases
        .sql(STAGING, "ALTER TABLE HAMMER_PARENT DROP CONSTRAINT NOT_LATE")?;
    fleet.cli.run(&["retry", &run])?.expect(0)?;
    fleet.finish(&run, LIMIT)?;
    every_row_arrived(&fleet)
}

/// A delta brings rows over. A view that came later would be missing in the migrated staging.
#[test]
fn definition_that_changes_in_production_after_the_copy_holds_the_run() -> Result<()> {
    for engine in [EngineKind::MariaDb, EngineKind::Postgres] {
        let mut fleet = started(engine, "delta")?;
        let run = fleet.apply_planned()?;
        let waiting = fleet.settle(&run, LIMIT)?;
        ensure!(
            waiting.state == RunStateView::WaitingForApproval,
            "{:?}",
            waiting.state
        );
        let view = "CREATE VIEW late_view AS SELECT ID FROM HAMMER_PARENT";
        fleet.databases.sql_as_application(PRODUCTION, view)?;
        let approve = ["approve", &run, "--reason", "downtime begins"];
        let held = fleet.order(&run, &approve, LIMIT)?;
        ensure!(held.state == RunStateView::Held, "{:?}", held.state);
        let step = held.step("quiesce.delta@carbon")?;
        let error = step.error.as_ref().context("an error")?.to_string();
        ensure!(
            error.to_lowercase().contains("late_view") && error.contains("is new"),
            "{error}"
        );
        ensure!(
            fleet.hosts.iter().all(|host| host.old.is_serving()),
            "a server was stopped for what was known to fail"
        );
        fleet
            .databases
            .sql_as_application(PRODUCTION, "DROP VIEW late_view")?;
        fleet.cli.run(&["retry", &run])?.expect(0)?;
        fleet.finish(&run, LIMIT)?;
    }
    Ok(())
}

fn coordinator_dies(engine: EngineKind, mode: &str, kinds: &[&str], test: &str) -> Result<()> {
    if !can_crash(test)? {
        return Ok(());
    }
    let mut fleet = started(engine, mode)?;
    let plan = CrashPlan::every(
        &fleet.root().join("crashed"),
        &["after-intent", "after-effect"],
        kinds,
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

const IN_STEP: [&str; 6] = [
    "copy-database",
    "synchronise",
    "fence",
    "compare-databases",
    "migrate",
    "backup-database",
];
const MIGRATED_FIRST: [&str; 4] = ["capture-manifest", "migrate", "bring-delta", "compare-migrated"];

#[test]
fn coordinator_that_dies_in_an_online_upgrade_on_mariadb_goes_on() -> Result<()> {
    coordinator_dies(
        EngineKind::MariaDb,
        "sync",
        &IN_STEP,
        "coordinator_that_dies_in_an_online_upgrade_on_mariadb_goes_on",
    )
}

#[test]
fn coordinator_that_dies_in_an_online_upgrade_on_postgres_goes_on() -> Result<()> {
    coordinator_dies(
        EngineKind::Postgres,
        "sync",
        &IN_STEP,
        "coordinator_that_dies_in_an_online_upgrade_on_postgres_goes_on",
    )
}

#[test]
fn coordinator_that_dies_when_migrating_first_on_mariadb_goes_on() -> Result<()> {
    coordinator_dies(
        EngineKind::MariaDb,
        "delta",
        &MIGRATED_FIRST,
        "coordinator_that_dies_when_migrating_first_on_mariadb_goes_on",
    )
}

#[test]
fn coordinator_that_dies_when_migrating_first_on_postgres_goes_on() -> Result<()> {
    coordinator_dies(
        EngineKind::Postgres,
        "delta",
        &MIGRATED_FIRST,
        "coordinator_that_dies_when_migrating_first_on_postgres_goes_on",
    )
}
