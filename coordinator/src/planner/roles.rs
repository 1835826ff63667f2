//! What the old homes use each database of the upgrade for: users, registry, the product's own data. One database may
//! have several roles, and a role may be spread over several data sources.

use std::collections::{BTreeMap, BTreeSet};

use cutover_database::target::Host;
use cutover_database::{Engine, Target};
use cutover_proto::facts::{DatasourceFacts, HomeFacts};
use secrecy::SecretString;

use super::Inputs;
use crate::guide::{Guide, Role};
use crate::model::jdbc;
use crate::model::upgrade::UpgradeDatabase;

/// Where Carbon servers have their data sources.
pub const MASTER_DATASOURCES: &str = "repository/conf/datasources/master-datasources.xml";

/// The roles of each database of the upgrade, taken from the old homes of all nodes.
#[must_use]
pub fn of(inputs: &Inputs<'_>) -> BTreeMap<String, BTreeSet<Role>> {
    let mut roles: BTreeMap<String, BTreeSet<Role>> = BTreeMap::new();
    for database in &inputs.upgrade.databases {
        let found = roles.entry(database.name.clone()).or_default();
        for node in inputs.nodes {
            if let Some(home) = node.home(&inputs.old_home(&node.name)) {
                found.extend(in_home(inputs.guide, database, home));
            }
        }
    }
    roles
}

/// The roles that a database has in one home.
fn in_home(guide: &Guide, database: &UpgradeDatabase, home: &HomeFacts) -> BTreeSet<Role> {
    let sources = sources(guide, database, home);
    let is_source = |jndi: &String| sources.iter().any(|source| &source.jndi == jndi);
    let mut roles = BTreeSet::new();
    if home.user_datasource.as_ref().is_some_and(is_source) {
        roles.insert(Role::UserManagement);
    }
    if home.registry_datasources.values().any(is_source) {
        roles.insert(Role::Registry);
    }
    if is_product(guide, database) || sources.iter().any(|source| home.other_databases.contains(source)) {
        roles.insert(Role::Product);
    }
    roles
}

/// Whether the upgrade file names this database by the data source that the new version has for its own data.
fn is_product(guide: &Guide, database: &UpgradeDatabase) -> bool {
    let product = guide.product_database.as_ref();
    product.is_some_and(|product| product.datasource == database.datasource)
}

/// The data source that the upgrade file names for a database; for the product's own database, which an old home may
/// name otherwise, the place in its configuration that leads there.
#[must_use]
pub fn main_source<'a>(
    guide: &Guide,
    database: &UpgradeDatabase,
    home: &'a HomeFacts,
) -> Option<&'a DatasourceFacts> {
    let named = home
        .datasources
        .iter()
        .find(|source| source.name == database.datasource);
    let elsewhere = || {
        let here = is_product(guide, database);
        home.other_databases
            .iter()
            .find(|source| here && leads_to(&source.url, database))
    };
    named.or_else(elsewhere)
}

/// Every data source of a home that leads to a database: the one that the upgrade file names, and those of other names.
#[must_use]
pub fn sources<'a>(
    guide: &Guide,
    database: &UpgradeDatabase,
    home: &'a HomeFacts,
) -> Vec<&'a DatasourceFacts> {
    let Some(main) = main_source(guide, database, home) else {
        return Vec::new();
    };
    let place = jdbc::parse(&main.url);
    let others = home.datasources.iter().chain(&home.other_databases);
    let same =
        others.filter(|source| *source != main && place.is_some() && jdbc::parse(&source.url) == place);
    std::iter::once(main).chain(same).collect()
}

/// Whether a JDBC URL leads to the production database that the upgrade file names. Host names are not compared: one
/// server has many, and the session lists show which it is.
#[must_use]
pub fn leads_to(url: &str, database: &UpgradeDatabase) -> bool {
    let Some((engine, _, _, name)) = jdbc::parse(url) else {
        return false;
    };
    production(database).is_some_and(|target| target.engine == engine && target.database == name)
}

/// Engine, host, port and name of the production database, as a JDBC URL of its servers would say.
#[must_use]
pub fn place(database: &UpgradeDatabase) -> Option<(Engine, String, u16, String)> {
    let target = production(database)?;
    match target.host {
        Host::Tcp(host, port) => Some((target.engine, host, port, target.database)),
        Host::Socket(_, port) => Some((target.engine, "localhost".to_owned(), port, target.database)),
    }
}

fn production(database: &UpgradeDatabase) -> Option<Target> {
    // The address was checked when the upgrade file was read; nothing connects here, so no password is needed.
    Target::parse(&database.production.url, SecretString::from("")).ok()
}

/// The database that a data source of a home leads to, by its JNDI name, and that data source.
#[must_use]
pub fn by_jndi<'i, 'h>(
    inputs: &'i Inputs<'_>,
    home: &'h HomeFacts,
    jndi: &str,
) -> Option<(&'i UpgradeDatabase, &'h DatasourceFacts)> {
    inputs.upgrade.databases.iter().find_map(|database| {
        let sources = sources(inputs.guide, database, home);
        Some((database, sources.into_iter().find(|source| source.jndi == jndi)?))
    })
}
