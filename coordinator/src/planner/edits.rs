//! The values that go into the new home's configuration.

use std::collections::{BTreeMap, BTreeSet};

use cutover_database::{Engine, Target};
use cutover_proto::facts::{DatasourceFacts, HomeFacts};
use cutover_proto::step::{ConfigValue, SecretRef, XmlEdit};
use secrecy::SecretString;

use super::{Inputs, PlanNode, roles};
use crate::guide::{EditFor, EditValue, GuideEdit, Role, Setting};
use crate::model::jdbc;
use crate::model::upgrade::UpgradeDatabase;

/// What the values of an edit are taken from, and what stands in for the names in braces.
#[derive(Default)]
struct Subject<'a> {
    database: Option<&'a UpgradeDatabase>,
    facts: Option<&'a DatasourceFacts>,
    jndi: String,
    names: Vec<(&'static str, String)>,
    index: Option<String>,
}

impl<'a> Subject<'a> {
    fn new(database: &'a UpgradeDatabase, facts: Option<&'a DatasourceFacts>) -> Self {
        let name = facts.map_or(&database.datasource, |facts| &facts.name);
        Self {
            database: Some(database),
            facts,
            jndi: facts.map_or_else(|| "jdbc/WSO2CarbonDB".to_owned(), |facts| facts.jndi.clone()),
            names: vec![("{datasource}", name.clone())],
            index: None,
        }
    }
}

/// The edits of one file for one node.
#[must_use]
pub fn edits_of(inputs: &Inputs<'_>, edit: &GuideEdit, old: Option<&HomeFacts>) -> Vec<XmlEdit> {
    let subjects = subjects(inputs, edit.subject, old);
    let each = subjects.iter().flat_map(|subject| {
        let settings = edit.set.iter();
        settings.filter_map(|(path, setting)| set(path, setting, subject))
    });
    each.collect()
}

fn subjects<'a>(inputs: &'a Inputs<'_>, what: EditFor, old: Option<&'a HomeFacts>) -> Vec<Subject<'a>> {
    match what {
        EditFor::Home => vec![Subject::default()],
        EditFor::DataSources => data_sources(inputs, old),
        EditFor::UserManagement => referred(inputs, old, |home| home.user_datasource.as_ref()),
        EditFor::Registry => referred(inputs, old, |home| {
            let current = home.registry_current.as_ref()?;
            home.registry_datasources.get(current)
        }),
        EditFor::Product => product(inputs, old).into_iter().collect(),
        EditFor::Mounts => old.map(|home| mounts(inputs, home)).unwrap_or_default(),
        EditFor::Index => {
            let location = old.and_then(|home| home.index_location.as_ref());
            let fresh =
                location.map(|location| format!("{}-{}", location.trim_end_matches('/'), inputs.guide.name));
            let subject = |index| Subject {
                index: Some(index),
                ..Subject::default()
            };
            fresh.map(subject).into_iter().collect()
        }
    }
}

/// Every data source that leads to a database of the upgrade: one that stayed behind would keep the new server on
/// production.
fn data_sources<'a>(inputs: &'a Inputs<'_>, old: Option<&'a HomeFacts>) -> Vec<Subject<'a>> {
    let databases = inputs.upgrade.databases.iter();
    let Some(home) = old else {
        return databases.map(|database| Subject::new(database, None)).collect();
    };
    let of_home = |database: &'a UpgradeDatabase| {
        let sources = roles::sources(inputs.guide, database, home).into_iter();
        sources
            .filter(|source| !source.jndi.is_empty() && !home.other_databases.contains(source))
            .filter(|source| source.file == roles::MASTER_DATASOURCES || source.name == database.datasource)
            .map(|source| Subject::new(database, Some(source)))
            .collect::<Vec<_>>()
    };
    databases.flat_map(of_home).collect()
}

/// The database that a file of the old home refers to by JNDI name.
fn referred<'a>(
    inputs: &'a Inputs<'_>,
    old: Option<&'a HomeFacts>,
    jndi: impl Fn(&'a HomeFacts) -> Option<&'a String>,
) -> Vec<Subject<'a>> {
    let found = old.and_then(|home| roles::by_jndi(inputs, home, jndi(home)?));
    found
        .map(|(database, source)| Subject::new(database, Some(source)))
        .into_iter()
        .collect()
}

/// The product's own database, under the name that the new version has for it.
fn product<'a>(inputs: &'a Inputs<'_>, old: Option<&'a HomeFacts>) -> Option<Subject<'a>> {
    let known = inputs.guide.product_database.as_ref()?;
    let all = roles::of(inputs);
    let has_role = |database: &&UpgradeDatabase| {
        all.get(&database.name)
            .is_some_and(|r| r.contains(&Role::Product))
    };
    let database = inputs.upgrade.databases.iter().find(has_role)?;
    let facts = old.and_then(|home| {
        let sources = roles::sources(inputs.guide, database, home);
        let other = sources
            .iter()
            .find(|source| home.other_databases.contains(source))
            .copied();
        other.or_else(|| sources.first().copied())
    });
    Some(Subject {
        database: Some(database),
        facts,
        jndi: known.jndi.clone(),
        names: vec![("{datasource}", known.datasource.clone())],
        index: None,
    })
}

/// The mounts of the registry. One without a `dbConfig` goes over the network to another server and has no database.
fn mounts<'a>(inputs: &'a Inputs<'_>, home: &'a HomeFacts) -> Vec<Subject<'a>> {
    let mut seen = BTreeSet::new();
    let mounts = home.registry_mounts.iter();
    mounts
        .filter(|mount| seen.insert((&mount.instance, &mount.db_config)))
        .filter_map(|mount| {
            let jndi = home.registry_datasources.get(&mount.db_config)?;
            let (database, source) = roles::by_jndi(inputs, home, jndi)?;
            let mut subject = Subject::new(database, Some(source));
            subject.names.push(("{instance}", mount.instance.clone()));
            subject.names.push(("{db-config}", mount.db_config.clone()));
            Some(subject)
        })
        .collect()
}

fn set(path: &str, setting: &Setting, subject: &Subject<'_>) -> Option<XmlEdit> {
    let value = match setting {
        Setting::Literal { literal, .. } => ConfigValue::Literal(literal.clone()),
        Setting::Plain(value) | Setting::Reckoned { value, .. } => reckon(*value, subject)?,
    };
    Some(XmlEdit {
        path: subject
            .names
            .iter()
            .fold(path.to_owned(), |path, (name, text)| path.replace(name, text)),
        value,
        only_if_present: setting.only_if_present(),
    })
}

fn reckon(value: EditValue, subject: &Subject<'_>) -> Option<ConfigValue> {
    if value == EditValue::FreshIndexLocation {
        return subject.index.clone().map(ConfigValue::Literal);
    }
    let database = subject.database?;
    // The address was checked when the upgrade file was read; nothing connects here, so no password is needed.
    let target = Target::parse(&database.staging.url, SecretString::from("")).ok()?;
    let url = || jdbc::url(&target, subject.facts.map(|facts| facts.url.as_str()));
    let account = database.application.as_ref();
    let user = || account.map_or_else(|| target.user.clone(), |access| access.user.clone());
    let literal = match value {
        EditValue::StagingPassword => {
            let password = account.map_or(&database.staging.password, |access| &access.password);
            return Some(ConfigValue::Secret(password.clone()));
        }
        EditValue::StagingUrl => url(),
        EditValue::StagingUser => user(),
        EditValue::Driver => driver(&target, subject.facts),
        EditValue::ValidationQuery => "SELECT 1".to_owned(),
        EditValue::Jndi => subject.jndi.clone(),
        EditValue::CacheId => format!("{}@{}", user(), url()),
        EditValue::OpenjpaDictionary => match target.engine {
            Engine::MySql => "org.apache.openjpa.jdbc.sql.MySQLDictionary",
            Engine::Postgres => "org.apache.openjpa.jdbc.sql.PostgresDictionary",
        }
        .to_owned(),
        EditValue::RssProvider => match target.engine {
            Engine::MySql => "MYSQL",
            Engine::Postgres => "POSTGRES",
        }
        .to_owned(),
        EditValue::FreshIndexLocation => return None,
    };
    Some(ConfigValue::Literal(literal))
}

/// The old home's driver. The class of an XA data source is none: it stands in another element.
fn driver(target: &Target, facts: Option<&DatasourceFacts>) -> String {
    let same_engine =
        |facts: &&DatasourceFacts| jdbc::parse(&facts.url).is_some_and(|(e, ..)| e == target.engine);
    match facts.filter(same_engine) {
        Some(facts) if !facts.driver.is_empty() && !facts.driver.ends_with("DataSource") => {
            facts.driver.clone()
        }
        Some(_) | None => match target.engine {
            Engine::MySql => "com.mysql.jdbc.Driver",
            Engine::Postgres => "org.postgresql.Driver",
        }
        .to_owned(),
    }
}

/// What the guide and the upgrade file set in a file of the new home.
#[must_use]
pub fn of_file(inputs: &Inputs<'_>, node: &PlanNode, file: &str, old: Option<&HomeFacts>) -> Vec<XmlEdit> {
    let is_there = |edit: &&GuideEdit| edit.file == file || edit.elsewhere.iter().any(|name| name == file);
    let guide = inputs.guide.edits.iter().filter(is_there);
    let mut edits: Vec<XmlEdit> = guide.flat_map(|edit| edits_of(inputs, edit, old)).collect();
    edits.extend(site_edits(inputs, node).remove(file).unwrap_or_default());
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
