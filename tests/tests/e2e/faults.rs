//! Things go wrong. Each says what, where, why and what next, and nothing is lost.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context as _, Result, ensure};
use cutover_e2e::harness::{
    EngineKind, Evidence, Fleet, FleetSpec, Home, PRODUCTION, Phase as _, STAGING, home_processes, wait,
};
use cutover_proto::report::ErrorCode;
use cutover_proto::view::{RunStateView, RunView};

use crate::support::LIMIT;

/// A fleet of `nodes` and what it was before.
fn fleet(engine: EngineKind, nodes: usize) -> Result<(Fleet, Evidence)> {
    let fleet = Fleet::start(&FleetSpec {
        nodes,
        ..FleetSpec::new(engine)
    })?;
    let before = Evidence::before(&fleet)?;
    Ok((fleet, before))
}

/// The run is held by this step with this code, and every part of the error says something.
pub(crate) fn held_by(view: &RunView, step: &str, code: ErrorCode) -> Result<()> {
    ensure!(
        view.state == RunStateView::Held,
        "the run is {:?}, not held",
        view.state
    );
    let failed = view.step(step)?;
    let error = failed
        .error
        .as_ref()
        .with_context(|| format!("{step} has no error: {view:?}"))?;
    ensure!(error.code == code, "{step} failed with {}: {error}", error.code);
    ensure!(
        !error.what.is_empty() && !error.why.is_empty() && !error.next.is_empty(),
        "{error:?}"
    );
    let waiting = view.waiting.as_ref().context("it does not say why it waits")?;
    ensure!(
        waiting
            .commands
            .iter()
            .any(|command| command.contains("cutover retry")),
        "{waiting:?}"
    );
    ensure!(
        waiting
            .commands
            .iter()
            .any(|command| command.contains("cutover abort")),
        "{waiting:?}"
    );
    Ok(())
}

/// `cutover watch` ends at once with the documented code, and says the texts.
fn watched(fleet: &Fleet, run: &str, code: i32, texts: &[&str]) -> Result<()> {
    fleet
        .cli
        .run(&["watch", run, "--plain"])?
        .expect(code)?
        .says(texts)
        .map(drop)
}

fn foreign_session_stops_the_run(engine: EngineKind) -> Result<()> {
    let (mut fleet, before) = fleet(engine, 3)?;
    let session = fleet.databases.foreign_session(PRODUCTION, &fleet.secrets)?;
    let run = fleet.apply()?;
    let view = fleet.settle(&run, LIMIT)?;
    held_by(&view, "quiesce.prove-alone@carbon", ErrorCode::ForeignSessions)?;
    watched(&fleet, &run, 1, &["127.0.0.1", "dss", "retry"])?;
    let migrated = fleet.databases.tables(PRODUCTION)?.contains("UM_DOMAIN");
    ensure!(
        !migrated && fleet.databases.tables(STAGING)?.is_empty(),
        "a statement ran"
    );
    drop(session);
    fleet.cli.run(&["retry", &run])?.expect(0)?;
    let view = fleet.finish(&run, LIMIT)?;
    before.upgraded(&fleet, &view)
}

#[test]
fn foreign_session_on_mariadb() -> Result<()> {
    foreign_session_stops_the_run(EngineKind::MariaDb)
}

#[test]
fn foreign_session_on_postgres() -> Result<()> {
    foreign_session_stops_the_run(EngineKind::Postgres)
}

#[test]
fn stop_that_never_ends() -> Result<()> {
    let mut fleet = Fleet::start(&FleetSpec {
        nodes: 2,
        ..FleetSpec::new(EngineKind::MariaDb)
    })?;
    restart_old(&fleet, 1, "never_stops = true")?;
    let before = Evidence::before(&fleet)?;
    let hung = fleet.hosts.get(1).context("two hosts")?.old.clone();
    fleet.upgrade.stop_grace = 2;
    let run = fleet.apply()?;
    let view = fleet.settle(&run, LIMIT)?;
    held_by(&view, "quiesce.stop@dss-2", ErrorCode::StillRunning)?;
    watched(&fleet, &run, 1, &["dss-2", "wso2dss-3.0.1"])?;
    ensure!(
        hung.servers().len() == 1,
        "the server was killed although the upgrade file does not say so"
    );
    // Someone ends it by hand; the rest of the upgrade can go back.
    end(&hung)?;
    fleet.abort(&run, LIMIT)?;
    before.everything_is_back(&fleet)
}

/// The upgrade file may say that such a server is killed.
#[test]
fn stop_that_never_ends_and_may_be_killed() -> Result<()> {
    let mut fleet = Fleet::start(&FleetSpec {
        nodes: 1,
        ..FleetSpec::new(EngineKind::MariaDb)
    })?;
    restart_old(&fleet, 0, "never_stops = true")?;
    let before = Evidence::before(&fleet)?;
    fleet.upgrade.stop_grace = 1;
    fleet.upgrade.stop_kill = true;
    let run = fleet.apply()?;
    let view = fleet.finish(&run, LIMIT)?;
    before.upgraded(&fleet, &view)
}

#[test]
fn start_that_never_gets_ready() -> Result<()> {
    let (mut fleet, before) = {
        let fleet = Fleet::start(&FleetSpec {
            nodes: 2,
            ..FleetSpec::new(EngineKind::MariaDb)
        })?;
        for host in &fleet.hosts {
            host.new.wart("never_ready = true")?;
        }
        let before = Evidence::before(&fleet)?;
        (fleet, before)
    };
    fleet.upgrade.start_timeout = 5;
    let run = fleet.apply()?;
    let view = fleet.settle(&run, LIMIT)?;
    held_by(&view, "cutover.ready@dss-1", ErrorCode::NotReady)?;
    watched(&fleet, &run, 1, &["dss-1", "wso2dss-3.2.0"])?;
    // In the guide's order production is migrated by now: abort restores it.
    fleet.abort(&run, LIMIT)?;
    before.everything_is_back(&fleet)
}

fn abort_after_everything(engine: EngineKind) -> Result<()> {
    let (mut fleet, before) = fleet(engine, 2)?;
    let run = fleet.apply()?;
    let view = fleet.settle(&run, LIMIT)?;
    ensure!(
        view.state == RunStateView::WaitingForApproval,
        "the run is {:?}",
        view.state
    );
    ensure!(
        fleet.hosts.iter().all(|host| host.new.is_serving()),
        "a new server is not up"
    );
    fleet.abort(&run, LIMIT)?;
    before.everything_is_back(&fleet)?;
    // Nothing of the first run stands in the way of a second one.
    let run = fleet.apply()?;
    let view = fleet.finish(&run, LIMIT)?;
    before.upgraded(&fleet, &view)
}

#[test]
fn abort_with_every_new_server_up_and_again_on_mariadb() -> Result<()> {
    abort_after_everything(EngineKind::MariaDb)
}

#[test]
fn abort_with_every_new_server_up_and_again_on_postgres() -> Result<()> {
    abort_after_everything(EngineKind::Postgres)
}

#[test]
fn stale_pid_file_that_names_a_foreign_process() -> Result<()> {
    let (mut fleet, before) = fleet(EngineKind::MariaDb, 1)?;
    let mut foreign = std::process::Command::new("sleep").arg("600").spawn()?;
    let host = fleet.hosts.first().context("a host")?;
    let mut file = foreign.id().to_string().into_bytes();
    file.resize(100, 0);
    fs::write(host.old.file("wso2carbon.pid"), &file)?;
    fs::write(host.new.file("wso2carbon.pid"), &file)?;
    let run = fleet.apply()?;
    let view = fleet.finish(&run, LIMIT);
    let alive = foreign.try_wait()?.is_none();
    foreign.kill()?;
    foreign.wait()?;
    ensure!(alive, "the process that the pid file names was ended");
    before.upgraded(&fleet, &view?)
}

#[test]
fn distribution_with_a_wrong_hash() -> Result<()> {
    let spec = FleetSpec {
        nodes: 1,
        new_homes: cutover_e2e::harness::NewHomes::Distribution,
        ..FleetSpec::new(EngineKind::MariaDb)
    };
    let mut fleet = Fleet::start(&spec)?;
    let before = Evidence::before(&fleet)?;
    let (name, _) = fleet.upgrade.distribution.clone().context("a distribution")?;
    let wrong = "0".repeat(64);
    fleet.upgrade.distribution = Some((name.clone(), wrong));
    fleet
        .plan()?
        .expect(3)?
        .says(&[&name, "SHA-256", "home.distribution.sha256"])?;
    before.everything_is_back(&fleet)
}

#[test]
fn full_disk_during_a_backup() -> Result<()> {
    let (mut fleet, before) = fleet(EngineKind::MariaDb, 2)?;
    let host = fleet.hosts.get(1).context("two hosts")?;
    let Some(_disk) = SmallDisk::mount(&host.backups())? else {
        return Ok(());
    };
    // Enough that the plan sees nothing, and gone before the backup comes.
    let run = fleet.apply()?;
    let view = fleet.settle(&run, LIMIT)?;
    held_by(&view, "backup.home@dss-2", ErrorCode::DiskFull)?;
    watched(&fleet, &run, 1, &["dss-2"])?;
    fleet.abort(&run, LIMIT)?;
    before.everything_is_back(&fleet)
}

#[test]
fn script_that_fails_at_statement_7() -> Result<()> {
    for engine in [EngineKind::MariaDb, EngineKind::Postgres] {
        let (mut fleet, before) = fleet(engine, 1)?;
        let script = "CREATE TABLE UM_DOMAIN (UM_DOMAIN_ID INTEGER);\n".to_owned()
            + &(2..7)
                .map(|n| format!("CREATE TABLE UM_EXTRA_{n} (ID INTEGER);\n"))
                .collect::<String>()
            + "INSERT INTO UM_NO_SUCH_TABLE VALUES (7);\nCREATE TABLE UM_EXTRA_8 (ID INTEGER);\n";
        fs::write(fleet.desk().join("broken.sql"), script)?;
        fleet.upgrade.scripts = vec!["broken.sql".into()];
        let run = fleet.apply()?;
        let view = fleet.settle(&run, LIMIT)?;
        held_by(&view, "data.migrate@carbon", ErrorCode::ScriptFailed)?;
        watched(&fleet, &run, 1, &["broken.sql", "statement 7", "line 7"])?;
        let tables = fleet.databases.tables(PRODUCTION)?;
        ensure!(
            !tables.contains("UM_EXTRA_8"),
            "a statement ran behind the one that failed"
        );
        fleet.abort(&run, LIMIT)?;
        before
            .everything_is_back(&fleet)
            .with_context(|| format!("on {engine}"))?;
    }
    Ok(())
}

#[test]
fn node_that_never_answers() -> Result<()> {
    let spec = FleetSpec {
        nodes: 2,
        coordinator: "heartbeat_secs = 1\nnode_grace_secs = 10\n".to_owned(),
        ..FleetSpec::new(EngineKind::MariaDb)
    };
    let mut fleet = Fleet::start(&spec)?;
    let before = Evidence::before(&fleet)?;
    let run_file = fleet.plan()?.expect(0)?;
    drop(run_file);
    fleet.hosts.get(1).context("two hosts")?.service.freeze();
    let outcome = fleet
        .cli
        .run(&["--json", "apply", &fleet.plan_file(), "--yes"])?
        .expect(0)?;
    let started: serde_json::Value = serde_json::from_str(&outcome.out)?;
    let run = started
        .get("started")
        .and_then(|run| run.as_str())
        .context("a run")?
        .to_owned();
    let view = fleet.settle(&run, LIMIT)?;
    held_by(&view, "preflight.inspect@dss-2", ErrorCode::NodeUnreachable)?;
    watched(&fleet, &run, 1, &["dss-2", "cutover-agent"])?;
    // No plan without it either.
    fleet.plan()?.expect(3)?.says(&["dss-2", "cutover-agent"])?;
    fleet.hosts.get(1).context("two hosts")?.service.thaw();
    fleet.wait_connected()?;
    // An answer that comes late all the same lets the run go on by itself; then there is nothing to be tried again.
    let retried = fleet.cli.run(&["retry", &run])?;
    ensure!(
        retried.code == 0 || retried.text().contains("no step has failed"),
        "{}",
        retried.text()
    );
    let view = fleet.finish(&run, LIMIT)?;
    before.upgraded(&fleet, &view)
}

pub(crate) fn restart_old(fleet: &Fleet, host: usize, wart: &str) -> Result<()> {
    let host = fleet.hosts.get(host).context("a host")?;
    end(&host.old)?;
    host.old.wart(wart)?;
    host.old.start(&fleet.java_home, Some(std::process::id()))
}

/// Kills a home's servers and waits until neither they nor the scripts that started them are left: `ps`, which the
/// start script asks, shows a process until its parent has taken note of its end.
pub(crate) fn end(home: &Home) -> Result<()> {
    let pids = home.servers();
    pids.iter().copied().for_each(kill);
    let gone = |pid: &u32| !std::path::Path::new(&format!("/proc/{pid}")).exists();
    wait("the end of the server", LIMIT, || {
        pids.iter().all(gone) && home_processes(&home.dir).is_empty()
    })
}

fn kill(pid: u32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid.cast_signed()) {
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
    }
}

/// A file system of its own that is nearly full.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    /// Nothing when this machine does not let us mount one; that is said.
    fn mount(at: &std::path::Path) -> Result<Option<Self>> {
        fs::create_dir_all(at)?;
        fs::set_permissions(at, fs::Permissions::from_mode(0o700))?;
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
            .arg(at)
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            crate::support::skipped(
                "full_disk_during_a_backup",
                "no small file system can be mounted here",
            );
            return Ok(None);
        }
        Ok(Some(Self(at.to_owned())))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        std::process::Command::new("umount")
            .arg("-l")
            .arg(&self.0)
            .status()
            .ok();
    }
}
