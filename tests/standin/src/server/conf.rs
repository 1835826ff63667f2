//! Reads the home's own configuration, as the server does at every start.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::jdbc::Target;
use super::vault::Vault;
use crate::xml::{self, Element};

/// One datasource out of any `*-datasources.xml`.
#[derive(Clone)]
pub(crate) struct Datasource {
    pub(crate) jndi: String,
    pub(crate) url: String,
    pub(crate) target: Target,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) driver: String,
}

/// What the server needs to know about itself.
pub(crate) struct Conf {
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) version: String,
    pub(crate) kernel: String,
    pub(crate) offset: u16,
    pub(crate) https_port: u16,
    pub(crate) http_port: u16,
}

/// The data side of the configuration; reading it opens the vault.
pub(crate) struct DataConf {
    pub(crate) admin_user: String,
    pub(crate) admin_password: String,
    pub(crate) user_jndi: String,
    pub(crate) registry_jndi: String,
    pub(crate) datasources: Vec<Datasource>,
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
        Ok(Self {
            admin_user: secret("UserName"),
            admin_password: secret("Password"),
            user_jndi,
            registry_jndi: registry_jndi(&load(home, "registry.xml")?)?,
            datasources: datasources(home, &vault)?,
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

fn load(home: &Path, path: &str) -> Result<Element> {
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

/// Every file whose name ends so is loaded, a forgotten copy too; the master file comes first.
fn datasources(home: &Path, vault: &Vault) -> Result<Vec<Datasource>> {
    let folder = home.join("repository/conf/datasources");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with("-datasources.xml") {
            names.push(name);
        }
    }
    names.sort_by_key(|name| (name != "master-datasources.xml", name.clone()));
    let mut all = Vec::new();
    for name in names {
        let root = load(home, &format!("datasources/{name}"))?;
        for list in root.all("datasources") {
            for element in list.all("datasource") {
                all.extend(datasource(element, vault).with_context(|| format!("read {name}"))?);
            }
        }
    }
    Ok(all)
}

fn datasource(element: &Element, vault: &Vault) -> Result<Option<Datasource>> {
    let Some(definition) = element.child("definition") else {
        return Ok(None);
    };
    if definition.attribute("type") != Some("RDBMS") {
        return Ok(None);
    }
    let configuration = definition
        .child("configuration")
        .context("a definition has no configuration")?;
    let properties = configuration.child("dataSourceProps");
    let value = |plain: &str, property: &str| {
        let listed = properties.and_then(|list| {
            list.all("property")
                .find(|element| element.attribute("name") == Some(property))
        });
        configuration
            .child(plain)
            .or(listed)
            .map(|element| secret(element, vault))
            .unwrap_or_default()
    };
    let url = value("url", "url");
    let target = Target::parse(&url)?;
    let driver = configuration
        .text_at(&["driverClassName"])
        .or(configuration.text_at(&["dataSourceClassName"]));
    Ok(Some(Datasource {
        jndi: element
            .text_at(&["jndiConfig", "name"])
            .unwrap_or_default()
            .to_owned(),
        target,
        user: value("username", "user"),
        password: value("password", "password"),
        driver: driver.unwrap_or_default().to_owned(),
        url,
    }))
}

/// An element's text, or what its alias stands for: with an alias the text means nothing.
fn secret(element: &Element, vault: &Vault) -> String {
    match element.attribute("svns:secretAlias") {
        Some(alias) => vault.resolve(alias),
        None => element.text.trim().to_owned(),
    }
}
