//! Upgrade files that must not become a plan: exit code, place, reason and remedy.

use anyhow::Result;
use cutover_e2e::harness::{
    EngineKind, Evidence, Fleet, FleetSpec, PLANTED, PRODUCTION, STAGING, UpgradeFile,
};

/// One fleet serves all: nothing of this may change it.
#[test]
fn files_that_must_not_become_a_plan() -> Result<()> {
    let mut fleet = Fleet::start(&FleetSpec {
        nodes: 1,
        ..FleetSpec::new(EngineKind::MariaDb)
    })?;
    let before = Evidence::before(&fleet)?;
    let good = fleet.upgrade.clone();
    type Spoil = fn(&mut UpgradeFile);
    let cases: [(&str, Spoil, i32, &[&str]); 8] = [
        (
            "unknown key",
            |file| file.more.push_str("colour = \"red\"\n"),
            2,
            &["dss.toml:", "colour"],
        ),
        (
            "staging equal to production",
            |file| file.staging = file.production.clone(),
            3,
            &["staging", "production"],
        ),
        (
            "staging of another engine",
            |file| file.staging = file.staging.replace("mysql://", "postgres://"),
            2,
            &["dss.toml:", "staging", "engine"],
        ),
        (
            "no such database",
            |file| file.staging.push_str("_nowhere"),
            3,
            &["wso2carbon_db_320_nowhere"],
        ),
        (
            "no such secret",
            |file| file.password = "file:/nowhere/db.pw".to_owned(),
            3,
            &["file:/nowhere/db.pw"],
        ),
        (
            "secret in the file",
            |file| file.password = format!("{PLANTED}typed-in"),
            2,
            &["dss.toml:", "reference to a secret"],
        ),
        (
            "another number of nodes",
            |file| file.expect = 5,
            2,
            &["expect", "1 nodes"],
        ),
        (
            "no such home",
            |file| file.old.push_str("-x"),
            3,
            &["dss-1", "wso2dss-3.0.1-x"],
        ),
    ];
    for (what, spoil, code, texts) in cases {
        fleet.upgrade = good.clone();
        spoil(&mut fleet.upgrade);
        let outcome = fleet.plan()?;
        anyhow::ensure!(
            !outcome.text().contains(PLANTED),
            "{what}: the secret is repeated: {}",
            outcome.text()
        );
        let outcome = anyhow::Context::with_context(outcome.expect(code), || what.to_owned())?;
        anyhow::Context::with_context(outcome.says(texts), || what.to_owned())?;
        anyhow::ensure!(
            !std::path::Path::new(&fleet.plan_file()).exists(),
            "{what}: a plan was written"
        );
    }
    before.production_is_as_it_was(&fleet)
}

#[test]
fn staging_that_is_not_empty() -> Result<()> {
    for engine in [EngineKind::MariaDb, EngineKind::Postgres] {
        let fleet = Fleet::start(&FleetSpec {
            nodes: 1,
            ..FleetSpec::new(engine)
        })?;
        fleet.databases.sql(
            STAGING,
            "CREATE TABLE LEFT_OVER (ID INTEGER); INSERT INTO LEFT_OVER VALUES (1)",
        )?;
        fleet.plan()?.expect(3)?.says(&[STAGING, "empty"])?;
        let kept = fleet
            .databases
            .number(STAGING, "SELECT COUNT(*) FROM LEFT_OVER")?;
        anyhow::ensure!(kept == 1, "what stood in staging is gone");
        anyhow::ensure!(
            !fleet.databases.tables(PRODUCTION)?.is_empty(),
            "production is empty"
        );
    }
    Ok(())
}

/// It was empty when the plan was made, and is not when it is applied.
#[test]
fn staging_that_is_not_empty_any_more() -> Result<()> {
    let mut fleet = Fleet::start(&FleetSpec {
        nodes: 1,
        ..FleetSpec::new(EngineKind::MariaDb)
    })?;
    let before = Evidence::before(&fleet)?;
    fleet.plan()?.expect(0)?;
    fleet
        .databases
        .sql(STAGING, "CREATE TABLE LEFT_OVER (ID INTEGER)")?;
    let outcome = fleet
        .cli
        .run(&["apply", &fleet.plan_file(), "--yes", "--watch", "--plain"])?;
    outcome
        .expect(1)?
        .says(&["preflight.verify@carbon", "empty", "retry"])?;
    anyhow::ensure!(
        fleet.databases.tables(STAGING)?.contains("LEFT_OVER"),
        "what stood in staging is gone"
    );
    fleet.abort("dss-prod", crate::support::LIMIT)?;
    fleet.databases.sql(STAGING, "DROP TABLE LEFT_OVER")?;
    before.everything_is_back(&fleet)
}
