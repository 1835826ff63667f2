//! The databases of the old homes, each with what it is used for.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cutover_database::Engine;
use cutover_proto::facts::{DatasourceFacts, HomeFacts};
use cutover_proto::view::Finding;

use super::homes::Homes;
use super::{FILL_IN, quoted};
use crate::guide::{Guide, Role};
use crate::model::jdbc;
use crate::planner::error;

/// A database, and the data sources that lead to it.
struct Found<'a> {
    /// The data source to name it by.
    source: &'a DatasourceFacts,
    datasource: String,
    uses: Vec<String>,
    roles: Vec<Role>,
}

pub(super) fn sections(guide: &Guide, homes: &Homes<'_>, findings: &mut Vec<Finding>) -> String {
    let Some(home) = homes.any_old() else {
        return placeholder();
    };
    let found = databases(guide, home);
    if found.is_empty() {
        return placeholder();
    }
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    found
        .iter()
        .map(|database| section(guide, database, &mut names, findings))
        .collect()
}

/// A file without a database is no upgrade file: what is missing must be seen.
fn placeholder() -> String {
    format!(
        "\n[[database]]                        # {FILL_IN}: no home tells which databases it uses\nname       = \"carbon\"\n\
         datasource = \"{FILL_IN}\"\nproduction = {{ url = \"{FILL_IN}\", password = \"file:/{FILL_IN}\" }}\n\
         staging    = {{ url = \"{FILL_IN}\", password = \"file:/{FILL_IN}\" }}\n"
    )
}

/// The databases in use: users first, then the registry and its mounts, then what is the product's own. Data sources
/// that lead to one database are one.
fn databases<'a>(guide: &Guide, home: &'a HomeFacts) -> Vec<Found<'a>> {
    let mut found: Vec<Found<'a>> = Vec::new();
    let by_jndi = |jndi: &str| home.datasources.iter().find(|source| source.jndi == jndi);
    if let Some(source) = home.user_datasource.as_deref().and_then(by_jndi) {
        add(
            &mut found,
            source,
            source.name.clone(),
            "users".into(),
            Role::UserManagement,
        );
    }
    for (config, jndi) in &home.registry_datasources {
        let Some(source) = by_jndi(jndi) else { continue };
        let mounts = home
            .registry_mounts
            .iter()
            .filter(|mount| mount.db_config == *config);
        let mounts: Vec<&str> = mounts.map(|mount| mount.path.as_str()).collect();
        let what = if mounts.is_empty() {
            format!("registry ({config})")
        } else {
            format!("registry mounted at {}", mounts.join(", "))
        };
        add(&mut found, source, source.name.clone(), what, Role::Registry);
    }
    if let Some(product) = &guide.product_database {
        for source in &home.other_databases {
            add(
                &mut found,
                source,
                product.datasource.clone(),
                product.holds.clone(),
                Role::Product,
            );
        }
    }
    found
}

fn add<'a>(
    found: &mut Vec<Found<'a>>,
    source: &'a DatasourceFacts,
    datasource: String,
    what: String,
    role: Role,
) {
    let same = |other: &&mut Found<'_>| match (jdbc::parse(&other.source.url), jdbc::parse(&source.url)) {
        (Some(one), Some(two)) => one == two,
        (None, None) => other.source.url == source.url,
        (Some(_), None) | (None, Some(_)) => false,
    };
    match found.iter_mut().find(same) {
        Some(known) => {
            known.uses.push(what);
            known.roles.push(role);
        }
        None => found.push(Found {
            source,
            datasource,
            uses: vec![what],
            roles: vec![role],
        }),
    }
}

fn section(
    guide: &Guide,
    database: &Found<'_>,
    names: &mut BTreeMap<String, usize>,
    findings: &mut Vec<Finding>,
) -> String {
    let place = jdbc::parse(&database.source.url);
    if place.is_none() {
        findings.push(error(
            "engine-unsupported",
            &database.source.name,
            format!("its URL is {}", database.source.url),
            "Cutover works on MySQL, MariaDB and PostgreSQL",
        ));
    }
    let (production, staging) = match &place {
        Some((engine, host, port, name)) => {
            let url = format!(
                "{}://{}@{host}:{port}/{name}",
                scheme(*engine),
                database.source.user
            );
            (url.clone(), format!("{url}_FILL_IN"))
        }
        None => (FILL_IN.to_owned(), FILL_IN.to_owned()),
    };
    let mut text = format!(
        "\n[[database]]                        # {}\nname       = {}\ndatasource = {}\n\
         # The account needs to see every session, and to create a scratch database for the restore drill.\n\
         production = {{ url = {}, password = \"file:/{FILL_IN}\" }}\n\
         staging    = {{ url = {}, password = \"file:/{FILL_IN}\" }}    # must be empty\n\
         # The account that the servers use on staging, when it is not the one above:\n\
         # application = {{ user = {}, password = \"file:/{FILL_IN}\" }}\n",
        database.uses.join("; "),
        quoted(&unique(&database.datasource, names)),
        quoted(&database.datasource),
        quoted(&production),
        quoted(&staging),
        quoted(&database.source.user),
    );
    text.push_str(&scripts(guide, database, place.map(|(engine, ..)| engine)));
    text
}

/// Two data sources whose names differ in letters that a name can't hold are still two databases.
fn unique(datasource: &str, names: &mut BTreeMap<String, usize>) -> String {
    let clean = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let name: String = datasource.chars().map(clean).collect();
    let count = names.entry(name.clone()).or_insert(0);
    *count += 1;
    if *count == 1 {
        name
    } else {
        format!("{name}-{count}")
    }
}

fn scheme(engine: Engine) -> &'static str {
    match engine {
        Engine::MySql => "mysql",
        Engine::Postgres => "postgres",
    }
}

/// What runs on the database, and where a script has to come from.
fn scripts(guide: &Guide, database: &Found<'_>, engine: Option<Engine>) -> String {
    let mut text = String::new();
    let engine = engine.map_or("mysql", scheme);
    let mut wanted: Vec<String> = Vec::new();
    for script in guide
        .scripts
        .iter()
        .filter(|script| database.roles.contains(&script.role))
    {
        match script.ships.get(engine) {
            // Writing to a text can't fail.
            Some(set) => writeln!(
                text,
                "# {} runs for {}: {}",
                set.files.join(", "),
                script.role,
                set.origin
            )
            .ok(),
            None => {
                wanted.push(quoted(&format!("{engine}-migration.sql")));
                None
            }
        };
    }
    if !wanted.is_empty() {
        writeln!(
            text,
            "scripts    = [{}]    # {FILL_IN}: WSO2's script for {engine}, beside this file; it runs only where the schema needs it",
            wanted.join(", ")
        )
        .ok();
    }
    if text.is_empty() && guide.scripts.is_empty() {
        text.push_str("# No script: the guide changes no schema.\n");
    }
    text
}
