//! The data sources of the old homes must be the databases of the upgrade: a script or a copy on another one would miss
//! the data, and a server on two databases must be upgraded on both.

use std::collections::{BTreeMap, BTreeSet};

use cutover_proto::facts::{DatasourceFacts, HomeFacts};
use cutover_proto::view::{Finding, Severity};

use crate::model::jdbc;
use crate::model::upgrade::UpgradeDatabase;
use crate::planner::{Inputs, PlanNode, error, finding, roles};

/// Findings about the data sources of one node's old home.
pub(super) fn of_node(inputs: &Inputs<'_>, node: &PlanNode) -> Vec<Finding> {
    let Some(home) = node.home(&inputs.old_home(&node.name)).filter(|home| home.exists) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let mut covered: Vec<&DatasourceFacts> = Vec::new();
    for database in &inputs.upgrade.databases {
        let Some(main) = roles::main_source(inputs.guide, database, home) else {
            findings.push(missing(inputs, node, home, database));
            continue;
        };
        covered.extend(roles::sources(inputs.guide, database, home));
        findings.extend(secret_in_url(node, home, main));
        findings.extend(same_database(
            node,
            &database.name,
            &database.production.url,
            &main.url,
        ));
    }
    findings.extend(left_out(inputs, node, home, &covered));
    findings
}

fn missing(inputs: &Inputs<'_>, node: &PlanNode, home: &HomeFacts, database: &UpgradeDatabase) -> Finding {
    let product = inputs.guide.product_database.as_ref();
    if let Some(product) = product.filter(|product| product.datasource == database.datasource) {
        return error(
            "datasource-missing",
            &node.name,
            format!(
                "no configuration of {} leads to the production of database `{}`, which is to hold {}",
                home.path, database.name, product.holds
            ),
            "name the database that the old servers really use for it as production",
        );
    }
    error(
        "datasource-missing",
        &node.name,
        format!(
            "{} has no data source `{}` (database `{}`)",
            home.path, database.datasource, database.name
        ),
        "correct `datasource`; `cutover node facts NODE` lists the data sources of each home",
    )
}

fn secret_in_url(node: &PlanNode, home: &HomeFacts, source: &DatasourceFacts) -> Option<Finding> {
    let parameter = jdbc::masked_parameter(&source.url)?;
    Some(error(
        "secret-in-url",
        &node.name,
        format!(
            "the JDBC URL of `{}` in {} holds a secret as parameter `{parameter}`",
            source.name, home.path
        ),
        "move it out of the URL (a driver property or the password element), or set the whole url by [[config]]",
    ))
}

/// Every database that a home uses for users, for the registry and its mounts, or for the product must be covered.
fn left_out(
    inputs: &Inputs<'_>,
    node: &PlanNode,
    home: &HomeFacts,
    covered: &[&DatasourceFacts],
) -> Vec<Finding> {
    let is_covered = |jndi: &str| covered.iter().any(|source| source.jndi == jndi);
    let used = uses(home).into_iter().filter(|(jndi, _)| !is_covered(jndi));
    let mut findings: Vec<Finding> = used
        .map(|(jndi, uses)| {
            let uses: Vec<String> = uses.into_iter().collect();
            let source = home.datasources.iter().find(|source| source.jndi == jndi);
            uncovered(inputs, node, home, jndi, source, &uses.join(" and "))
        })
        .collect();
    let others = home
        .other_databases
        .iter()
        .filter(|other| !covered.contains(other));
    findings.extend(others.map(|other| {
        let uses = format!("the product ({}, {})", other.name, other.file);
        uncovered(inputs, node, home, &other.url, Some(other), &uses)
    }));
    findings
}

/// JNDI names of a home, and what each is used for.
fn uses(home: &HomeFacts) -> BTreeMap<&str, BTreeSet<String>> {
    let mut used: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    if let Some(jndi) = &home.user_datasource {
        used.entry(jndi).or_default().insert("users".to_owned());
    }
    for (config, jndi) in &home.registry_datasources {
        let mounts = home
            .registry_mounts
            .iter()
            .filter(|mount| &mount.db_config == config);
        let paths: Vec<&str> = mounts.map(|mount| mount.path.as_str()).collect();
        let what = if paths.is_empty() {
            format!("the registry (dbConfig {config})")
        } else {
            format!("the registry mounted at {}", paths.join(", "))
        };
        used.entry(jndi).or_default().insert(what);
    }
    used
}

fn uncovered(
    inputs: &Inputs<'_>,
    node: &PlanNode,
    home: &HomeFacts,
    name: &str,
    source: Option<&DatasourceFacts>,
    uses: &str,
) -> Finding {
    match source {
        Some(source) if inputs.upgrade.leave.contains(&source.name) && is_embedded(source) => finding(
            Severity::Warning,
            "embedded-left",
            &node.name,
            format!(
                "{} keeps {uses} in its own embedded database ({}), which stays behind",
                home.path, source.url
            ),
            "the new home starts with an embedded database of its own, empty: what the old one holds is not brought over",
        ),
        Some(source) if jdbc::parse(&source.url).is_none() => error(
            "engine-unsupported",
            &node.name,
            format!("{} uses {} for {uses}: {}", home.path, source.name, source.url),
            format!(
                "Cutover works on MySQL, MariaDB and PostgreSQL: move this database there before the upgrade; or, if it \
                 is embedded and the new home may start with an empty one, write [copy] leave = [\"{}\"]",
                source.name
            ),
        ),
        Some(_) | None => error(
            "database-left-out",
            &node.name,
            format!(
                "{} uses {name} for {uses}, and no [[database]] covers it",
                home.path
            ),
            "add a [[database]] for it: a server on two databases must be upgraded on both",
        ),
    }
}

/// A database in the home itself, of that node alone.
fn is_embedded(source: &DatasourceFacts) -> bool {
    source.url.starts_with("jdbc:h2:") && !source.url.contains("tcp:") && !source.url.contains("ssl:")
}

/// What the upgrade file leaves behind must be there, embedded, and in use.
pub(super) fn idle_answers(inputs: &Inputs<'_>) -> Vec<Finding> {
    let homes: Vec<&HomeFacts> = inputs
        .nodes
        .iter()
        .filter_map(|node| node.home(&inputs.old_home(&node.name)))
        .collect();
    let there = |name: &String| {
        let mut sources = homes
            .iter()
            .flat_map(|home| home.datasources.iter().chain(&home.other_databases));
        sources.any(|source| &source.name == name && is_embedded(source))
    };
    let idle = inputs.upgrade.leave.iter().filter(|name| !there(name));
    idle.map(|name| {
        error(
            "leave-answer",
            inputs.file,
            format!("copy.leave names `{name}`, and no old home has an embedded database under that name"),
            "remove it there; only a node's own embedded database (H2) can be left behind",
        )
    })
    .collect()
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

/// Each database must stand in one place of the upgrade only: two copies into one staging, or two migrations of one
/// production, would destroy each other's work.
pub(super) fn twice(inputs: &Inputs<'_>) -> Vec<Finding> {
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
