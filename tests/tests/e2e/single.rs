//! `cutover do`: single actions on chosen nodes, with the journal and the audit trail of an upgrade.

use anyhow::{Context as _, Result, ensure};
use cutover_e2e::harness::{EngineKind, Fleet, FleetSpec};

#[test]
fn stop_holds_until_start_and_backup_leaves_an_archive() -> Result<()> {
    let fleet = Fleet::start(&FleetSpec {
        nodes: 2,
        ..FleetSpec::new(EngineKind::MariaDb)
    })?;
    let [first, second] = fleet.hosts.as_slice() else {
        anyhow::bail!("two hosts")
    };
    let home = first.old.dir.display().to_string();
    let run = |action: &str, code: i32| -> Result<()> {
        let args = [
            "do",
            action,
            "--on",
            "name=dss-1",
            "--home",
            &home,
            "--watch",
            "--plain",
        ];
        fleet
            .cli
            .run(&args)?
            .expect(code)
            .map(drop)
            .with_context(|| fleet.logs())
    };
    run("inspect", 0)?;
    run("backup", 0)?;
    let archives = std::fs::read_dir(first.backups())?
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|e| e == "zst"));
    ensure!(archives.count() == 1, "there is no archive");
    run("stop", 0)?;
    ensure!(first.old.servers().is_empty(), "the server still runs");
    ensure!(second.old.is_serving(), "the other node's server does not serve");
    // Held: its own script does not bring it back.
    ensure!(
        first.old.start(&fleet.java_home, None).is_err() && first.old.servers().is_empty(),
        "the hold does not hold"
    );
    run("start", 0)?;
    ensure!(first.old.is_serving(), "the server does not serve");
    let trail = fleet.cli.run(&["audit", "list", "--node", "dss-1"])?.expect(0)?;
    for action in ["inspect", "backup-home", "stop-server", "start-server"] {
        ensure!(
            trail.out.contains(action),
            "no {action} in the trail: {}",
            trail.out
        );
    }
    Ok(())
}

/// A changed record and a missing one are found without the coordinator.
#[test]
fn audit_export_that_was_changed_is_found_out() -> Result<()> {
    let fleet = Fleet::start(&FleetSpec {
        nodes: 1,
        ..FleetSpec::new(EngineKind::MariaDb)
    })?;
    let export = fleet.desk().join("audit.jsonl");
    let path = export.display().to_string();
    fleet.cli.run(&["audit", "export", "--out", &path])?.expect(0)?;
    fleet.cli.run(&["audit", "verify", &path])?.expect(0)?;
    let text = std::fs::read_to_string(&export)?;
    let lines: Vec<&str> = text.lines().collect();
    ensure!(lines.len() > 3, "only {} records", lines.len());
    std::fs::write(&export, text.replacen("dss-1", "dss-9", 1))?;
    fleet
        .cli
        .run(&["audit", "verify", &path])?
        .expect(1)?
        .says(&["record"])?;
    let shorter: Vec<&str> = lines
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != 1)
        .map(|(_, line)| *line)
        .collect();
    std::fs::write(&export, shorter.join("\n"))?;
    fleet
        .cli
        .run(&["audit", "verify", &path])?
        .expect(1)?
        .says(&["record"])
        .map(drop)
}
