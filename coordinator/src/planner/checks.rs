//! What must hold before there can be a plan: nodes, homes, data sources, disk.

use std::collections::{BTreeMap, BTreeSet};

use cutover_proto::facts::HomeFacts;
use cutover_proto::view::{Finding, Severity};

use super::{Inputs, PlanNode, error, finding};
use crate::guide::version_fits;
use crate::model::jdbc;

/// Every finding about nodes and homes.
#[must_use]
pub fn check(inputs: &Inputs<'_>) -> Vec<Finding> {
    let mut findings = selection(inputs);
    for node in inputs.nodes {
        if let Some(problem) = reachable(node) {
            findings.push(problem);
            continue;
        }
        findings.extend(old_home(inputs, node));
        findings.extend(new_home(inputs, node));
        findings.extend(datasources(inputs, node));
        findings.extend(labels(inputs, node));
        findings.extend(room(inputs, node));
        findings.extend(surroundings(inputs, node));
    }
    findings.extend(same_versions(inputs));
    findings.extend(one_database_twice(inputs));
    findings
}

/// A label that a value of the site names and the node does not have would end up in a configuration file as it is.
fn labels(inputs: &Inputs<'_>, node: &PlanNode) -> Vec<Finding> {
    let values = inputs.upgrade.configs.iter().flat_map(|config| &config.set);
    values
        .filter(|(_, value)| node.site_value(value).contains("{label."))
        .map(|(path, value)| {
            error(
                "label-missing",
                &node.name,
                format!("`{path}` is set to `{value}`, and the node has no such label"),
                "give the label with `cutover node token --label KEY=VALUE` and enrol the node again, or write the value itself",
            )
        })
        .collect()
}

fn selection(inputs: &Inputs<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let found = inputs.nodes.len();
    if found != inputs.upgrade.expect as usize {
        let names: Vec<&str> = inputs.nodes.iter().map(|node| node.name.as_str()).collect();
        findings.push(error(
            "wrong-count",
            inputs.file,
            format!(
                "`{}` selects {found} nodes ({}), {} are expected",
                inputs.upgrade.nodes,
                names.join(", "),
                inputs.upgrade.expect
            ),
            "correct nodes.select or nodes.expect; `cutover node list` shows every node and its labels",
        ));
    }
    if let Some(manager) = &inputs.upgrade.manager
        && !inputs.nodes.iter().any(|node| &node.name == manager)
    {
        findings.push(error(
            "manager-missing",
            inputs.file,
            format!("the manager `{manager}` is not among the nodes selected"),
            "name one of them as nodes.manager",
        ));
    }
    findings
}

fn reachable(node: &PlanNode) -> Option<Finding> {
    if !node.connected {
        return Some(error(
            "node-away",
            &node.name,
            "its agent is not connected: nothing can be said of its homes",
            "start cutover-agent on that host and look at its log; `cutover node list` shows when it was last heard of",
        ));
    }
    node.facts.is_none().then(|| {
        error(
            "no-facts",
            &node.name,
            "its agent reported nothing",
            "look at the agent's log on that host",
        )
    })
}

fn home_problem(home: Option<&HomeFacts>, node: &PlanNode, path: &str) -> Option<Finding> {
    if home.is_some_and(|home| home.exists) {
        return None;
    }
    Some(error(
        "home-missing",
        &node.name,
        format!("there is no home {path}, or the agent's policy does not name it"),
        "correct [home] in the upgrade file, or `homes` in the agent's policy on that host",
    ))
}

fn old_home(inputs: &Inputs<'_>, node: &PlanNode) -> Vec<Finding> {
    let path = &inputs.old_home(&node.name);
    let home = node.home(path);
    if let Some(problem) = home_problem(home, node, path) {
        return vec![problem];
    }
    let Some(home) = home else { return Vec::new() };
    let mut findings = product(inputs, node, home);
    if version_fits(&inputs.guide.to, &home.version) {
        findings.push(error(
            "already-upgraded",
            &node.name,
            format!("{path} is at version {} already", home.version),
            "take the node out of the selection, or correct home.old",
        ));
    } else if !version_fits(&inputs.guide.from, &home.version) {
        findings.push(error(
            "wrong-version",
            &node.name,
            format!(
                "{path} holds version `{}`; guide {} upgrades from {}",
                home.version, inputs.guide.name, inputs.guide.from
            ),
            "choose the guide for that version (`cutover guide list`)",
        ));
    }
    if let Some(hold) = &home.hold {
        findings.push(error(
            "held",
            &node.name,
            format!("{path} is held down by run {}", hold.run),
            format!(
                "finish or abort that run (cutover status {}); if it has ended: cutover do release --on name={} --home {path}",
                hold.run, node.name
            ),
        ));
    }
    findings
}

fn product(inputs: &Inputs<'_>, node: &PlanNode, home: &HomeFacts) -> Vec<Finding> {
    if home.product == inputs.guide.product {
        return Vec::new();
    }
    vec![error(
        "wrong-product",
        &node.name,
        format!(
            "{} holds `{}`; guide {} is for {}",
            home.path, home.product, inputs.guide.name, inputs.guide.product
        ),
        "choose the guide for that product (`cutover guide list`), or correct [home]",
    )]
}

fn new_home(inputs: &Inputs<'_>, node: &PlanNode) -> Vec<Finding> {
    let path = &inputs.new_home(&node.name);
    let home = node.home(path);
    let exists = home.is_some_and(|home| home.exists);
    match (&inputs.upgrade.distribution, home) {
        (Some(_), Some(_)) if exists => vec![error(
            "new-home-exists",
            &node.name,
            format!("{path} exists already, and a distribution is to be unpacked there"),
            "remove the directory, or remove home.distribution to use it as it is",
        )],
        (Some(_), _) => Vec::new(),
        (None, home) => {
            if let Some(problem) = home_problem(home, node, path) {
                return vec![problem];
            }
            let Some(home) = home else { return Vec::new() };
            let mut findings = product(inputs, node, home);
            if !version_fits(&inputs.guide.to, &home.version)
                || !version_fits(&inputs.guide.kernel, &home.kernel)
            {
                findings.push(error(
                    "wrong-version",
                    &node.name,
                    format!(
                        "{path} holds version `{}` on kernel `{}`; guide {} upgrades to {} on {}",
                        home.version, home.kernel, inputs.guide.name, inputs.guide.to, inputs.guide.kernel
                    ),
                    "unpack the right version, or name its archive as home.distribution",
                ));
            }
            if home.server.is_some() {
                findings.push(error(
                    "new-server-running",
                    &node.name,
                    format!("the server of the new home {path} is running"),
                    "stop it: a new version must not be connected to a database that is not upgraded",
                ));
            }
            findings
        }
    }
}

/// The data sources of the old home must be the databases of the upgrade: a script or a copy on another one would
/// miss the data.
fn datasources(inputs: &Inputs<'_>, node: &PlanNode) -> Vec<Finding> {
    let Some(home) = node.home(&inputs.old_home(&node.name)) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let mut covered = BTreeSet::new();
    for database in &inputs.upgrade.databases {
        let Some(source) = home
            .datasources
            .iter()
            .find(|source| source.name == database.datasource)
        else {
            findings.push(error(
                "datasource-missing",
                &node.name,
                format!(
                    "{} has no data source `{}` (database `{}`)",
                    home.path, database.datasource, database.name
                ),
                "correct `datasource`; `cutover node facts NODE` lists the data sources of each home",
            ));
            continue;
        };
        covered.insert(source.jndi.as_str());
        if let Some(parameter) = jdbc::masked_parameter(&source.url) {
            findings.push(error(
                "secret-in-url",
                &node.name,
                format!("the JDBC URL of `{}` in {} holds a secret as parameter `{parameter}`", source.name, home.path),
                "move it out of the URL (a driver property or the password element), or set the whole url by [[config]]",
            ));
        }
        findings.extend(same_database(
            node,
            &database.name,
            &database.production.url,
            &source.url,
        ));
    }
    // A data source of another name that leads to a covered database is covered with it.
    let urls: Vec<&str> = home
        .datasources
        .iter()
        .filter(|source| covered.contains(source.jndi.as_str()))
        .map(|source| source.url.as_str())
        .collect();
    let places: BTreeSet<_> = urls.iter().filter_map(|url| jdbc::parse(url)).collect();
    for source in &home.datasources {
        if jdbc::parse(&source.url).is_some_and(|place| places.contains(&place)) {
            covered.insert(source.jndi.as_str());
        }
    }
    let used = home
        .user_datasource
        .iter()
        .chain(home.registry_datasources.values());
    for jndi in used
        .filter(|jndi| !covered.contains(jndi.as_str()))
        .collect::<BTreeSet<_>>()
    {
        findings.push(error(
            "database-left-out",
            &node.name,
            format!(
                "{} uses data source {jndi} for users or the registry, and no [[database]] covers it",
                home.path
            ),
            "add a [[database]] for it: a server on two databases must be upgraded on both",
        ));
    }
    findings
}

fn same_database(node: &PlanNode, name: &str, production: &str, jdbc_url: &str) -> Option<Finding> {
    let Some((engine, host, port, database)) = jdbc::parse(jdbc_url) else {
        return Some(error(
            "engine-unsupported",
            &node.name,
            format!("its data source for database `{name}` is {jdbc_url}"),
            "Cutover works on MySQL, MariaDB and PostgreSQL",
        ));
    };
    let target = cutover_database::Target::parse(production, secrecy::SecretString::from("")).ok()?;
    if engine != target.engine || database != target.database {
        return Some(error(
            "other-database",
            &node.name,
            format!("its data source for database `{name}` is {jdbc_url}, production is {target}"),
            "name the database that the servers really use as production",
        ));
    }
    let same_host =
        matches!(&target.host, cutover_database::target::Host::Tcp(h, p) if *h == host && *p == port);
    (!same_host).then(|| {
        finding(
            Severity::Warning,
            "other-host",
            &node.name,
            format!("its data source for database `{name}` names {host}:{port}, production is {target}"),
            "make sure that both are the same server; the session lists will show it before anything is changed",
        )
    })
}

fn room(inputs: &Inputs<'_>, node: &PlanNode) -> Vec<Finding> {
    let (Some(facts), Some(home)) = (&node.facts, node.home(&inputs.old_home(&node.name))) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let mut too_small = |what: &str, needed: u64, free: u64, remedy: &str| {
        if needed > free {
            findings.push(error(
                "no-room",
                &node.name,
                format!(
                    "{what} needs about {} MB, {} MB are free",
                    needed >> 20,
                    free >> 20
                ),
                remedy,
            ));
        }
    };
    too_small(
        "the backup of the home",
        home.bytes,
        facts.backup_free_bytes,
        "make room in the agent's backup_dir, or name another one",
    );
    too_small(
        "the new home",
        home.bytes,
        home.free_bytes,
        "make room on the file system of the homes",
    );
    findings
}

fn surroundings(inputs: &Inputs<'_>, node: &PlanNode) -> Vec<Finding> {
    let (Some(facts), Some(home)) = (&node.facts, node.home(&inputs.old_home(&node.name))) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    if facts.java_home.is_none() {
        findings.push(error(
            "no-java",
            &node.name,
            "the agent knows no Java to start servers with",
            "set java_home in the agent's policy on that host",
        ));
    }
    let mut warn = |code: &str, text: String, remedy: &str| {
        findings.push(finding(Severity::Warning, code, &node.name, text, remedy));
    };
    if home.server.is_none() {
        warn(
            "not-running",
            format!("the server of {} is not running", home.path),
            "nothing to do, if you know why; abort will not start it",
        );
    }
    for manager in &home.restart_managers {
        warn(
            "restart-manager",
            format!(
                "{manager} would start the server of {} by itself; the hold keeps it down while the run lasts and after it",
                home.path
            ),
            "let it start the new home from now on, before you release the old one",
        );
    }
    for problem in &home.problems {
        warn(
            "home-problem",
            problem.clone(),
            "look at the file named; the plan does not rely on it",
        );
    }
    findings
}

/// Each database must stand in one place of the upgrade only: two copies into one staging, or two migrations of one
/// production, would destroy each other's work.
fn one_database_twice(inputs: &Inputs<'_>) -> Vec<Finding> {
    let mut seen: BTreeMap<&str, String> = BTreeMap::new();
    let mut findings = Vec::new();
    for (name, probe) in inputs.databases {
        for (role, identity) in [
            ("production", &probe.production_identity),
            ("staging", &probe.staging_identity),
        ] {
            let place = format!("{role} of database `{name}`");
            if identity.is_empty() {
                continue;
            }
            if let Some(other) = seen
                .get(identity.as_str())
                .filter(|other| !other.ends_with(&format!("`{name}`")))
            {
                findings.push(error(
                    "database-twice",
                    inputs.file,
                    format!("{place} and {other} are one and the same database"),
                    "name each database once; several data sources may lead to it",
                ));
            }
            seen.insert(identity, place);
        }
    }
    findings
}

fn same_versions(inputs: &Inputs<'_>) -> Option<Finding> {
    let homes = inputs
        .nodes
        .iter()
        .filter_map(|node| node.home(&inputs.old_home(&node.name)));
    let versions: BTreeSet<&str> = homes
        .map(|home| home.version.as_str())
        .filter(|v| !v.is_empty())
        .collect();
    (versions.len() > 1).then(|| {
        error(
            "mixed-versions",
            inputs.file,
            format!(
                "the nodes run different versions: {}",
                versions.into_iter().collect::<Vec<_>>().join(", ")
            ),
            "bring them to one version first, or upgrade each group with its own file",
        )
    })
}
