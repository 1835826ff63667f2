//! The coordinator and an agent are killed while an operator's orders are carried out: an abort, a skip, a release, the
//! smoke tests. The end is the same as without.

use anyhow::{Context as _, Result, ensure};
use cutover_e2e::harness::crash::CrashPlan;
use cutover_e2e::harness::{EngineKind, Evidence, Fleet, Outcome, Phase as _};
use cutover_proto::view::{RunStateView, StepStateView};

use crate::crash::{LIMIT, UNDONE, all_killed, can_crash, planned, spec, upgrade_through};

/// Makes the coordinator die at points from now on.
fn arm(fleet: &mut Fleet, plan: &CrashPlan) -> Result<()> {
    plan.arm(&mut fleet.coordinator.service);
    fleet.coordinator.service.kill();
    fleet.tend()?;
    fleet.wait_connected()
}

/// A run whose new servers are all up is aborted, and the coordinator dies at each of the places of each kind.
fn abort_through(name: &str, engine: EngineKind, places: &[&str], kinds: &[&str]) -> Result<()> {
    if !can_crash(name)? {
        return Ok(());
    }
    let mut fleet = Fleet::start(&spec(engine))?;
    let before = Evidence::before(&fleet)?;
    let run = fleet.apply()?;
    let view = fleet.settle(&run, LIMIT)?;
    ensure!(
        view.state == RunStateView::WaitingForApproval,
        "{}",
        fleet.why(&view)
    );
    let root = fleet.root().join("crashed");
    let order = CrashPlan::of(&root, vec!["after-order:abort".to_owned()])?;
    let undo = CrashPlan::every(&root, places, kinds)?;
    let plan = CrashPlan::of(
        &root,
        order.points().chain(undo.points()).map(str::to_owned).collect(),
    )?;
    arm(&mut fleet, &plan)?;
    fleet.abort(&run, LIMIT)?;
    all_killed(&[plan])?;
    before.everything_is_back(&fleet)
}

/// What the coordinator takes back itself. A result of its own is recorded where its work ends: behind the effect.
const IN_DATABASES: [&str; 2] = ["migrate", "copy-database"];
const OF_ITS_OWN: [&str; 3] = ["undo-before-intent", "undo-after-intent", "undo-after-effect"];

#[test]
fn coordinator_at_every_undo_in_a_database() -> Result<()> {
    let name = "coordinator_at_every_undo_in_a_database";
    abort_through(name, EngineKind::MariaDb, &OF_ITS_OWN, &IN_DATABASES)
}

#[test]
fn coordinator_at_every_undo_in_a_postgres_database() -> Result<()> {
    let name = "coordinator_at_every_undo_in_a_postgres_database";
    abort_through(name, EngineKind::Postgres, &OF_ITS_OWN, &IN_DATABASES)
}

#[test]
fn coordinator_at_every_undo_on_a_node() -> Result<()> {
    let places = [
        "undo-before-intent",
        "undo-after-intent",
        "undo-before-result",
        "undo-after-result",
    ];
    let name = "coordinator_at_every_undo_on_a_node";
    abort_through(name, EngineKind::MariaDb, &places, &UNDONE)
}

/// The smoke tests leave nothing behind, whoever dies while they run.
#[test]
fn agent_and_coordinator_at_the_smoke_tests() -> Result<()> {
    if !can_crash("agent_and_coordinator_at_the_smoke_tests")? {
        return Ok(());
    }
    let mut fleet = planned(EngineKind::Postgres, cutover_e2e::harness::Order::Guide)?;
    let root = fleet.root().join("crashed");
    let agent = CrashPlan::every(
        &root.join("agent"),
        &["before-intent", "after-intent", "after-effect", "after-result"],
        &["smoke"],
    )?;
    let coordinator = CrashPlan::every(
        &root.join("coordinator"),
        &["before-intent", "after-intent", "before-result", "after-result"],
        &["smoke"],
    )?;
    let manager = fleet.hosts.first_mut().context("a host")?;
    agent.arm(&mut manager.service);
    manager.service.kill();
    arm(&mut fleet, &coordinator)?;
    upgrade_through(fleet, &[agent, coordinator])
}

/// A step that is left out stays left out, and the run ends.
#[test]
fn coordinator_at_a_skip() -> Result<()> {
    if !can_crash("coordinator_at_a_skip")? {
        return Ok(());
    }
    let mut fleet = Fleet::start(&spec(EngineKind::MariaDb))?;
    crate::faults::restart_old(&fleet, 0, "never_stops = true")?;
    let host = fleet.hosts.first().context("a host")?;
    let (on, old) = (format!("name={}", host.name), host.old.clone());
    let home = old.dir.display().to_string();
    let stop = [
        "--json", "do", "stop", "--on", &on, "--home", &home, "--grace", "1",
    ];
    let run = started(&fleet.cli.run(&stop)?.expect(0)?)?;
    let view = fleet.settle(&run, LIMIT)?;
    ensure!(view.state == RunStateView::Held, "{}", fleet.why(&view));
    let failed = view.failed();
    let step = failed.first().context("a failed step")?.id.to_string();
    let root = fleet.root().join("crashed");
    let plan = CrashPlan::of(&root, vec!["after-order:skip".to_owned()])?;
    arm(&mut fleet, &plan)?;
    let skip = [
        "skip",
        &run,
        "--step",
        &step,
        "--yes",
        "--reason",
        "ended by hand",
    ];
    // The proof that comes next fails as long as the server is there.
    let view = fleet.order(&run, &skip, LIMIT)?;
    all_killed(&[plan])?;
    ensure!(
        view.state == RunStateView::Held && view.step(&step)?.state == StepStateView::Skipped,
        "{}",
        fleet.why(&view)
    );
    crate::faults::end(&old)?;
    let view = fleet.order(&run, &["retry", &run], LIMIT)?;
    ensure!(view.state == RunStateView::Done, "{}", fleet.why(&view));
    let trail = fleet.cli.run(&["audit", "list"])?.expect(0)?;
    let skips = trail.out.matches("step.skipped").count();
    ensure!(skips == 1, "{skips} records of one skip: {}", trail.out);
    Ok(())
}

/// The run that a command says it started.
fn started(outcome: &Outcome) -> Result<String> {
    let started: serde_json::Value = serde_json::from_str(&outcome.out)?;
    let run = started.get("started").and_then(serde_json::Value::as_str);
    Ok(run
        .with_context(|| format!("no run in {}", outcome.out))?
        .to_owned())
}

/// `cutover do release` after `cutover do stop`: the server can be started again, whoever died on the way.
#[test]
fn agent_and_coordinator_at_a_release() -> Result<()> {
    if !can_crash("agent_and_coordinator_at_a_release")? {
        return Ok(());
    }
    let mut fleet = Fleet::start(&spec(EngineKind::MariaDb))?;
    let (name, old) = {
        let host = fleet.hosts.first().context("a host")?;
        (host.name.clone(), host.old.clone())
    };
    let (on, home) = (format!("name={name}"), old.dir.display().to_string());
    let stop = ["do", "stop", "--on", &on, "--home", &home, "--watch", "--plain"];
    fleet.cli.run(&stop)?.expect(0)?;
    ensure!(old.servers().is_empty(), "the server still runs");
    let root = fleet.root().join("crashed");
    let mut points: Vec<String> = ["before-intent", "after-intent", "after-effect", "after-result"]
        .map(|place| format!("{place}:release-hold"))
        .to_vec();
    points.push("guard-removed:release".to_owned());
    let agent = CrashPlan::of(&root.join("agent"), points)?;
    let coordinator = CrashPlan::every(
        &root.join("coordinator"),
        &["before-result", "after-result"],
        &["release-hold"],
    )?;
    let host = fleet.hosts.first_mut().context("a host")?;
    agent.arm(&mut host.service);
    host.service.kill();
    arm(&mut fleet, &coordinator)?;
    let release = ["--json", "do", "release", "--on", &on, "--home", &home];
    let run = started(&fleet.cli.run(&release)?.expect(0)?)?;
    let view = fleet.settle(&run, LIMIT)?;
    ensure!(
        view.state == RunStateView::Done,
        "the run is {:?}\n{}",
        view.state,
        fleet.logs()
    );
    all_killed(&[agent, coordinator])?;
    ensure!(old.servers().is_empty(), "nobody asked for the server");
    old.start(&fleet.java_home, Some(std::process::id()))
        .context("nothing holds the server any more")
}
