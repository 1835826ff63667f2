//! Registries in other databases that `registry.xml` mounts.

use anyhow::{Context as _, Result, bail};

use super::conf::Datasource;
use super::db::Db;
use super::jdbc::Target;
use crate::xml::Element;

/// A registry that is mounted.
pub(crate) struct Mounted {
    /// The data source of its instance.
    pub(crate) jndi: String,
    cache: String,
}

/// What is mounted: a remote instance that no mount names means nothing.
pub(super) fn read(registry: &Element) -> Result<Vec<Mounted>> {
    let mut mounted = Vec::new();
    for instance in registry.all("remoteInstance") {
        let id = instance.text_at(&["id"]).unwrap_or_default();
        if !registry
            .all("mount")
            .any(|mount| mount.text_at(&["instanceId"]) == Some(id))
        {
            continue;
        }
        let config = instance
            .text_at(&["dbConfig"])
            .with_context(|| format!("the remote instance {id} has no dbConfig"))?;
        let jndi = registry
            .all("dbConfig")
            .find(|element| element.attribute("name") == Some(config))
            .and_then(|element| element.text_at(&["dataSource"]))
            .with_context(|| format!("registry.xml has no dbConfig {config}"))?;
        mounted.push(Mounted {
            jndi: jndi.to_owned(),
            cache: instance.text_at(&["cacheId"]).unwrap_or_default().to_owned(),
        });
    }
    Ok(mounted)
}

impl Mounted {
    /// Refuses a registry without tables, and a cache that is shared with the servers of another database.
    pub(super) async fn check(&self, db: &Db, source: &Datasource) -> Result<()> {
        if !db.has_table("REG_LOG").await? {
            bail!(
                "org.wso2.carbon.registry.core.exceptions.RegistryException: Table 'REG_LOG' doesn't exist"
            );
        }
        let cache = self.cache.split_once('@').map_or("", |(_, url)| url);
        if Target::parse(cache).ok().as_ref() != Some(&source.target) {
            bail!(
                "org.wso2.carbon.registry.core.exceptions.RegistryException: the cache {} is not that of {}",
                self.cache,
                source.url
            );
        }
        Ok(())
    }
}
