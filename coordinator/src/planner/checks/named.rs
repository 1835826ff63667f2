//! Databases that an old home names past its data sources: what no data source leads to is neither migrated nor copied,
//! and a server that finds it again in its new home works on production or on an old schema.

use cutover_proto::facts::{DatabaseUse, HomeFacts, NamedBy, NamedDatabase};
use cutover_proto::view::Finding;

use crate::planner::{Inputs, PlanNode, error, roles};

const ONE_SOURCE: &str = "name the database there by exactly one data source (its JNDI name in master-datasources.xml), see \
     that the old server still works with it, and plan again: what no data source leads to would not be upgraded";

/// Findings about one node's old home.
pub(super) fn of_node(inputs: &Inputs<'_>, node: &PlanNode) -> Vec<Finding> {
    let Some(home) = node.home(&inputs.old_home(&node.name)).filter(|home| home.exists) else {
        return Vec::new();
    };
    let mut findings: Vec<Finding> = users(node, home).into_iter().collect();
    findings.extend(registry(node, home));
    let named = home.named_databases.iter();
    findings.extend(named.filter_map(|named| match (&named.used_for, &named.by) {
        (DatabaseUse::SecondaryStore, _) => store(inputs, node, home, named),
        (DatabaseUse::Realm | DatabaseUse::PrimaryStore | DatabaseUse::Registry(_), NamedBy::Url(url)) => {
            Some(inline(node, home, named, url))
        }
        // A data source like any other: it must be covered.
        (DatabaseUse::Realm | DatabaseUse::PrimaryStore | DatabaseUse::Registry(_), NamedBy::Jndi(_)) => None,
    }));
    findings
}

fn users(node: &PlanNode, home: &HomeFacts) -> Option<Finding> {
    home.user_datasource.is_none().then(|| {
        error(
            "users-source-missing",
            &node.name,
            format!(
                "{} names no data source for users, or more than one: repository/conf/user-mgt.xml must have one \
                 Property name=\"dataSource\" in its Configuration",
                home.path
            ),
            ONE_SOURCE,
        )
    })
}

fn registry(node: &PlanNode, home: &HomeFacts) -> Vec<Finding> {
    let refused = |text: String| {
        let text = format!("{}: repository/conf/registry.xml {text}", home.path);
        error("registry-source-missing", &node.name, text, ONE_SOURCE)
    };
    let without = |config: &String| !home.registry_datasources.contains_key(config);
    let current = match &home.registry_current {
        None => Some("has no currentDBConfig, or more than one".to_owned()),
        Some(config) if without(config) => Some(format!(
            "uses dbConfig `{config}`, which names no data source, or more than one"
        )),
        Some(_) => None,
    };
    let mounts = home.registry_mounts.iter();
    let mounts = mounts.filter(|mount| !mount.db_config.is_empty() && without(&mount.db_config));
    let mounts = mounts.map(|mount| {
        format!(
            "mounts {} from dbConfig `{}`, which names no data source, or more than one",
            mount.path, mount.db_config
        )
    });
    current.into_iter().chain(mounts).map(refused).collect()
}

fn inline(node: &PlanNode, home: &HomeFacts, named: &NamedDatabase, url: &str) -> Finding {
    let what = match &named.used_for {
        DatabaseUse::Realm => "the database of users".to_owned(),
        DatabaseUse::PrimaryStore => "the database of the primary user store".to_owned(),
        DatabaseUse::SecondaryStore => "the database of a user store".to_owned(),
        DatabaseUse::Registry(config) => format!("the database of dbConfig `{config}`"),
    };
    error(
        "inline-database",
        &node.name,
        format!(
            "{}/{} names {what} by an inline url: {url}",
            home.path, named.file
        ),
        ONE_SOURCE,
    )
}

/// A secondary user store goes to the new home as it is, with the database that it names.
fn store(inputs: &Inputs<'_>, node: &PlanNode, home: &HomeFacts, named: &NamedDatabase) -> Option<Finding> {
    if !is_copied(inputs, &named.file) {
        return None;
    }
    let mut databases = inputs.upgrade.databases.iter();
    let (place, production) = match &named.by {
        NamedBy::Jndi(jndi) if roles::by_jndi(inputs, home, jndi).is_some() => return None,
        NamedBy::Jndi(jndi) => (format!("data source {jndi}"), false),
        NamedBy::Url(url) => (
            url.clone(),
            databases.any(|database| roles::leads_to(url, database)),
        ),
    };
    let store = format!("{}/{} is a user store on {place}", home.path, named.file);
    if production {
        return Some(error(
            "user-store-on-production",
            &node.name,
            format!("{store}: its copy would lead the new server to production"),
            "let the store name its database by Property name=\"dataSource\" with the JNDI name of a data source that a \
             [[database]] covers, or set its Property name=\"Disabled\" to true, and plan again",
        ));
    }
    (!inputs.upgrade.user_stores.contains(&named.file)).then(|| {
        error(
            "user-store-left-out",
            &node.name,
            format!("{store}, and no [[database]] covers it"),
            format!(
                "name it by a data source and add a [[database]] for that; or set its Property name=\"Disabled\" to true; or, \
                 if the new version may use that database as it is, write [copy] user_stores = [\"{}\"]",
                named.file
            ),
        )
    })
}

fn is_copied(inputs: &Inputs<'_>, file: &str) -> bool {
    let beneath = |folder: &str| {
        file.strip_prefix(folder.trim_end_matches('/'))
            .is_some_and(|rest| rest.starts_with('/'))
    };
    let mut directories = inputs.guide.directories.iter();
    directories.any(|directory| beneath(&directory.path) && (!directory.tenants || inputs.copies_tenants()))
}

/// Answers about user stores that no old home has.
pub(super) fn idle_answers(inputs: &Inputs<'_>) -> Vec<Finding> {
    let there = |file: &String| {
        let mut homes = inputs
            .nodes
            .iter()
            .filter_map(|node| node.home(&inputs.old_home(&node.name)));
        homes.any(|home| {
            let mut stores = home.named_databases.iter();
            stores.any(|named| named.used_for == DatabaseUse::SecondaryStore && &named.file == file)
        })
    };
    let idle = inputs.upgrade.user_stores.iter().filter(|file| !there(file));
    idle.map(|file| {
        error(
            "user-store-answer",
            inputs.file,
            format!("copy.user_stores names {file}, and no old home has such a user store with a database of its own"),
            "correct the path (from the home, as in repository/deployment/server/userstores/NAME.xml), or remove it",
        )
    })
    .collect()
}
