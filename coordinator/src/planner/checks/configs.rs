//! Configuration files: readable where the plan edits them, with one data source of each name, and no file that Carbon
//! would load by surprise.

use std::collections::{BTreeMap, BTreeSet};

use cutover_proto::facts::{DatasourceFacts, HomeFacts};
use cutover_proto::view::{Finding, Severity};

use crate::planner::{Inputs, PlanNode, edits, error, finding, roles};

/// Findings about the configuration of a node's homes.
pub(super) fn of_node(inputs: &Inputs<'_>, node: &PlanNode) -> Vec<Finding> {
    let old = node.home(&inputs.old_home(&node.name)).filter(|home| home.exists);
    let new = node.home(&inputs.new_home(&node.name)).filter(|home| home.exists);
    let mut findings = Vec::new();
    for home in old.into_iter().chain(new) {
        findings.extend(problems(inputs, node, home));
        findings.extend(named_twice(inputs, node, home));
    }
    if let Some(new) = new {
        findings.extend(production_in_new(inputs, node, new));
    }
    if let Some(old) = old {
        findings.extend(extra_files(node, old, new));
    }
    findings
}

/// What the agent could not read. A file that the plan edits, or takes values from, must be readable.
fn problems(inputs: &Inputs<'_>, node: &PlanNode, home: &HomeFacts) -> Vec<Finding> {
    let guide = inputs
        .guide
        .edits
        .iter()
        .flat_map(|edit| std::iter::once(&edit.file).chain(&edit.elsewhere));
    let site = inputs.upgrade.configs.iter().map(|config| &config.file);
    let relied: BTreeSet<&String> = guide.chain(site).collect();
    let about = |problem: &str, file: &str| {
        problem
            .strip_prefix(file)
            .is_some_and(|rest| rest.starts_with([':', ' ']))
    };
    let each = home.problems.iter().map(|problem| {
        if relied.iter().any(|file| about(problem, file)) {
            error(
                "config-unreadable",
                &node.name,
                format!("in {}: {problem}", home.path),
                "correct the file: the plan edits it, and a server could not read it either",
            )
        } else {
            let remedy = "look at the file named; the plan does not rely on it";
            finding(
                Severity::Warning,
                "home-problem",
                &node.name,
                format!("in {}: {problem}", home.path),
                remedy,
            )
        }
    });
    each.collect()
}

/// Two data sources of one name, or two of one JNDI name that lead to different databases: nobody could tell which one
/// counts, and an edit of one would leave the other.
fn named_twice(inputs: &Inputs<'_>, node: &PlanNode, home: &HomeFacts) -> Vec<Finding> {
    let wanted: BTreeSet<&String> = inputs
        .upgrade
        .databases
        .iter()
        .map(|database| &database.datasource)
        .collect();
    let used: BTreeSet<&String> = home
        .user_datasource
        .iter()
        .chain(home.registry_datasources.values())
        .collect();
    let mut by_name: BTreeMap<&String, Vec<&DatasourceFacts>> = BTreeMap::new();
    let mut by_jndi: BTreeMap<&String, Vec<&DatasourceFacts>> = BTreeMap::new();
    for source in &home.datasources {
        by_name.entry(&source.name).or_default().push(source);
        by_jndi.entry(&source.jndi).or_default().push(source);
    }
    let names = by_name
        .into_iter()
        .filter(|(name, sources)| wanted.contains(name) && sources.len() > 1);
    let jndis = by_jndi.into_iter().filter(|(jndi, sources)| {
        let places: BTreeSet<&String> = sources.iter().map(|source| &source.url).collect();
        used.contains(jndi) && places.len() > 1
    });
    names
        .chain(jndis)
        .map(|(name, sources)| {
            let files: Vec<&str> = sources.iter().map(|source| source.file.as_str()).collect();
            error(
                "datasource-twice",
                &node.name,
                format!("{} has {} data sources `{name}`: in {}", home.path, sources.len(), files.join(" and ")),
                "keep one of them; Carbon loads every *-datasources.xml, so a backup there must be called .bak",
            )
        })
        .collect()
}

/// A data source of the new home that leads to production, and that no edit turns to staging.
fn production_in_new(inputs: &Inputs<'_>, node: &PlanNode, new: &HomeFacts) -> Vec<Finding> {
    let old = node.home(&inputs.old_home(&node.name));
    let stray = new.datasources.iter().filter(|source| {
        roles::production_at(inputs, &source.url).is_some()
            && !roles::sets_url(&edits::of_file(inputs, node, &source.file, old), source)
    });
    stray
        .map(|source| {
            let remedy = if source.file == roles::MASTER_DATASOURCES {
                "remove the data source, or set its url by [[config]]: no edit of the plan does, and the new version must \
                 not be connected to a database that is not upgraded"
            } else {
                "remove the file or call it .bak: Carbon loads every *-datasources.xml, and the new version must not be \
                 connected to a database that is not upgraded"
            };
            error(
                "new-home-on-production",
                &node.name,
                format!("{}/{} has data source `{}` on production", new.path, source.file, source.name),
                remedy,
            )
        })
        .collect()
}

/// Data source files beside the one that the plan edits. What the new version ships itself is no surprise.
fn extra_files(node: &PlanNode, old: &HomeFacts, new: Option<&HomeFacts>) -> Vec<Finding> {
    let shipped = |file: &&String| new.is_some_and(|new| new.extra_datasource_files.contains(file));
    let extra = old.extra_datasource_files.iter().filter(|file| !shipped(file));
    extra
        .map(|file| {
            let sources = old.datasources.iter().filter(|source| source.file.ends_with(file.as_str()));
            let names: Vec<&str> = sources.map(|source| source.name.as_str()).collect();
            finding(
                Severity::Warning,
                "extra-datasource-file",
                &node.name,
                format!("{} loads {file} beside master-datasources.xml ({})", old.path, names.join(", ")),
                "it is not copied unless [[decide]] says so: if it is a backup, nothing is lost; if applications use it, set its data sources in \
                 the new home's master-datasources.xml by [[config]]",
            )
        })
        .collect()
}
