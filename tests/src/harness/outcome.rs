//! What must hold after an upgrade.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use cutover_proto::view::{RunStateView, RunView, StepStateView};
use walkdir::WalkDir;

use super::evidence::{contained, markers_are_in};
use super::upgrade::Order;
use super::{AgentHost, EngineKind, Evidence, Fleet, PRODUCTION, Rows, STAGING, tree};

const REFERENCE: &str = "reference";
/// What the guide ships, because no upgrade file of these tests names a script for PostgreSQL.
const BUNDLED: &str =
    include_str!("../../../coordinator/guides/scripts/carbon-4.1-to-4.2-user-store.postgres.sql");
/// The files that the guide edits, and those that only these tests' site edits.
const EDITED: [&str; 3] = [
    "datasources/master-datasources.xml",
    "user-mgt.xml",
    "registry.xml",
];

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
        self.rows_arrived(fleet)?;
        for host in &fleet.hosts {
            servers(host).with_context(|| format!("servers of {}", host.name))?;
            configuration(host).with_context(|| format!("configuration of {}", host.name))?;
            trees(host).with_context(|| format!("directories of {}", host.name))?;
        }
        let sessions = fleet.databases.sessions(PRODUCTION)?;
        ensure!(sessions == 0, "{sessions} sessions of servers are on production");
        let sessions = fleet.databases.sessions(STAGING)?;
        let servers = u64::try_from(fleet.hosts.len())?;
        ensure!(
            sessions >= servers,
            "{sessions} sessions on staging for {servers} servers"
        );
        audit(fleet)
    }

    /// Production's rows all stand in staging; staging is what the engine's own client makes of production.
    fn rows_arrived(&self, fleet: &Fleet) -> Result<()> {
        let databases = &fleet.databases;
        let tenants = databases.number(STAGING, "SELECT COUNT(*) FROM UM_TENANT")?;
        let domains = databases.number(STAGING, "SELECT COUNT(*) FROM UM_DOMAIN")?;
        ensure!(
            tenants > 0 && domains == 3 * (1 + tenants),
            "UM_DOMAIN holds {domains} rows for {tenants} tenants"
        );
        markers_are_in(fleet, PRODUCTION)?;
        markers_are_in(fleet, STAGING)?;
        let staging = databases.rows(STAGING)?;
        match fleet.upgrade.order {
            Order::Guide => contained(&databases.rows(PRODUCTION)?, &staging, "production", "staging")?,
            Order::CopyFirst => {
                self.production_is_as_it_was(fleet)?;
                common_rows(fleet)?;
            }
        }
        reference(fleet, &staging)
    }
}

/// Production was never migrated: over the columns that are still there, its rows are all in staging.
fn common_rows(fleet: &Fleet) -> Result<()> {
    let databases = &fleet.databases;
    let new = databases.columns(STAGING)?;
    let mut common: BTreeMap<String, Vec<String>> = databases.columns(PRODUCTION)?;
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
    let production = databases.rows_of(PRODUCTION, &common)?;
    contained(
        &production,
        &databases.rows_of(STAGING, &common)?,
        "production",
        "staging",
    )
}

/// Whatever the order: definition and rows are those that the script makes of production by hand.
fn reference(fleet: &Fleet, staging: &Rows) -> Result<()> {
    let databases = &fleet.databases;
    if databases.tables(REFERENCE).is_ok_and(|tables| !tables.is_empty()) {
        bail!("the reference is there already");
    }
    let script = match databases.kind() {
        // Nothing runs on a production that is there already.
        EngineKind::MariaDb | EngineKind::Postgres if fleet.migrated => databases.migration().to_owned(),
        EngineKind::MariaDb => fs::read_to_string(fleet.desk().join("migration.sql"))?,
        EngineKind::Postgres => BUNDLED.to_owned(),
    };
    databases.reference(REFERENCE, fleet.schema.as_deref(), &script, &fleet.secrets)?;
    let (wanted, found) = (databases.definition(REFERENCE)?, databases.definition(STAGING)?);
    let gone: Vec<_> = wanted.difference(&found).collect();
    let added: Vec<_> = found.difference(&wanted).collect();
    ensure!(
        gone.is_empty() && added.is_empty(),
        "staging is defined otherwise: lacks {gone:?}, has {added:?}"
    );
    contained(&databases.rows(REFERENCE)?, staging, "the reference", "staging")
}

fn servers(host: &AgentHost) -> Result<()> {
    ensure!(host.new.is_serving(), "the new server is not up");
    ensure!(host.old.servers().is_empty(), "the old server runs");
    let log = host.new.log();
    ensure!(
        !log.contains("FATAL"),
        "the new server logs a fatal error:\n{log}"
    );
    Ok(())
}

fn configuration(host: &AgentHost) -> Result<()> {
    let (old, new) = (host.old.file("repository/conf"), host.new.file("repository/conf"));
    let stock = host.stock.join("repository/conf");
    let old_stock = host.old_stock.join("repository/conf");
    for entry in WalkDir::new(&new) {
        let entry = entry?;
        if !entry.file_type().is_file() {
            continue;
        }
        let path = entry.path().strip_prefix(&new)?;
        let content = fs::read(entry.path())?;
        let original = fs::read(stock.join(path))
            .with_context(|| format!("{} is not of the version", path.display()))?;
        if let Ok(theirs) = fs::read(old.join(path))
            && theirs == content
        {
            let both_stock =
                content == original && fs::read(old_stock.join(path)).is_ok_and(|stock| stock == theirs);
            ensure!(both_stock, "{} is the old home's", path.display());
        }
        let edited = EDITED.iter().any(|name| path == Path::new(name));
        let site = path == Path::new("carbon.xml") && host.unpacked;
        if edited || site {
            only_values_changed(&original, &content).with_context(|| format!("{}", path.display()))?;
        } else {
            ensure!(content == original, "{} was changed", path.display());
        }
    }
    ensure!(
        tree(&new)?.len() == tree(&stock)?.len(),
        "files of the new version are missing"
    );
    let datasources = fs::read_to_string(new.join(EDITED[0]))?;
    ensure!(
        datasources.contains(&format!("/{STAGING}?")),
        "the new home is not connected to staging"
    );
    ensure!(
        !datasources.contains(&format!("/{PRODUCTION}?")),
        "the new home names production"
    );
    Ok(())
}

/// Outside of the texts of single elements and attributes, every byte is the one it was.
fn only_values_changed(original: &[u8], content: &[u8]) -> Result<()> {
    let (before, after) = (skeleton(original)?, skeleton(content)?);
    ensure!(
        before == after,
        "more than values changed:\n{}\n--- became\n{}",
        before,
        after
    );
    let lines = |bytes: &[u8]| {
        bytes
            .split(|byte| *byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect::<Vec<_>>()
    };
    let (before, after) = (lines(original), lines(content));
    ensure!(
        before.len() == after.len(),
        "it has {} lines, not {}",
        after.len(),
        before.len()
    );
    let changed = before.iter().zip(&after).filter(|(a, b)| a != b).count();
    ensure!(changed <= 5, "{changed} lines changed");
    Ok(())
}

/// The file with the text of every element without children left out: markup, comments and white space stay.
fn skeleton(bytes: &[u8]) -> Result<String> {
    let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    let mut skeleton = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find('<') {
        let (value, markup) = rest.split_at(at);
        if value.trim().is_empty() {
            skeleton.push_str(value);
        }
        let end = if markup.starts_with("<!--") {
            markup.find("-->").map(|at| at + 3)
        } else {
            markup.find('>').map(|at| at + 1)
        };
        let end = end.context("markup without an end")?;
        skeleton.push_str(markup.get(..end).unwrap_or_default());
        rest = markup.get(end..).unwrap_or_default();
    }
    skeleton.push_str(rest);
    Ok(skeleton)
}

/// The old home's artifacts and tenants stand in the new one, byte for byte, beside the version's own.
fn trees(host: &AgentHost) -> Result<()> {
    for path in ["repository/deployment/server", "repository/tenants"] {
        let old = tree(&host.old.file(path))?;
        let new = tree(&host.new.file(path))?;
        let stock = tree(&host.stock.join(path))?;
        ensure!(!old.is_empty(), "{path} of the old home is empty");
        let lost: Vec<_> = old
            .iter()
            .filter(|(name, what)| new.get(*name) != Some(what))
            .map(|(name, _)| name)
            .collect();
        ensure!(lost.is_empty(), "{path}: {lost:?} are not as in the old home");
        let foreign: BTreeSet<_> = new
            .keys()
            .filter(|name| !old.contains_key(*name) && !stock.contains_key(*name))
            .collect();
        ensure!(foreign.is_empty(), "{path}: {foreign:?} come from nowhere");
    }
    Ok(())
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
