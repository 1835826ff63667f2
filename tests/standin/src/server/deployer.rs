//! Picks up secondary user stores from their folders, some time after the files appear or go.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use super::log::Level;
use super::state::{SUPER_TENANT, Server, UserStore, lock};
use crate::xml;

const CLASS: &str =
    "org.wso2.carbon.identity.user.store.configuration.deployer.UserStoreConfigurationDeployer";

pub(super) async fn watch(server: Arc<Server>) {
    let interval = server.options.deploy_interval;
    // What lies there at start is deployed with the server.
    let mut least_age = Duration::ZERO;
    let mut ticks = tokio::time::interval(interval);
    loop {
        ticks.tick().await;
        let found = scan(&server, least_age);
        least_age = interval;
        *lock(&server.stores) = found;
    }
}

fn scan(server: &Server, least_age: Duration) -> BTreeMap<(i64, String), UserStore> {
    let mut tenants = vec![SUPER_TENANT];
    for entry in fs::read_dir(server.home.join("repository/tenants"))
        .into_iter()
        .flatten()
        .flatten()
    {
        tenants.extend(
            entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<i64>().ok()),
        );
    }
    let mut stores = BTreeMap::new();
    for tenant in tenants {
        for entry in fs::read_dir(server.stores_dir(tenant))
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = entry.path();
            if path.extension().is_none_or(|extension| extension != "xml") || age(&path) < least_age {
                continue;
            }
            match read(&path) {
                Ok((domain, store)) => {
                    stores.insert((tenant, domain), store);
                }
                Err(error) => {
                    server.log.line(
                        Level::Error,
                        CLASS,
                        &format!("{} is skipped: {error:#}", path.display()),
                    );
                }
            }
        }
    }
    stores
}

/// How long ago the file was written; nothing when that cannot be told.
fn age(path: &Path) -> Duration {
    let modified = fs::metadata(path).and_then(|meta| meta.modified()).ok();
    modified.and_then(|at| at.elapsed().ok()).unwrap_or_default()
}

fn read(path: &Path) -> Result<(String, UserStore)> {
    let root = xml::parse(&xml::decode(&fs::read(path)?)?)?;
    let mut store = UserStore {
        class: root.attribute("class").unwrap_or_default().to_owned(),
        ..UserStore::default()
    };
    for property in root.all("Property") {
        let name = property.attribute("name").unwrap_or_default().to_owned();
        store.properties.push((name, property.text.clone()));
    }
    let value = |name: &str| {
        let found = store.properties.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let (domain, description) = (value("DomainName"), value("Description"));
    store.disabled = value("Disabled") == "true";
    store.description = description;
    anyhow::ensure!(!domain.is_empty(), "it names no DomainName");
    Ok((domain.to_uppercase(), store))
}
