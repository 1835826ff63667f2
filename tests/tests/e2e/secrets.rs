//! A password planted in the upgrade file's references is found nowhere: no log, plan, event, audit record,
//! ledger, process list, output or error.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, ensure};
use cutover_e2e::harness::{EngineKind, Fleet, FleetSpec, NewHomes, PLANTED, PRODUCTION};

use crate::support::LIMIT;

fn upgrade_and_look(engine: EngineKind) -> Result<()> {
    let spec = FleetSpec {
        nodes: 2,
        new_homes: NewHomes::Distribution,
        ..FleetSpec::new(engine)
    };
    let mut fleet = Fleet::start(&spec)?;
    let watch = ProcessWatch::start();
    // A run that fails in a database and is taken back, and one that goes through.
    let session = fleet.databases.foreign_session(PRODUCTION, &fleet.secrets)?;
    let run = fleet.apply()?;
    fleet.settle(&run, LIMIT)?;
    drop(session);
    fleet.abort(&run, LIMIT)?;
    let run = fleet.apply()?;
    fleet.finish(&run, LIMIT)?;
    let seen = watch.end()?;
    ensure!(
        seen.is_empty(),
        "a planted password stood in the process list: {seen:?}"
    );
    let export = fleet.desk().join("audit.jsonl").display().to_string();
    fleet.cli.run(&["audit", "export", "--out", &export])?.expect(0)?;
    for args in [
        &["status", &run][..],
        &["--json", "status", &run],
        &["audit", "list"],
        &["node", "facts", "dss-1"],
        &["--json", "node", "facts", "dss-2"],
        &["show", &fleet.plan_file()],
    ] {
        let outcome = fleet.cli.run(args)?.expect(0)?;
        ensure!(
            !outcome.text().contains(PLANTED),
            "`{}` shows a planted password",
            outcome.command
        );
    }
    fleet.no_secret_anywhere()?;
    // The search finds what is there.
    let datasources = fleet
        .hosts
        .first()
        .context("a host")?
        .new
        .file("repository/conf/datasources/master-datasources.xml");
    ensure!(
        std::fs::read_to_string(&datasources)?.contains(PLANTED),
        "the new home has no password"
    );
    std::fs::copy(&datasources, fleet.desk().join("copy.xml"))?;
    ensure!(
        fleet.no_secret_anywhere().is_err(),
        "the search found nothing where something was planted"
    );
    Ok(())
}

#[test]
fn none_is_found_on_mariadb() -> Result<()> {
    upgrade_and_look(EngineKind::MariaDb)
}

#[test]
fn none_is_found_on_postgres() -> Result<()> {
    upgrade_and_look(EngineKind::Postgres)
}

/// Looks at every process' arguments all the time: dump tools live for a moment only.
struct ProcessWatch {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Vec<String>>,
}

impl ProcessWatch {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut seen = Vec::new();
            while !ended.load(Ordering::Relaxed) {
                for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
                    let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                    let line = String::from_utf8_lossy(&line).replace('\0', " ");
                    if line.contains(PLANTED) {
                        seen.push(line);
                    }
                }
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            seen
        });
        Self { stop, thread }
    }

    fn end(self) -> Result<Vec<String>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| anyhow::anyhow!("the watch of processes ended early"))
    }
}
