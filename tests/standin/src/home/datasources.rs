//! The databases a home is connected to, in the files of its generation.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::conf::{Edits, append, edit};
use super::{Database, HomeSpec};
use crate::xml::{self, Element};

pub(super) const MASTER: &str = "repository/conf/datasources/master-datasources.xml";
/// What the data source of a mounted registry is bound to.
pub(super) const MOUNT_JNDI: &str = "jdbc/WSO2RegDB";
const RSS: &str = "repository/conf/etc/rss-config.xml";
const PERSISTENCE: &str = "repository/conf/etc/persistence.xml";

pub(super) fn write(home: &Path, spec: &HomeSpec) -> Result<()> {
    if let Some(database) = &spec.database {
        edit(home, MASTER, |root| carbon_database(root, database))?;
    }
    let more = [
        ("WSO2_REG_DB", MOUNT_JNDI, &spec.mount),
        ("SITE_DB", "jdbc/SiteDB", &spec.site.datasource),
    ];
    for (name, jndi, database) in more {
        if let Some(database) = database {
            edit(home, MASTER, |root| one_more(root, name, jndi, database))?;
        }
    }
    let Some(rss) = &spec.rss else { return Ok(()) };
    if spec.is_new() {
        let jndi = "MetadataRepoDS";
        edit(home, MASTER, |root| one_more(root, "METADATA_REPO_DS", jndi, rss))?;
        edit(home, PERSISTENCE, |root| persistence(root, rss))
    } else {
        edit(home, RSS, |root| rss_database(root, rss))
    }
}

fn driver(database: &Database) -> Result<&'static str> {
    match crate::server::jdbc_driver_class(&database.url) {
        Some(driver) => Ok(driver),
        None => bail!("{} is not a URL for MySQL, MariaDB or PostgreSQL", database.url),
    }
}

fn carbon_database(root: &Element, database: &Database) -> Result<Edits> {
    let datasources = root.child("datasources").context("there are no datasources")?;
    let configuration = datasources
        .all("datasource")
        .find(|datasource| datasource.text_at(&["name"]) == Some("WSO2_CARBON_DB"))
        .and_then(|datasource| datasource.at(&["definition", "configuration"]))
        .context("there is no datasource WSO2_CARBON_DB")?;
    let values = [
        ("url", database.url.as_str()),
        ("username", &database.user),
        ("password", &database.password),
        ("driverClassName", driver(database)?),
    ];
    values
        .into_iter()
        .map(|(name, value)| super::conf::value(configuration, &[name], value))
        .collect()
}

fn one_more(root: &Element, name: &str, jndi: &str, database: &Database) -> Result<Edits> {
    let datasources = root.child("datasources").context("there are no datasources")?;
    let (url, user) = (xml::escape(&database.url), xml::escape(&database.user));
    let (password, driver) = (xml::escape(&database.password), driver(database)?);
    Ok(vec![append(
        datasources,
        format!(
            "    <datasource>
            <name>{name}</name>
            <description>A database of the site</description>
            <jndiConfig>
                <name>{jndi}</name>
            </jndiConfig>
            <definition type=\"RDBMS\">
                <configuration>
                    <url>{url}</url>
                    <username>{user}</username>
                    <password>{password}</password>
                    <driverClassName>{driver}</driverClassName>
                    <maxActive>50</maxActive>
                    <testOnBorrow>true</testOnBorrow>
                    <validationQuery>SELECT 1</validationQuery>
                </configuration>
            </definition>
        </datasource>
    "
        ),
    )])
}

/// The older Storage Server names its metadata database in a file of its own.
fn rss_database(root: &Element, database: &Database) -> Result<Edits> {
    let config = root
        .at(&["rss-mgt-repository", "datasource-config"])
        .context("there is no rss-mgt-repository/datasource-config")?;
    let class = if driver(database)?.contains("postgresql") {
        "org.postgresql.xa.PGXADataSource"
    } else {
        "com.mysql.jdbc.jdbc2.optional.MysqlXADataSource"
    };
    let mut edits = vec![super::conf::value(config, &["dataSourceClassName"], class)?];
    let properties = config
        .child("dataSourceProps")
        .context("there are no dataSourceProps")?;
    for (name, value) in [
        ("URL", &database.url),
        ("user", &database.user),
        ("password", &database.password),
    ] {
        let property = properties
            .all("property")
            .find(|property| property.attribute("name") == Some(name))
            .with_context(|| format!("there is no property {name}"))?;
        edits.push((property.content.clone(), xml::escape(value)));
    }
    Ok(edits)
}

/// The newer one wants to know the engine as well.
fn persistence(root: &Element, database: &Database) -> Result<Edits> {
    let driver = driver(database)?;
    let dictionary = if driver.contains("postgresql") {
        "org.apache.openjpa.jdbc.sql.PostgresDictionary"
    } else {
        "org.apache.openjpa.jdbc.sql.MySQLDictionary"
    };
    let properties = root
        .at(&["persistence-unit", "properties"])
        .context("there are no properties")?;
    let mut edits = Edits::new();
    for (name, value) in [("openjpa.ConnectionDriverName", driver), ("dialect", dictionary)] {
        let property = properties
            .all("property")
            .find(|property| property.attribute("name") == Some(name))
            .with_context(|| format!("there is no property {name}"))?;
        edits.push((
            property.value_range("value").context("it has no value")?,
            value.to_owned(),
        ));
    }
    Ok(edits)
}
