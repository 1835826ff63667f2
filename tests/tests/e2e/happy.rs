//! Nothing goes wrong, and everything that must hold after an upgrade holds.

use anyhow::Result;
use cutover_e2e::harness::{EngineKind, Evidence, Fleet, FleetSpec, NewHomes, Order};

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
