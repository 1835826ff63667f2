//! Backups of databases outlive their run: listed, proven again, restored into another database.

use anyhow::{Context as _, Result, ensure};
use cutover_e2e::harness::{EngineKind, Fleet, FleetSpec, Order, PRODUCTION};
use cutover_proto::view::BackupView;

use crate::support::LIMIT;

fn used_again(engine: EngineKind) -> Result<()> {
    const LOOK: &str = "cutover_look";
    let mut fleet = Fleet::start(&FleetSpec {
        nodes: 1,
        ..FleetSpec::new(engine)
    })?;
    fleet.upgrade.order = Order::CopyFirst;
    let run = fleet.apply()?;
    fleet.finish(&run, LIMIT)?;
    let list = fleet.cli.run(&["--json", "backup", "list"])?.expect(0)?;
    let list: Vec<BackupView> = serde_json::from_str(&list.out)?;
    let [backup] = list.as_slice() else {
        anyhow::bail!("one backup, not {list:?}");
    };
    ensure!(
        backup.id == format!("{run}/carbon") && backup.database == PRODUCTION && backup.problem.is_empty(),
        "{backup:?}"
    );
    fleet
        .cli
        .run(&["backup", "verify", "dss-prod/carbon"])?
        .expect(0)?
        .says(&["proven"])?;
    fleet.databases.sql("", &format!("CREATE DATABASE {LOOK}"))?;
    let url = fleet.databases.url(LOOK);
    let password = fleet.secrets.reference("dba");
    let restore = |confirm: &str| {
        fleet.cli.run(&[
            "backup",
            "restore",
            "dss-prod/carbon",
            "--into",
            &url,
            "--password",
            &password,
            "--confirm",
            confirm,
            "--reason",
            "INC-7",
        ])
    };
    restore("another")?.expect(2)?.says(&["nothing was restored"])?;
    restore(LOOK)?.expect(0)?.says(&["restored"])?;
    ensure!(
        fleet.databases.rows(LOOK)? == fleet.databases.rows(PRODUCTION)?,
        "what was restored is not what production holds"
    );
    // It is not empty any more.
    restore(LOOK)?.expect(3)?;
    let file = std::path::Path::new(&backup.file);
    let mut bytes = std::fs::read(file)?;
    let middle = bytes.len() / 2;
    *bytes.get_mut(middle).context("a byte")? ^= 1;
    std::fs::write(file, bytes)?;
    let refused = fleet.cli.run(&["backup", "verify", "dss-prod/carbon"])?;
    ensure!(
        refused.code != 0,
        "a backup with a flipped byte is taken for good"
    );
    let trail = fleet.cli.run(&["audit", "list"])?.expect(0)?;
    ensure!(
        ["backup.verified", "backup.restored"]
            .iter()
            .all(|action| trail.out.contains(action)),
        "the trail does not tell of it"
    );
    Ok(())
}

#[test]
fn backup_on_mariadb_is_proven_again_and_restored_elsewhere() -> Result<()> {
    used_again(EngineKind::MariaDb)
}

#[test]
fn backup_on_postgres_is_proven_again_and_restored_elsewhere() -> Result<()> {
    used_again(EngineKind::Postgres)
}
