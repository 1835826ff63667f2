//! Every guide, in the order of its page and copied first, on both engines: what staging holds in the end is what a
//! fresh schema of the new version and production's rows make, and it is the same in both orders.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use cutover_e2e::harness::{EngineKind, Evidence, Fleet, FleetSpec, Hop, NewHomes, Order, Pair, RSS, Rows};
use cutover_proto::view::RunStateView;

use crate::support::{LIMIT, corpus_dir};

/// What one order made of a staging database.
struct Made {
    pair: Pair,
    definition: BTreeSet<String>,
    rows: Rows,
}

fn spec(hop: Hop, engine: EngineKind) -> FleetSpec {
    let corpus = corpus_dir();
    let script = corpus
        .as_ref()
        .filter(|_| engine == EngineKind::MariaDb && hop.migrates)
        .map(|corpus| corpus.join("migration/4.1.0-4.2.0/mysql/migration.sql"));
    FleetSpec {
        corpus,
        script,
        // Homes that someone unpacked before on one engine, the distribution on the other.
        new_homes: match engine {
            EngineKind::MariaDb => NewHomes::Distribution,
            EngineKind::Postgres => NewHomes::Unpacked,
        },
        ..FleetSpec::of(hop, engine)
    }
}

fn carried_out(hop: Hop, engine: EngineKind) -> Result<()> {
    let mut fleet = Fleet::start(&spec(hop, engine))?;
    let before = Evidence::before(&fleet)?;
    fleet.draft_upgrade()?;
    fleet.upgrade.order = Order::Guide;
    let run = fleet.apply()?;
    if hop.copies_first {
        let view = fleet.finish(&run, LIMIT)?;
        before.upgraded(&fleet, &view)?;
        return fresh(&fleet);
    }
    let view = fleet.settle(&run, LIMIT)?;
    ensure!(
        view.state == RunStateView::WaitingForApproval,
        "the run is {:?}\n{}",
        view.state,
        fleet.why(&view)
    );
    before.arrived(&fleet)?;
    fresh(&fleet)?;
    let by_guide = made(&fleet)?;
    fleet.abort(&run, LIMIT)?;
    before.everything_is_back(&fleet)?;
    fleet.upgrade.order = Order::CopyFirst;
    let run = fleet.apply()?;
    let view = fleet.finish(&run, LIMIT)?;
    before.upgraded(&fleet, &view)?;
    fresh(&fleet)?;
    same(&by_guide, &made(&fleet)?)
}

fn made(fleet: &Fleet) -> Result<Vec<Made>> {
    let databases = &fleet.databases;
    let of = |pair: &Pair| {
        Ok(Made {
            pair: *pair,
            definition: databases.definition(pair.staging)?,
            rows: databases.rows(pair.staging)?,
        })
    };
    databases.pairs().iter().map(of).collect()
}

/// Both orders made the same; only the log that old servers write all the time has grown meanwhile.
fn same(first: &[Made], second: &[Made]) -> Result<()> {
    for (first, second) in first.iter().zip(second) {
        let name = first.pair.staging;
        ensure!(
            first.definition == second.definition,
            "{name} is defined otherwise when it is copied first"
        );
        for (table, rows) in &first.rows {
            // New servers take ids from these.
            if table.ends_with("_SEQUENCE_TABLE") {
                continue;
            }
            let other = second
                .rows
                .get(table)
                .with_context(|| format!("{name} has no {table}"))?;
            ensure!(
                table == "REG_LOG" || rows == other,
                "{table} of {name} holds other rows when it is copied first"
            );
        }
    }
    Ok(())
}

/// Staging has the schema that the new version's own scripts make.
fn fresh(fleet: &Fleet) -> Result<()> {
    let Some(corpus) = &fleet.spec.corpus else {
        return Ok(());
    };
    let databases = &fleet.databases;
    for pair in databases.pairs() {
        let name = format!("fresh_{}", pair.production);
        if databases.tables(&name).unwrap_or_default().is_empty() {
            let script = if *pair == RSS {
                corpus.join(match databases.kind() {
                    EngineKind::MariaDb => "ss-1.1.0/dbscripts/rss-manager/mysql/wso2_rss_mysql.sql",
                    EngineKind::Postgres => {
                        "ss-1.1.0/dbscripts/rss-manager/postgresql/wso2_rss_postgresql.sql"
                    }
                })
            } else {
                let kernel = format!("carbon-{}", fleet.spec.hop.new.1);
                corpus
                    .join(kernel)
                    .join("dbscripts")
                    .join(databases.script_name())
            };
            let script = std::fs::read_to_string(&script).with_context(|| script.display().to_string())?;
            databases.create(&name, &[&script])?;
        }
        let wanted = databases.shape(&name)?;
        let mut found = databases.shape(pair.staging)?;
        // Storage Server makes these itself, at its first start.
        found.retain(|line| *pair != RSS || !line.to_uppercase().contains("_SEQUENCE_TABLE"));
        let lacks: Vec<_> = wanted
            .difference(&found)
            .filter(|line| !excused(fleet, line))
            .collect();
        let has: Vec<_> = found
            .difference(&wanted)
            .filter(|line| !excused(fleet, line))
            .collect();
        ensure!(
            lacks.is_empty() && has.is_empty(),
            "{} is not what {} makes: lacks {lacks:#?}, has {has:#?}",
            pair.staging,
            fleet.spec.hop.new.1
        );
    }
    Ok(())
}

/// Carbon 4.4.7 gives two times of REG_RESOURCE another default on MySQL, and its page orders no change.
fn excused(fleet: &Fleet, line: &str) -> bool {
    fleet.spec.hop == Hop::CARBON_447
        && ["REG_CREATED_TIME", "REG_LAST_UPDATED_TIME"]
            .iter()
            .any(|column| line.contains(column))
}

#[test]
fn data_services_server_on_mariadb() -> Result<()> {
    carried_out(Hop::DSS, EngineKind::MariaDb)
}

#[test]
fn data_services_server_on_postgres() -> Result<()> {
    carried_out(Hop::DSS, EngineKind::Postgres)
}

#[test]
fn storage_server_on_mariadb() -> Result<()> {
    carried_out(Hop::SS, EngineKind::MariaDb)
}

#[test]
fn storage_server_on_postgres() -> Result<()> {
    carried_out(Hop::SS, EngineKind::Postgres)
}

#[test]
fn application_server_on_mariadb() -> Result<()> {
    carried_out(Hop::AS, EngineKind::MariaDb)
}

#[test]
fn application_server_on_postgres() -> Result<()> {
    carried_out(Hop::AS, EngineKind::Postgres)
}

#[test]
fn carbon_4_2_on_mariadb() -> Result<()> {
    carried_out(Hop::CARBON_42, EngineKind::MariaDb)
}

#[test]
fn carbon_4_2_on_postgres() -> Result<()> {
    carried_out(Hop::CARBON_42, EngineKind::Postgres)
}

#[test]
fn carbon_4_4_7_on_mariadb() -> Result<()> {
    carried_out(Hop::CARBON_447, EngineKind::MariaDb)
}

#[test]
fn carbon_4_4_7_on_postgres() -> Result<()> {
    carried_out(Hop::CARBON_447, EngineKind::Postgres)
}
