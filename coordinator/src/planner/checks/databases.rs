//! The data sources of the old homes must be the databases of the upgrade: a script or a copy on another one would miss
//! the data, and a server on two databases must be upgraded on both.

use std::collections::{BTreeMap, BTreeSet};

use cutover_database::target::Host;
use cutover_proto::facts::{DatabaseUse, DatasourceFacts, HomeFacts, NamedBy};
use cutover_proto::view::{Finding, Severity};

use crate::model::jdbc;
use crate::model::upgrade::UpgradeDatabase;
use crate::planner::{Inputs, PlanNode, edits, error, finding, roles};

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
        let sources = roles::sources(inputs.guide, database, home);
        for source in &sources {
            findings.extend(unfit_parameter(inputs, node, home, source));
        }
        covered.extend(sources);
        findings.extend(same_database(node, database, &main.url));
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

/// A parameter of the old URL that must not go to the new home with it.
fn unfit_parameter(
    inputs: &Inputs<'_>,
    node: &PlanNode,
    home: &HomeFacts,
    source: &DatasourceFacts,
) -> Option<Finding> {
    let set = edits::site_edits(inputs, node).remove(roles::MASTER_DATASOURCES);
    if roles::sets_url(&set.unwrap_or_default(), source) {
        return None;
    }
    let url = format!("the JDBC URL of `{}` in {}", source.name, home.path);
    if let Some(parameter) = jdbc::masked_parameter(&source.url) {
        return Some(error(
            "secret-in-url",
            &node.name,
            format!("{url} holds a secret as parameter `{parameter}`"),
            "move it out of the URL (a driver property or the password element), or put the whole new url into a file that \
             only the coordinator reads and set it by [[config]] with \"file:/PATH\" as its value",
        ));
    }
    let parameter = jdbc::parameter_within(&source.url, home.path.trim_end_matches('/'))?;
    Some(error(
        "old-home-in-url",
        &node.name,
        format!(
            "{url} names the old home in parameter `{parameter}`, which the new server must not depend on"
        ),
        "drop the parameter or put the file elsewhere in the old home's URL, or set the whole url by [[config]]",
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
    for named in &home.named_databases {
        if let (DatabaseUse::PrimaryStore, NamedBy::Jndi(jndi)) = (&named.used_for, &named.by) {
            used.entry(jndi)
                .or_default()
                .insert("users (the primary user store)".to_owned());
        }
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

fn same_database(node: &PlanNode, asked: &UpgradeDatabase, jdbc_url: &str) -> Option<Finding> {
    let name = &asked.name;
    let Some((engine, host, port, database)) = jdbc::parse(jdbc_url) else {
        return Some(error(
            "engine-unsupported",
            &node.name,
            format!("its data source for database `{name}` is {jdbc_url}"),
            "Cutover works on MySQL, MariaDB and PostgreSQL",
        ));
    };
    let target =
        cutover_database::Target::parse(&asked.production.url, secrecy::SecretString::from("")).ok()?;
    if engine != target.engine || database != target.database {
        return Some(error(
            "other-database",
            &node.name,
            format!("its data source for database `{name}` is {jdbc_url}, production is {target}"),
            "name the database that the servers really use as production",
        ));
    }
    (!is_same_server(&target.host, &host, port)).then(|| other_host(node, asked, &host, port, &target))
}

/// Another name of a server proves nothing: a production of the same name on another server would be fenced, copied and
/// migrated while the data of the servers stays behind.
fn other_host(
    node: &PlanNode,
    asked: &UpgradeDatabase,
    host: &str,
    port: u16,
    target: &cutover_database::Target,
) -> Finding {
    let name = &asked.name;
    let text = format!("its data source for database `{name}` names {host}:{port}, production is {target}");
    if asked.same_server {
        let remedy = "nothing, if that is so: the upgrade file says that both are one server (same_server)";
        return finding(Severity::Note, "other-host", &node.name, text, remedy);
    }
    error(
        "other-host",
        &node.name,
        text,
        format!(
            "name {host}:{port} in the URL of production; or, when you have checked that it is this server, add same_server \
             = true to database `{name}`"
        ),
    )
}

/// Whether both name one server in the same words; a socket and the loopback names all mean the host itself.
fn is_same_server(production: &Host, host: &str, port: u16) -> bool {
    let is_local = |host: &str| ["localhost", "127.0.0.1", "::1", "[::1]"].contains(&host);
    match production {
        Host::Tcp(name, at) => {
            *at == port && (name.eq_ignore_ascii_case(host) || (is_local(name) && is_local(host)))
        }
        Host::Socket(_, at) => *at == port && is_local(host),
    }
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
