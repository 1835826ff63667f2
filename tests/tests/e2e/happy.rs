//! Nothing goes wrong, and everything that must hold after an upgrade holds.

use anyhow::{Result, ensure};
use cutover_e2e::harness::{Account, EngineKind, Evidence, Fleet, FleetSpec, Hop, NewHomes, Order};

use crate::support::{LIMIT, corpus};

fn upgrade(spec: &FleetSpec, order: Order) -> Result<()> {
    let mut fleet = Fleet::start(spec)?;
    fleet.upgrade.order = order;
    let before = Evidence::before(&fleet)?;
    let run = fleet.apply()?;
    let view = fleet.finish(&run, LIMIT)?;
    before.upgraded(&fleet, &view)
}

#[test]
fn mariadb_in_the_guides_order() -> Result<()> {
    upgrade(&FleetSpec::new(EngineKind::MariaDb), Order::Guide)
}

#[test]
fn mariadb_copied_first() -> Result<()> {
    upgrade(&FleetSpec::new(EngineKind::MariaDb), Order::CopyFirst)
}

#[test]
fn postgres_in_the_guides_order() -> Result<()> {
    upgrade(&FleetSpec::new(EngineKind::Postgres), Order::Guide)
}

#[test]
fn postgres_copied_first() -> Result<()> {
    upgrade(
        &FleetSpec {
            new_homes: NewHomes::Distribution,
            ..FleetSpec::new(EngineKind::Postgres)
        },
        Order::CopyFirst,
    )
}

/// The real stock files of both kernels, the real tables and WSO2's own script.
#[test]
fn mariadb_with_real_stock_files() -> Result<()> {
    let Some(corpus) = corpus("mariadb_with_real_stock_files") else {
        return Ok(());
    };
    let spec = FleetSpec {
        schema: Some(corpus.join("carbon-4.1.0/dbscripts/mysql.sql")),
        script: Some(corpus.join("migration/4.1.0-4.2.0/mysql/migration.sql")),
        corpus: Some(corpus),
        ..FleetSpec::new(EngineKind::MariaDb)
    };
    upgrade(&spec, Order::Guide)
}

/// Cutover uses the servers' own account, with the rights that docs/operations.md asks for and no more.
#[test]
fn mariadb_with_the_servers_own_account() -> Result<()> {
    upgrade(
        &FleetSpec {
            nodes: 2,
            account: Account::Application,
            ..FleetSpec::new(EngineKind::MariaDb)
        },
        Order::Guide,
    )
}

#[test]
fn postgres_with_the_servers_own_account() -> Result<()> {
    upgrade(
        &FleetSpec {
            nodes: 2,
            account: Account::Application,
            ..FleetSpec::new(EngineKind::Postgres)
        },
        Order::Guide,
    )
}

/// Staging lies on a database server of its own.
#[test]
fn mariadb_on_two_servers() -> Result<()> {
    upgrade(
        &FleetSpec {
            two_servers: true,
            ..FleetSpec::of(Hop::DSS, EngineKind::MariaDb)
        },
        Order::Guide,
    )
}

#[test]
fn postgres_on_two_servers() -> Result<()> {
    upgrade(
        &FleetSpec {
            two_servers: true,
            ..FleetSpec::of(Hop::DSS, EngineKind::Postgres)
        },
        Order::CopyFirst,
    )
}

/// A Data Services Server 3.1.0 has the schema of Carbon 4.2.0: no script runs, and the plan says why.
#[test]
fn production_that_has_the_new_schema_already() -> Result<()> {
    for engine in [EngineKind::MariaDb, EngineKind::Postgres] {
        let mut fleet = Fleet::start(&FleetSpec {
            nodes: 1,
            migrated: true,
            ..FleetSpec::new(engine)
        })?;
        let before = Evidence::before(&fleet)?;
        fleet
            .plan()?
            .expect(0)?
            .says(&["No migration script runs", "4.2.0"])?;
        let run = fleet.apply()?;
        let view = fleet.finish(&run, LIMIT)?;
        let migrated = view
            .phases
            .iter()
            .flat_map(|phase| &phase.steps)
            .any(|step| step.id.to_string().contains("migrate"));
        ensure!(!migrated, "a script ran on {engine}");
        before.production_is_as_it_was(&fleet)?;
        before.upgraded(&fleet, &view)?;
    }
    Ok(())
}
