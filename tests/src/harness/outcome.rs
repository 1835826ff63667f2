//! What must hold after an upgrade.

mod config;
mod homes;

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use cutover_proto::view::{RunStateView, RunView, StepStateView};

use super::evidence::{contained, markers_are_in};
use super::upgrade::Order;
use super::{Evidence, Fleet, PRODUCTION, Pair, RSS, STAGING};

const REFERENCE: &str = "reference";
impl Evidence {
    /// Everything an upgrade promises.
    ///
    /// # Errors
    /// What does not hold.
    pub fn upgraded(&self, fleet: &Fleet, view: &RunView) -> Result<()> {
        ensure!(view.state == RunStateView::Done, "the run is {:?}", view.state);
        let open = view
            .phases
            .iter()
            .flat_map(|phase| &phase.steps)
            .find(|step| step.state != StepStateView::Succeeded);
        ensure!(open.is_none(), "a step is not done: {open:?}");
        ensure!(
            view.downtime
                .as_ref()
                .is_some_and(|downtime| downtime.until.is_some()),
            "no downtime was measured"
        );
        self.arrived(fleet)?;
        audit(fleet)
    }

    /// What must hold as soon as the new servers are up, before anybody approves: rows, servers, homes.
    ///
    /// # Errors
    /// What does not hold.
    pub fn arrived(&self, fleet: &Fleet) -> Result<()> {
        let databases = &fleet.databases;
        if fleet.spec.hop.migrates {
            let tenants = databases.number(STAGING, "SELECT COUNT(*) FROM UM_TENANT")?;
            let domains = databases.number(STAGING, "SELECT COUNT(*) FROM UM_DOMAIN")?;
            ensure!(
                tenants > 0 && domains == 3 * (1 + tenants),
                "UM_DOMAIN holds {domains} rows for {tenants} tenants"
            );
        }
        markers_are_in(fleet, PRODUCTION)?;
        markers_are_in(fleet, STAGING)?;
        let copied_first = fleet.upgrade.order == Order::CopyFirst || fleet.spec.hop.copies_first;
        if copied_first {
            self.production_is_as_it_was(fleet)?;
        }
        for pair in databases.pairs() {
            rows(fleet, pair, copied_first).with_context(|| pair.staging.to_owned())?;
            // A server counts a client until it has heard its good-bye.
            let gone = || {
                databases
                    .sessions(pair.production)
                    .is_ok_and(|sessions| sessions == 0)
            };
            super::wait(
                &format!("the end of the sessions of servers on {}", pair.production),
                std::time::Duration::from_secs(20),
                gone,
            )?;
            let sessions = databases.sessions(pair.staging)?;
            let servers = u64::try_from(fleet.hosts.len())?;
            ensure!(
                sessions >= servers,
                "{sessions} sessions on {} for {servers} servers",
                pair.staging
            );
        }
        for host in &fleet.hosts {
            homes::servers(host).with_context(|| format!("servers of {}", host.name))?;
            config::check(host).with_context(|| format!("configuration of {}", host.name))?;
            homes::trees(host).with_context(|| format!("directories of {}", host.name))?;
        }
        Ok(())
    }
}

/// Production's rows all stand in staging; staging is what the engine's own client makes of production.
fn rows(fleet: &Fleet, pair: &Pair, copied_first: bool) -> Result<()> {
    let databases = &fleet.databases;
    if !copied_first {
        let mut production = databases.rows(pair.production)?;
        // New servers have taken ids since.
        production.retain(|table, _| !table.ends_with("_SEQUENCE_TABLE"));
        let staging = databases.rows(pair.staging)?;
        contained(&production, &staging, pair.production, pair.staging)?;
    } else if *pair != RSS {
        // The script of RSS changes rows; what it makes of them is what the reference has.
        common_rows(fleet, pair)?;
    }
    reference(fleet, pair)
}

/// Production was never migrated: over the columns that are still there, its rows are all in staging.
fn common_rows(fleet: &Fleet, pair: &Pair) -> Result<()> {
    let databases = &fleet.databases;
    let new = databases.columns(pair.staging)?;
    let mut common: BTreeMap<String, Vec<String>> = databases.columns(pair.production)?;
    common.retain(|table, columns| {
        let Some(there) = new.get(table) else { return false };
        columns.retain(|column| there.contains(column));
        true
    });
    ensure!(
        common.len() > 25,
        "only {} tables are left of production",
        common.len()
    );
    let production = databases.rows_of(pair.production, &common)?;
    let staging = databases.rows_of(pair.staging, &common)?;
    contained(&production, &staging, pair.production, pair.staging)
}

/// Whatever the order: definition and rows are those that the script makes of production by hand.
fn reference(fleet: &Fleet, pair: &Pair) -> Result<()> {
    let databases = &fleet.databases;
    let name = format!("{REFERENCE}_{}", pair.production);
    if databases.tables(&name).unwrap_or_default().is_empty() {
        let script = databases.script_of(pair)?;
        databases.reference(pair, &name, script.as_deref(), &fleet.secrets)?;
    }
    let (wanted, mut found) = (databases.definition(&name)?, databases.definition(pair.staging)?);
    // A server makes these at its first start.
    found.retain(|line| *pair != RSS || !line.to_uppercase().contains("_SEQUENCE_TABLE"));
    let gone: Vec<_> = wanted.difference(&found).collect();
    let added: Vec<_> = found.difference(&wanted).collect();
    ensure!(
        gone.is_empty() && added.is_empty(),
        "it is defined otherwise: lacks {gone:?}, has {added:?}"
    );
    let staging = databases.rows(pair.staging)?;
    contained(&databases.rows(&name)?, &staging, "the reference", pair.staging)
}

/// The trail is whole, and each node's actions are in it.
fn audit(fleet: &Fleet) -> Result<()> {
    let export = fleet.desk().join("audit.jsonl");
    let path = export.display().to_string();
    if export.exists() {
        fs::remove_file(&export)?;
    }
    fleet.cli.run(&["audit", "export", "--out", &path])?.expect(0)?;
    fleet.cli.run(&["audit", "verify", &path])?.expect(0)?;
    let text = fs::read_to_string(&export)?;
    for host in &fleet.hosts {
        for action in [
            "stop-server",
            "start-server",
            "copy-tree",
            "edit-xml",
            "backup-home",
        ] {
            let found = text
                .lines()
                .any(|line| line.contains(action) && line.contains(&format!("\"{}\"", host.name)));
            ensure!(found, "no record of {action} on {} in the audit trail", host.name);
        }
    }
    Ok(())
}
