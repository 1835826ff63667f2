//! What a site changed in its home over the years, beside databases and ports.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::conf::{Edits, append, edit, value};
use super::datasources::MASTER;
use super::{Database, HomeSpec, put};
use crate::server::Identity;
use crate::xml::{self, Element};

const CARBON: &str = "repository/conf/carbon.xml";
const SECURITY: &str = "repository/conf/security";
const ALIAS: &str = "Datasources.WSO2_CARBON_DB.Configuration.Password";

/// A site's changes.
#[derive(Clone, Default)]
pub struct Site {
    /// `HostName` and `MgtHostName` in `carbon.xml`, which ships without them.
    pub host_name: Option<String>,
    /// The password of a key store of the site's own, which stands in `carbon.xml` with its file and alias.
    pub keystore: Option<String>,
    /// A data source for the site's own services.
    pub datasource: Option<Database>,
    /// A secondary user store in this database.
    pub user_store: Option<Database>,
    /// The key store's password that opens Secure Vault, which is on and holds the database password.
    pub vault: Option<String>,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site")
            .field("host_name", &self.host_name)
            .field("datasource", &self.datasource)
            .field("user_store", &self.user_store)
            .finish_non_exhaustive()
    }
}

pub(super) fn write(home: &Path, spec: &HomeSpec) -> Result<()> {
    let site = &spec.site;
    if let Some(name) = &site.host_name {
        edit(home, CARBON, |root| Ok(host_name(root, name)))?;
    }
    if let Some(password) = &site.keystore {
        put(
            home,
            "repository/resources/security/site.jks",
            Identity::generate()?.to_pem(),
        )?;
        edit(home, CARBON, |root| keystore(root, password))?;
    }
    if let Some(database) = &site.user_store {
        put(
            home,
            "repository/deployment/server/userstores/SITE_EXAMPLE.xml",
            user_store(database),
        )?;
    }
    if let (Some(password), Some(database)) = (&site.vault, &spec.database) {
        vault(home, password, database)?;
    }
    Ok(())
}

fn host_name(root: &Element, name: &str) -> Edits {
    let name = xml::escape(name);
    vec![append(
        root,
        format!("    <HostName>{name}</HostName>\n    <MgtHostName>mgt.{name}</MgtHostName>\n"),
    )]
}

fn keystore(root: &Element, password: &str) -> Result<Edits> {
    let file = "${carbon.home}/repository/resources/security/site.jks";
    [
        ("Location", file),
        ("Password", password),
        ("KeyAlias", "site"),
        ("KeyPassword", password),
    ]
    .into_iter()
    .map(|(name, text)| value(root, &["Security", "KeyStore", name], text))
    .collect()
}

fn user_store(database: &Database) -> String {
    let (url, user) = (xml::escape(&database.url), xml::escape(&database.user));
    let password = xml::escape(&database.password);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<UserStoreManager class=\"org.wso2.carbon.user.core.jdbc.JDBCUserStoreManager\">
    <Property name=\"DomainName\">SITE.EXAMPLE</Property>
    <Property name=\"url\">{url}</Property>
    <Property name=\"userName\">{user}</Property>
    <Property name=\"password\">{password}</Property>
    <Property name=\"Disabled\">false</Property>
</UserStoreManager>
"
    )
}

/// The vault holds what the configuration then only names.
fn vault(home: &Path, password: &str, database: &Database) -> Result<()> {
    edit(home, MASTER, alias)?;
    let switch = format!("{SECURITY}/secret-conf.properties");
    let stock = fs::read_to_string(home.join(&switch)).unwrap_or_default();
    put(
        home,
        &switch,
        format!(
            "{stock}carbon.secretProvider=org.wso2.securevault.secret.handler.SecretManagerSecretCallbackHandler\n"
        ),
    )?;
    let secrets = format!("{SECURITY}/cipher-text.properties");
    let stock = fs::read_to_string(home.join(&secrets)).unwrap_or_default();
    let mut text: String = stock
        .lines()
        .filter(|line| !line.starts_with(ALIAS))
        .map(|line| format!("{line}\n"))
        .collect();
    text.push_str(&format!("{ALIAS}={}\n", STANDARD.encode(&database.password)));
    put(home, &secrets, text)?;
    put(home, "password-persist", format!("{password}\n"))
}

fn alias(root: &Element) -> Result<Edits> {
    let datasources = root.child("datasources").context("there are no datasources")?;
    let element = datasources
        .all("datasource")
        .find(|datasource| datasource.text_at(&["name"]) == Some("WSO2_CARBON_DB"))
        .and_then(|datasource| datasource.at(&["definition", "configuration", "password"]))
        .context("there is no password of WSO2_CARBON_DB")?;
    let tag_end = element.content.start.saturating_sub(1);
    Ok(vec![
        (tag_end..tag_end, format!(" svns:secretAlias=\"{ALIAS}\"")),
        (element.content.clone(), "password".to_owned()),
    ])
}
