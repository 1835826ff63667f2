//! Reads the home's own configuration, as the server does at every start.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

pub(crate) use super::datasources::Datasource;
use super::datasources::{self, secret};
use super::mounts;
pub(crate) use super::mounts::Mounted;
use super::vault::Vault;
use crate::xml::{self, Element};

/// What the server needs to know about itself.
pub(crate) struct Conf {
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) version: String,
    pub(crate) kernel: String,
    pub(crate) offset: u16,
    /// The key store, as a path under the home.
    pub(crate) keystore: String,
    pub(crate) https_port: u16,
    pub(crate) http_port: u16,
}

/// The data side of the configuration; reading it opens the vault.
pub(crate) struct DataConf {
    pub(crate) admin_user: String,
    pub(crate) admin_password: String,
    pub(crate) user_jndi: String,
    pub(crate) registry_jndi: String,
    pub(crate) mounts: Vec<Mounted>,
    pub(crate) rss: Option<RssConf>,
    pub(crate) datasources: Vec<Datasource>,
}

/// Where Storage Server keeps the metadata of its databases.
pub(crate) struct RssConf {
    pub(crate) jndi: String,
    /// Driver and dictionary that the newer version is told in `persistence.xml`.
    told: Option<[String; 2]>,
}

impl RssConf {
    /// Refuses a driver or a dictionary of another engine.
    pub(crate) fn fits(&self, source: &Datasource) -> Result<()> {
        let words = source.target.driver_words();
        for text in self.told.iter().flatten() {
            // The dictionary of PostgreSQL is called without its last letters.
            let fits = |word: &&str| text.to_lowercase().contains(word.trim_end_matches("ql"));
            ensure!(
                words.iter().any(fits),
                "org.apache.openjpa.persistence.PersistenceException: {text} does not fit {}",
                source.url
            );
        }
        Ok(())
    }
}

impl Conf {
    pub(crate) fn read(home: &Path) -> Result<Self> {
        let carbon = load(home, "carbon.xml")?;
        let tomcat = load(home, "tomcat/catalina-server.xml")?;
        let text = |path: &[&str]| carbon.text_at(path).unwrap_or_default().to_owned();
        let offset = carbon
            .text_at(&["Ports", "Offset"])
            .unwrap_or("0")
            .parse()
            .context("Ports/Offset")?;
        Ok(Self {
            name: text(&["Name"]),
            key: text(&["ServerKey"]),
            version: text(&["Version"]),
            kernel: kernel(home)?,
            offset,
            keystore: carbon
                .text_at(&["Security", "KeyStore", "Location"])
                .map(|location| location.replace("${carbon.home}/", ""))
                .unwrap_or_default(),
            https_port: port(&tomcat, true)?,
            http_port: port(&tomcat, false)?,
        })
    }

    /// `Name-Version`, as the log and the services say it.
    pub(crate) fn full_name(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }
}

impl DataConf {
    pub(crate) fn read(home: &Path) -> Result<Self> {
        let vault = Vault::open(home)?;
        let users = load(home, "user-mgt.xml")?;
        let realm = users
            .at(&["Realm", "Configuration"])
            .context("user-mgt.xml has no Realm/Configuration")?;
        let admin = realm
            .child("AdminUser")
            .context("user-mgt.xml has no AdminUser")?;
        let secret = |name: &str| {
            admin
                .child(name)
                .map(|element| secret(element, &vault))
                .unwrap_or_default()
        };
        let user_jndi = realm
            .all("Property")
            .find(|property| property.attribute("name") == Some("dataSource"))
            .map(|property| property.text.trim().to_owned())
            .context("user-mgt.xml names no dataSource")?;
        let registry = load(home, "registry.xml")?;
        let mut datasources = datasources::read(home, &vault)?;
        let rss = rss(home, &vault, &mut datasources)?;
        Ok(Self {
            admin_user: secret("UserName"),
            admin_password: secret("Password"),
            user_jndi,
            registry_jndi: registry_jndi(&registry)?,
            mounts: mounts::read(&registry)?,
            rss,
            datasources,
        })
    }

    /// The datasource a JNDI name stands for; a later file wins over an earlier one.
    pub(crate) fn datasource(&self, jndi: &str) -> Result<&Datasource> {
        let found = self
            .datasources
            .iter()
            .rev()
            .find(|datasource| datasource.jndi == jndi);
        found.with_context(|| format!("Error in looking up data source: Name [{jndi}] is not bound"))
    }
}

pub(super) fn load(home: &Path, path: &str) -> Result<Element> {
    let file = home.join("repository/conf").join(path);
    let bytes = fs::read(&file).with_context(|| format!("read {}", file.display()))?;
    xml::decode(&bytes)
        .and_then(|text| xml::parse(&text))
        .with_context(|| format!("read {}", file.display()))
}

fn kernel(home: &Path) -> Result<String> {
    let file = home.join("bin/wso2carbon-version.txt");
    let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    Ok(text.trim().rsplit('v').next().unwrap_or_default().to_owned())
}

fn port(tomcat: &Element, https: bool) -> Result<u16> {
    let service = tomcat
        .child("Service")
        .context("catalina-server.xml has no Service")?;
    let connector = service
        .all("Connector")
        .find(|connector| (connector.attribute("scheme") == Some("https")) == https)
        .context("catalina-server.xml lacks a Connector")?;
    connector
        .attribute("port")
        .unwrap_or_default()
        .parse()
        .context("the port of a Connector")
}

fn registry_jndi(root: &Element) -> Result<String> {
    let current = root
        .text_at(&["currentDBConfig"])
        .context("registry.xml has no currentDBConfig")?;
    root.all("dbConfig")
        .find(|config| config.attribute("name") == Some(current))
        .and_then(|config| config.text_at(&["dataSource"]))
        .map(str::to_owned)
        .with_context(|| format!("registry.xml has no dbConfig {current}"))
}

/// The older version names its metadata database in `rss-config.xml`, the newer one a data source and, in
/// `persistence.xml`, its engine.
fn rss(home: &Path, vault: &Vault, datasources: &mut Vec<Datasource>) -> Result<Option<RssConf>> {
    let there = |name: &str| {
        let paths = [format!("etc/{name}"), name.to_owned()];
        paths
            .into_iter()
            .find(|path| home.join("repository/conf").join(path).is_file())
    };
    let Some(config) = there("rss-config.xml") else {
        return Ok(None);
    };
    let root = load(home, &config)?;
    if let Some(old) = root.at(&["rss-mgt-repository", "datasource-config"]) {
        let jndi = "rss-config.xml".to_owned();
        datasources.push(datasources::of_configuration(old, jndi.clone(), vault)?);
        return Ok(Some(RssConf { jndi, told: None }));
    }
    let jndi = root
        .at(&[
            "ManagementRepository",
            "DataSourceConfiguration",
            "JndiLookupDefinition",
        ])
        .and_then(|lookup| lookup.text_at(&["Name"]))
        .context("rss-config.xml names no data source")?
        .to_owned();
    let file = there("persistence.xml").context("there is no persistence.xml")?;
    let persistence = load(home, &file)?;
    let properties = persistence
        .at(&["persistence-unit", "properties"])
        .context("persistence.xml has no properties")?;
    let told = |name: &str| {
        let property = properties
            .all("property")
            .find(|property| property.attribute("name") == Some(name));
        property
            .and_then(|property| property.attribute("value"))
            .map(str::to_owned)
            .with_context(|| format!("persistence.xml has no property {name}"))
    };
    let told = Some([told("openjpa.ConnectionDriverName")?, told("dialect")?]);
    Ok(Some(RssConf { jndi, told }))
}
