//! The values that go into the new home's configuration.

use std::collections::BTreeMap;

use cutover_database::{Engine, Target};
use cutover_proto::facts::{DatasourceFacts, HomeFacts};
use cutover_proto::step::{ConfigValue, SecretRef, XmlEdit};
use secrecy::SecretString;

use super::{Inputs, PlanNode};
use crate::guide::{EditValue, GuideEdit};
use crate::model::jdbc;
use crate::model::upgrade::UpgradeDatabase;

/// The edits of one file for one node: those of the guide, then those of the site.
#[must_use]
pub fn edits_of(inputs: &Inputs<'_>, edit: &GuideEdit, old: Option<&HomeFacts>) -> Vec<XmlEdit> {
    let mut edits = Vec::new();
    if edit.set.keys().any(|path| path.contains("{datasource}")) {
        for database in &inputs.upgrade.databases {
            edits.extend(edits_for(edit, database, old));
        }
    } else if let Some(database) = primary(inputs, old, &edit.file) {
        edits.extend(edits_for(edit, database, old));
    }
    edits
}

/// Edits that only the site asks for on a node, by file.
#[must_use]
pub fn site_edits(inputs: &Inputs<'_>, node: &PlanNode) -> BTreeMap<String, Vec<XmlEdit>> {
    let mut files: BTreeMap<String, Vec<XmlEdit>> = BTreeMap::new();
    for config in &inputs.upgrade.configs {
        let edits = config.set.iter().map(|(path, value)| XmlEdit {
            path: path.clone(),
            value: site_value(node, value),
            only_if_present: false,
        });
        files.entry(config.file.clone()).or_default().extend(edits);
    }
    files
}

fn site_value(node: &PlanNode, value: &str) -> ConfigValue {
    if crate::secrets::is_reference(value) {
        ConfigValue::Secret(SecretRef(value.to_owned()))
    } else {
        ConfigValue::Literal(node.site_value(value))
    }
}

/// The database whose JNDI name a file refers to: the one that the old home used there, else the first.
fn primary<'a>(inputs: &'a Inputs<'_>, old: Option<&HomeFacts>, file: &str) -> Option<&'a UpgradeDatabase> {
    let wanted = old.and_then(|home| {
        if file.ends_with("registry.xml") {
            home.registry_current
                .as_ref()
                .and_then(|name| home.registry_datasources.get(name))
                .cloned()
        } else {
            home.user_datasource.clone()
        }
    });
    let of_old = |database: &UpgradeDatabase| datasource(database, old).map(|facts| facts.jndi.clone());
    inputs
        .upgrade
        .databases
        .iter()
        .find(|database| wanted.is_some() && of_old(database) == wanted)
        .or_else(|| inputs.upgrade.databases.first())
}

/// What the old home says of a database's data source.
#[must_use]
pub fn datasource<'a>(database: &UpgradeDatabase, old: Option<&'a HomeFacts>) -> Option<&'a DatasourceFacts> {
    old?.datasources
        .iter()
        .find(|facts| facts.name == database.datasource)
}

fn edits_for(edit: &GuideEdit, database: &UpgradeDatabase, old: Option<&HomeFacts>) -> Vec<XmlEdit> {
    // The address was checked when the upgrade file was read; nothing connects here, so no password is needed.
    let Ok(target) = Target::parse(&database.staging.url, SecretString::from("")) else {
        return Vec::new();
    };
    let facts = datasource(database, old);
    edit.set
        .iter()
        .map(|(path, value)| XmlEdit {
            path: path.replace("{datasource}", &database.datasource),
            value: value_of(*value, database, &target, facts),
            only_if_present: false,
        })
        .collect()
}

fn value_of(
    value: EditValue,
    database: &UpgradeDatabase,
    target: &Target,
    facts: Option<&DatasourceFacts>,
) -> ConfigValue {
    let engine_of_old = facts
        .and_then(|facts| jdbc::parse(&facts.url))
        .map(|(engine, ..)| engine);
    let literal = match value {
        EditValue::StagingPassword => {
            let reference = database
                .application
                .as_ref()
                .map_or(&database.staging.password, |a| &a.password);
            return ConfigValue::Secret(reference.clone());
        }
        EditValue::StagingUrl => jdbc::url(target, facts.map(|facts| facts.url.as_str())),
        EditValue::StagingUser => database
            .application
            .as_ref()
            .map_or_else(|| target.user.clone(), |access| access.user.clone()),
        EditValue::Driver => match facts.filter(|_| engine_of_old == Some(target.engine)) {
            Some(facts) if !facts.driver.is_empty() => facts.driver.clone(),
            Some(_) | None => default_driver(target.engine).to_owned(),
        },
        EditValue::ValidationQuery => "SELECT 1".to_owned(),
        EditValue::Jndi => facts.map_or_else(|| "jdbc/WSO2CarbonDB".to_owned(), |facts| facts.jndi.clone()),
    };
    ConfigValue::Literal(literal)
}

fn default_driver(engine: Engine) -> &'static str {
    match engine {
        Engine::MySql => "com.mysql.jdbc.Driver",
        Engine::Postgres => "org.postgresql.Driver",
    }
}
