//! What a fleet was before a run, and whether it is so again or has become what it should be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context as _, Result, ensure};

use super::{Fleet, Home, PRODUCTION, Pair, Rows, tree};

/// The table that servers write to all the time.
const LOG_TABLE: &str = "REG_LOG";

/// What must not change, or must come back.
#[derive(Debug)]
pub struct Evidence {
    productions: Vec<(Pair, BTreeSet<String>, Rows)>,
    old_homes: Vec<BTreeMap<String, String>>,
    new_homes: Vec<BTreeMap<String, String>>,
}

impl Evidence {
    /// Looks at a fleet before anything is done.
    ///
    /// # Errors
    /// When something can't be read.
    pub fn before(fleet: &Fleet) -> Result<Self> {
        Ok(Self {
            productions: fleet
                .databases
                .pairs()
                .iter()
                .map(|pair| {
                    let database = pair.production;
                    Ok((
                        *pair,
                        fleet.databases.definition(database)?,
                        fleet.databases.rows(database)?,
                    ))
                })
                .collect::<Result<_>>()?,
            old_homes: fleet
                .hosts
                .iter()
                .map(|host| quiet_tree(&host.old))
                .collect::<Result<_>>()?,
            new_homes: fleet
                .hosts
                .iter()
                .map(|host| quiet_tree(&host.new))
                .collect::<Result<_>>()?,
        })
    }

    /// Everything is where it was: production, staging, homes, servers, holds.
    ///
    /// # Errors
    /// What is not.
    pub fn everything_is_back(&self, fleet: &Fleet) -> Result<()> {
        self.production_is_as_it_was(fleet)?;
        for pair in fleet.databases.pairs() {
            ensure!(
                fleet.databases.tables(pair.staging)?.is_empty(),
                "{} is not empty",
                pair.staging
            );
        }
        for ((host, old), new) in fleet.hosts.iter().zip(&self.old_homes).zip(&self.new_homes) {
            same(
                &format!("the old home of {}", host.name),
                old,
                &quiet_tree(&host.old)?,
            )?;
            same(
                &format!("the new home of {}", host.name),
                new,
                &quiet_tree(&host.new)?,
            )?;
            super::wait(
                &format!("the old server of {}", host.name),
                std::time::Duration::from_secs(60),
                || host.old.is_serving(),
            )?;
            ensure!(
                host.new.servers().is_empty(),
                "the new server of {} runs",
                host.name
            );
            no_hold(&host.old)?;
            no_hold(&host.new)?;
        }
        Ok(())
    }

    /// Production has its old definition and every row it had; only the log table may have more.
    ///
    /// # Errors
    /// What is not so.
    pub fn production_is_as_it_was(&self, fleet: &Fleet) -> Result<()> {
        for (pair, definition, rows) in &self.productions {
            let name = pair.production;
            let now = fleet.databases.definition(name)?;
            let gone: Vec<_> = definition.difference(&now).collect();
            let added: Vec<_> = now.difference(definition).collect();
            ensure!(
                gone.is_empty() && added.is_empty(),
                "{name} is defined otherwise: gone {gone:?}, added {added:?}"
            );
            let now = fleet.databases.rows(name)?;
            contained(rows, &now, &format!("{name} before"), &format!("{name} now"))?;
        }
        markers_are_in(fleet, PRODUCTION)
    }
}

/// Every row that an old server was told is safe stands in a database.
///
/// # Errors
/// When one is missing.
pub(super) fn markers_are_in(fleet: &Fleet, database: &str) -> Result<()> {
    // Before the rows: an old server that serves again goes on writing.
    let markers: Vec<(&str, Vec<String>)> = fleet
        .hosts
        .iter()
        .map(|host| (host.name.as_str(), host.old.markers()))
        .collect();
    let stored = fleet.databases.sql(database, "SELECT REG_PATH FROM REG_LOG")?;
    let stored: BTreeSet<&str> = stored.lines().collect();
    for (host, markers) in markers {
        ensure!(!markers.is_empty(), "the old server of {host} wrote no row");
        let lost: Vec<_> = markers
            .iter()
            .filter(|marker| !stored.contains(marker.as_str()))
            .collect();
        ensure!(
            lost.is_empty(),
            "{} of {} rows of {host} are not in {database}: {lost:?}",
            lost.len(),
            markers.len()
        );
    }
    Ok(())
}

/// Every row of `a` stands in `b`; only the log table of `b` may hold more.
///
/// # Errors
/// The tables where it is not so.
pub(super) fn contained(a: &Rows, b: &Rows, a_name: &str, b_name: &str) -> Result<()> {
    for (table, rows) in a {
        let there = b
            .get(table)
            .with_context(|| format!("{b_name} has no table {table}"))?;
        let missing = missing(rows, there);
        ensure!(
            missing == 0,
            "{missing} of {} rows of {table} in {a_name} are not in {b_name}",
            rows.len()
        );
        ensure!(
            table == LOG_TABLE || rows.len() == there.len(),
            "{table} has {} rows in {a_name}, {} in {b_name}",
            rows.len(),
            there.len()
        );
    }
    Ok(())
}

/// How many of `a` are not in `b`, both sorted, each counted as often as it stands there.
fn missing(a: &[String], b: &[String]) -> usize {
    let mut rest = b.iter().peekable();
    a.iter()
        .filter(|row| {
            while rest.next_if(|other| other < row).is_some() {}
            rest.next_if(|other| other == row).is_none()
        })
        .count()
}

/// The home without what a running server writes all the time.
fn quiet_tree(home: &Home) -> Result<BTreeMap<String, String>> {
    let mut entries = tree(&home.dir)?;
    entries.retain(|path, _| {
        !path.starts_with("repository/logs")
            && !path.starts_with("tmp")
            && !["wso2carbon.pid", "start.out", "nohup.out"].contains(&path.as_str())
    });
    Ok(entries)
}

fn same(what: &str, before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Result<()> {
    let gone: Vec<_> = before
        .iter()
        .filter(|(path, _)| !now.contains_key(*path))
        .map(|(path, _)| path)
        .collect();
    let added: Vec<_> = now.keys().filter(|path| !before.contains_key(*path)).collect();
    let changed: Vec<_> = before
        .iter()
        .filter(|(path, what)| now.get(*path).is_some_and(|now| now != *what))
        .map(|(path, _)| path)
        .collect();
    ensure!(
        gone.is_empty() && added.is_empty() && changed.is_empty(),
        "{what} is another: gone {gone:?}, added {added:?}, changed {changed:?}"
    );
    Ok(())
}

fn no_hold(home: &Home) -> Result<()> {
    let held = home.file("bin/wso2server.sh.cutover-held");
    ensure!(!held.exists(), "{} is still held", home.dir.display());
    if home.dir.exists() {
        let script = fs::read_to_string(home.file("bin/wso2server.sh")).context("read bin/wso2server.sh")?;
        ensure!(
            !script.contains("cutover-hold"),
            "the guard of {} is still in place",
            home.dir.display()
        );
    }
    Ok(())
}
