//! What the old homes use each database of the upgrade for: users, registry, the product's own data. One database may
//! have several roles, and a role may be spread over several data sources.

use std::collections::{BTreeMap, BTreeSet};

use cutover_database::target::Host;
use cutover_database::{Engine, Target};
use cutover_proto::facts::{DatabaseUse, DatasourceFacts, HomeFacts, NamedBy};
use cutover_proto::step::XmlEdit;
use secrecy::SecretString;

use super::Inputs;
use super::config::paths::Steps;
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
    // A user store with a database of its own has the same tables there.
    let in_store = home
        .named_databases
        .iter()
        .any(|named| match (&named.used_for, &named.by) {
            (
                DatabaseUse::Realm | DatabaseUse::PrimaryStore | DatabaseUse::SecondaryStore,
                NamedBy::Jndi(jndi),
            ) => is_source(jndi),
            (_, NamedBy::Url(_)) | (DatabaseUse::Registry(_), NamedBy::Jndi(_)) => false,
        });
    if in_store || home.user_datasource.as_ref().is_some_and(is_source) {
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
/// server has many; the checks see to it that somebody knows.
#[must_use]
pub fn leads_to(url: &str, database: &UpgradeDatabase) -> bool {
    let Some((engine, _, _, name)) = jdbc::parse(url) else {
        return false;
    };
    production(database).is_some_and(|target| target.engine == engine && target.database == name)
}

/// The production that a JDBC URL leads to, as words. One server has many names, so hosts are not compared; only
/// staging itself may bear production's name on another server.
#[must_use]
pub fn production_at(inputs: &Inputs<'_>, url: &str) -> Option<String> {
    let (engine, name) = jdbc::names(url)?;
    if is_staging(inputs, url) {
        return None;
    }
    let databases = inputs.upgrade.databases.iter();
    let mut targets = databases.filter_map(production);
    let target = targets.find(|target| target.engine == engine && target.database == name)?;
    Some(target.to_string())
}

/// Whether a JDBC URL leads to a staging database of the upgrade.
#[must_use]
pub fn is_staging(inputs: &Inputs<'_>, url: &str) -> bool {
    let place = jdbc::parse(url);
    let mut databases = inputs.upgrade.databases.iter();
    place.is_some() && databases.any(|database| place == target(&database.staging.url).map(place_of))
}

/// Engine, host, port and name, as a JDBC URL says them.
fn place_of(target: Target) -> (Engine, String, u16, String) {
    match target.host {
        Host::Tcp(host, port) => (target.engine, host, port, target.database),
        // Java drivers have no Unix sockets.
        Host::Socket(_, port) => (target.engine, "localhost".to_owned(), port, target.database),
    }
}

/// Whether the plan's edits set the URL of a data source of a file.
#[must_use]
pub fn sets_url(edits: &[XmlEdit], source: &DatasourceFacts) -> bool {
    let place = format!(
        "/datasources-configuration/datasources/datasource[name='{}']",
        source.name
    );
    let place = Steps::of(&place);
    edits.iter().any(|edit| {
        let path = Steps::of(&edit.path);
        place.above(&path) && path.last_name().eq_ignore_ascii_case("url")
    })
}

fn production(database: &UpgradeDatabase) -> Option<Target> {
    target(&database.production.url)
}

fn target(url: &str) -> Option<Target> {
    // The address was checked when the upgrade file was read; nothing connects here, so no password is needed.
    Target::parse(url, SecretString::from("")).ok()
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
