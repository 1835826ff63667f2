//! Guide + upgrade file + inventory -> plan, or findings. Pure: the planner never performs I/O.

pub mod adhoc;
pub mod checks;
pub mod config;
mod delta;
pub mod edits;
pub mod fence;
pub mod forecast;
pub mod mode;
pub(crate) mod overrides;
pub mod phases;
pub mod rehearsal;
pub mod roles;
pub mod scripts;
pub mod tablespaces;
pub mod window;

use std::collections::{BTreeMap, BTreeSet};

use cutover_database::{RssLevel, SchemaLevel};
use cutover_proto::facts::{HomeFacts, NodeFacts};
use cutover_proto::ids::{NodeName, Sha256Hex};
use cutover_proto::plan::{DataMode, Plan, PlanDatabase};
use cutover_proto::report::StepError;
use cutover_proto::step::BlobRef;
use cutover_proto::view::{Finding, RehearsalView, Severity};
use cutover_sqlscript::Statement;

use crate::guide::{Guide, Order, Role};
use crate::model::upgrade::{Upgrade, UpgradeDatabase};

/// A node as the planner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanNode {
    /// The node.
    pub name: NodeName,
    /// Labels given at enrolment.
    pub labels: BTreeMap<String, String>,
    /// Whether its agent is connected.
    pub connected: bool,
    /// What it reported.
    pub facts: Option<NodeFacts>,
}

impl PlanNode {
    /// What it reported of a home.
    #[must_use]
    pub fn home(&self, path: &str) -> Option<&HomeFacts> {
        self.facts.as_ref()?.homes.iter().find(|home| home.path == path)
    }

    /// A value of the site with `{node}` and `{label.KEY}` replaced, so that one file serves hosts that differ in a
    /// port or a name. What else stands in braces belongs to the product and stays.
    #[must_use]
    pub fn site_value(&self, value: &str) -> String {
        let named = on_node(value, &self.name);
        self.labels.iter().fold(named, |value, (key, label)| {
            value.replace(&format!("{{label.{key}}}"), label)
        })
    }
}

/// What was seen of a database and its staging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseProbe {
    /// Identity of the production database.
    pub production_identity: String,
    /// Identity of the staging database.
    pub staging_identity: String,
    /// Level of production's user store.
    pub level: SchemaLevel,
    /// Level of production's RSS tables.
    pub rss: RssLevel,
    /// Tables of production, in upper case.
    pub tables: BTreeSet<String>,
    /// Tables of production that only a statement with a schema's name reaches, without it and in upper case.
    pub hidden_tables: BTreeSet<String>,
    /// Triggers in it.
    pub triggers: u64,
    /// Tenants in it.
    pub tenants: Vec<i64>,
    /// Bytes in it.
    pub bytes: u64,
    /// What stands in the way.
    pub findings: Vec<Finding>,
    /// How production is fenced.
    pub fencing: fence::Fencing,
    /// What was seen of the database host that the upgrade file names.
    pub host: Option<HostProbe>,
}

/// What was seen of a database host whose agent is to copy files of tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostProbe {
    /// The node, if there is one of that name.
    pub node: Option<PlanNode>,
    /// Both databases are of MySQL or MariaDB, on one server.
    pub same_server: bool,
    /// The tables that may be copied so.
    pub exportable: cutover_copy::tablespaces::Exportable,
}

impl HostProbe {
    /// Of databases that could not be asked.
    #[must_use]
    pub fn unknown(error: &StepError) -> Self {
        let exportable = cutover_copy::tablespaces::Exportable {
            obstacle: Some(format!("{}: {}", error.what, error.why)),
            ..Default::default()
        };
        Self {
            exportable,
            ..Self::default()
        }
    }
}

/// A script that a plan may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownScript {
    /// The content.
    pub blob: BlobRef,
    /// Statements in it, or why it can't be split.
    pub statements: Result<u32, String>,
    /// Words in it that may be names of tables, in upper case: by them its role is told.
    pub touches: BTreeSet<String>,
    /// Databases that its statements name, whatever it is run on.
    pub databases: BTreeSet<String>,
    /// The hash of every statement.
    pub hashes: Vec<Sha256Hex>,
    /// The statements; none where it can't be split.
    pub parsed: Vec<Statement>,
}

/// Everything a plan is made of.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// The guide.
    pub guide: &'a Guide,
    /// The upgrade file.
    pub upgrade: &'a Upgrade,
    /// Its name, for findings.
    pub file: &'a str,
    /// The nodes that its selector chose.
    pub nodes: &'a [PlanNode],
    /// The databases, by name.
    pub databases: &'a BTreeMap<String, DatabaseProbe>,
    /// The files that the upgrade file names, by name.
    pub attachments: &'a BTreeMap<String, BlobRef>,
    /// The scripts, by file name; those that ship with the guide by their own name.
    pub scripts: &'a BTreeMap<String, KnownScript>,
    /// What the site changed in the configuration of each node's old home.
    pub configs: &'a config::Comparisons,
    /// The last rehearsal of an upgrade of this name.
    pub rehearsal: Option<&'a RehearsalView>,
}

impl Inputs<'_> {
    /// Whether production is migrated before it is copied, when the data takes this way.
    #[must_use]
    pub fn migrates_production(&self, mode: DataMode) -> bool {
        self.guide.order == Order::MigrateThenCopy && !self.upgrade.copy_first && !mode.is_online()
    }

    /// The nodes, manager first.
    #[must_use]
    pub fn ordered_nodes(&self) -> Vec<&PlanNode> {
        let mut nodes: Vec<&PlanNode> = self.nodes.iter().collect();
        nodes.sort_by_key(|node| (Some(&node.name) != self.manager(), node.name.clone()));
        nodes
    }

    /// The node started first.
    #[must_use]
    pub fn manager(&self) -> Option<&NodeName> {
        self.upgrade
            .manager
            .as_ref()
            .or_else(|| self.nodes.iter().map(|node| &node.name).min())
    }

    /// The old home on a node.
    #[must_use]
    pub fn old_home(&self, node: &NodeName) -> String {
        on_node(&self.upgrade.old_home, node)
    }

    /// The new home on a node.
    #[must_use]
    pub fn new_home(&self, node: &NodeName) -> String {
        on_node(&self.upgrade.new_home, node)
    }

    /// Ids of the tenants that the databases of users hold.
    #[must_use]
    pub fn tenants(&self) -> BTreeSet<i64> {
        let roles = roles::of(self);
        let holds_users = |name: &String| {
            roles
                .get(name)
                .is_some_and(|roles| roles.contains(&Role::UserManagement))
        };
        let of_users = self.databases.iter().filter(|(name, _)| holds_users(name));
        of_users.flat_map(|(_, probe)| &probe.tenants).copied().collect()
    }

    /// Whether tenants' directories are copied ("if multitenancy is used").
    #[must_use]
    pub fn copies_tenants(&self) -> bool {
        self.upgrade
            .copy_tenants
            .unwrap_or_else(|| !self.tenants().is_empty())
    }
}

/// Hash of what a plan rests on: product, versions, data sources, tenants and key stores of these homes. What changes while a
/// server serves (its process, its size) is not in it.
#[must_use]
pub fn essentials(facts: &NodeFacts, homes: &[String]) -> Sha256Hex {
    let of = |path: &String| {
        let home = facts
            .homes
            .iter()
            .find(|home| &home.path == path && home.exists)?;
        Some((
            (
                &home.path,
                &home.product,
                &home.version,
                &home.kernel,
                &home.server_key,
            ),
            (
                &home.datasources,
                &home.user_datasource,
                &home.registry_datasources,
                &home.registry_current,
            ),
            (
                &home.tenants,
                home.port_offset,
                (&home.other_databases, &home.named_databases),
                &home.registry_mounts,
                &home.index_location,
            ),
            (home.secure_vault, &home.secrets.keystores),
        ))
    };
    let seen: Vec<_> = homes.iter().map(of).collect();
    Sha256Hex::of(&serde_json::to_vec(&seen).unwrap_or_default())
}

/// `{node}` in a path stands for the node's name, for sites whose homes are called after their hosts.
pub(crate) fn on_node(path: &str, node: &NodeName) -> String {
    path.replace("{node}", node.as_str())
}

/// An error finding.
#[must_use]
pub fn error(
    code: &str,
    place: impl ToString,
    text: impl Into<String>,
    remedy: impl Into<String>,
) -> Finding {
    finding(Severity::Error, code, place, text, remedy)
}

/// A finding.
#[must_use]
pub fn finding(
    severity: Severity,
    code: &str,
    place: impl ToString,
    text: impl Into<String>,
    remedy: impl Into<String>,
) -> Finding {
    Finding {
        severity,
        code: code.into(),
        place: place.to_string(),
        text: text.into(),
        remedy: remedy.into(),
    }
}

/// Makes the plan. Without an error among the findings there is one.
#[must_use]
pub fn plan(inputs: &Inputs<'_>) -> (Option<Plan>, Vec<Finding>) {
    let mut findings = checks::check(inputs);
    let mut databases = Vec::new();
    let roles = roles::of(inputs);
    let none = BTreeSet::new();
    for database in &inputs.upgrade.databases {
        let Some(probe) = inputs.databases.get(&database.name) else {
            continue;
        };
        findings.extend(probe.findings.iter().cloned());
        match scripts::choose(
            inputs,
            database,
            probe,
            roles.get(&database.name).unwrap_or(&none),
        ) {
            Ok((scripts, why)) => databases.push(plan_database(inputs, database, probe, scripts, why)),
            Err(problems) => findings.extend(problems),
        }
    }
    let config = config::resolve(inputs);
    findings.extend(config.findings.iter().cloned());
    findings.extend(fence::check(inputs.databases, &databases));
    findings.extend(overrides::attach(inputs, &mut databases));
    let mut kept_in_step = Vec::new();
    // Where the page does not ask for it, only the file can: a rehearsal tries every way that is possible.
    let wanted = inputs.guide.delta || inputs.upgrade.downtime.mode == Some(DataMode::Delta);
    for database in databases.iter_mut().filter(|_| wanted) {
        let Some(probe) = inputs.databases.get(&database.name) else {
            continue;
        };
        match delta::way(
            inputs,
            probe,
            roles.get(&database.name).unwrap_or(&none),
            database,
        ) {
            Ok(way) => database.delta = Some(way),
            Err(why) => kept_in_step.push(format!("database {}: {why}", database.name)),
        }
    }
    let (data, found) = mode::choose(inputs, &databases, &kept_in_step);
    findings.extend(found);
    let (taken, beside) = tablespaces::attach(inputs, data.mode, &mut databases);
    findings.extend(taken);
    // Which database a script runs on depends on the mode.
    let migrates_production = inputs.migrates_production(data.mode);
    for database in &databases {
        findings.extend(scripts::elsewhere(inputs, migrates_production, database));
        findings.extend(overrides::elsewhere(inputs, migrates_production, database));
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return (None, findings);
    }
    let mut notes = notes(inputs, &databases, &findings);
    if data.mode == DataMode::Delta {
        notes.extend(kept_in_step);
    }
    notes.extend(beside);
    notes.extend(config.notes(inputs.nodes.len()));
    let plan = phases::compile(inputs, databases, data, notes, &config);
    (Some(plan), findings)
}

/// The database that a script's names may be of: the one it is run on.
fn runs_on(database: &UpgradeDatabase, migrates_production: bool) -> &str {
    let url = if migrates_production {
        &database.production.url
    } else {
        &database.staging.url
    };
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default()
}

/// `mysql` or `postgres`, as the production URL says.
fn engine_of(database: &UpgradeDatabase) -> &'static str {
    if database.production.url.starts_with("postgres") {
        "postgres"
    } else {
        "mysql"
    }
}

/// Tables that may lose their rows: those that the guide's scripts drop on purpose, and those that the site names.
fn may_lose(inputs: &Inputs<'_>, database: &UpgradeDatabase) -> Vec<String> {
    let of_guide = inputs.guide.scripts.iter().flat_map(|script| &script.loses);
    let mut tables: Vec<String> = of_guide.chain(&database.may_lose).cloned().collect();
    tables.sort();
    tables.dedup();
    tables
}

fn plan_database(
    inputs: &Inputs<'_>,
    database: &UpgradeDatabase,
    probe: &DatabaseProbe,
    scripts: Vec<cutover_proto::plan::PlanScript>,
    scripts_why: String,
) -> PlanDatabase {
    PlanDatabase {
        name: database.name.clone(),
        datasource: database.datasource.clone(),
        engine: engine_of(database).to_owned(),
        production: database.production.clone(),
        staging: database.staging.clone(),
        application: database.application.as_ref().map(|access| access.user.clone()),
        scripts,
        scripts_why,
        may_lose: may_lose(inputs, database),
        delta: None,
        tablespaces: None,
        production_identity: probe.production_identity.clone(),
        staging_identity: probe.staging_identity.clone(),
    }
}

fn notes(inputs: &Inputs<'_>, databases: &[PlanDatabase], findings: &[Finding]) -> Vec<String> {
    let mut notes: Vec<String> = databases
        .iter()
        .map(|database| format!("database {}: {}", database.name, database.scripts_why))
        .collect();
    notes.extend(
        inputs
            .databases
            .iter()
            .flat_map(|(name, probe)| fence_notes(name, &probe.fencing)),
    );
    if inputs.upgrade.admin.is_none() {
        notes.push(
            "the guide's tests (user stores, tenants) are left to you: add [admin] with user and password to have \
             them run"
                .into(),
        );
    }
    notes.extend(
        findings
            .iter()
            .map(|finding| format!("{}: {}", finding.place, finding.text)),
    );
    notes.extend(beside_production(inputs));
    notes.extend(inputs.guide.notes.iter().cloned());
    notes
}

/// What stands for the time in which a page lets staging run beside production.
fn beside_production(inputs: &Inputs<'_>) -> Option<String> {
    let tried = match inputs.rehearsal.filter(|rehearsal| rehearsal.failed.is_none()) {
        Some(rehearsal) => format!("as the rehearsal {} did", rehearsal.run),
        None => "and none has yet".to_owned(),
    };
    inputs.guide.beside.then(|| {
        format!(
            "the page lets staging run beside production before names are switched. Here the new servers take the old \
             ones' place on the same hosts: what can be tried beside a serving production is the data, by \
             `cutover rehearse`, {tried}"
        )
    })
}

fn fence_notes(database: &str, fencing: &fence::Fencing) -> Vec<String> {
    let mut notes: Vec<String> = fencing
        .words
        .iter()
        .map(|words| format!("database {database}, fence: {words}"))
        .collect();
    match &fencing.refused {
        Some(why) => notes.push(format!(
            "database {database} is not fenced: {why}. Nothing keeps the old servers' account out of it but the held \
             servers; the sessions on it are proven again before the new servers start"
        )),
        None if fencing.proof.is_none() => notes.push(format!(
            "database {database}: the fence is proven from the server's own catalog only. Give `application` the \
             account of the old servers and its password to have it tried"
        )),
        None => {}
    }
    notes
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
