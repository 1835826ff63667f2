//! `repository/conf`: stock files of our own or out of a corpus, with a site's values edited in.

use std::fs;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use walkdir::WalkDir;

use super::{Database, HomeSpec, put};
use crate::xml::{self, Element};

const DATASOURCES: &str = "repository/conf/datasources/master-datasources.xml";
const CARBON: &str = "repository/conf/carbon.xml";

macro_rules! stock {
    ($generation:literal: $($path:literal),+) => {
        &[$(($path, include_str!(concat!("../../fixtures/conf-", $generation, "/", $path)))),+]
    };
}

const STOCK_41: &[(&str, &str)] = stock!("4.1": "carbon.xml", "user-mgt.xml", "registry.xml", "log4j.properties",
    "datasources/master-datasources.xml", "axis2/axis2.xml", "tomcat/catalina-server.xml",
    "security/secret-conf.properties", "security/cipher-text.properties");
const STOCK_42: &[(&str, &str)] = stock!("4.2": "carbon.xml", "user-mgt.xml", "registry.xml", "log4j.properties",
    "datasources/master-datasources.xml", "axis2/axis2.xml", "tomcat/catalina-server.xml",
    "security/secret-conf.properties", "security/cipher-text.properties");
/// Files the newer products ship with CRLF line ends.
const CRLF: &[&str] = &["registry.xml", "axis2/axis2.xml"];

pub(super) fn write(home: &Path, spec: &HomeSpec) -> Result<()> {
    match &spec.corpus {
        Some(corpus) => copy_corpus(home, spec, corpus)?,
        None => write_own(home, spec)?,
    }
    edit(home, CARBON, |root| carbon_values(root, spec))?;
    if let Some(database) = &spec.database {
        edit(home, DATASOURCES, |root| database_values(root, database))?;
    }
    Ok(())
}

fn write_own(home: &Path, spec: &HomeSpec) -> Result<()> {
    for (path, text) in if spec.is_new() { STOCK_42 } else { STOCK_41 } {
        let crlf = spec.is_new() && CRLF.contains(path);
        let text = if crlf {
            text.replace('\n', "\r\n")
        } else {
            (*text).to_owned()
        };
        put(home, &format!("repository/conf/{path}"), xml::encode(&text))?;
    }
    put(home, "dbscripts/mysql.sql", crate::fixtures::SCHEMA_41_MYSQL)?;
    put(
        home,
        "dbscripts/postgresql.sql",
        crate::fixtures::SCHEMA_41_POSTGRES,
    )
}

fn copy_corpus(home: &Path, spec: &HomeSpec, corpus: &Path) -> Result<()> {
    let kernel = corpus.join(format!("carbon-{}", spec.kernel));
    if !kernel.join("conf").is_dir() {
        bail!("{} has no files of kernel {}", corpus.display(), spec.kernel);
    }
    copy_tree(&kernel.join("conf"), &home.join("repository/conf"))?;
    copy_tree(&kernel.join("dbscripts"), &home.join("dbscripts"))?;
    let product = corpus.join(format!("{}-{}/conf", spec.key().to_lowercase(), spec.version));
    // A product lays some files flat that lie in a folder of the kernel's.
    for (from, to) in [
        ("catalina-server.xml", "tomcat/catalina-server.xml"),
        ("context.xml", "tomcat/context.xml"),
        ("custom-datasources.xml", "datasources/custom-datasources.xml"),
        ("event-broker.xml", "event-broker.xml"),
    ] {
        if product.join(from).is_file() {
            put(
                home,
                &format!("repository/conf/{to}"),
                fs::read(product.join(from))?,
            )?;
        }
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    for entry in WalkDir::new(from) {
        let entry = entry?;
        let target = to.join(entry.path().strip_prefix(from)?);
        if entry.file_type().is_dir() {
            fs::create_dir_all(&target)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("copy to {}", target.display()))?;
        }
    }
    Ok(())
}

type Edits = Vec<(Range<usize>, String)>;

/// Edits elements of a file and keeps every other byte.
fn edit(home: &Path, path: &str, values: impl FnOnce(&Element) -> Result<Edits>) -> Result<()> {
    let text = xml::decode(&fs::read(home.join(path)).with_context(|| format!("read {path}"))?)?;
    let root = xml::parse(&text).with_context(|| format!("read {path}"))?;
    let edits = values(&root).with_context(|| format!("edit {path}"))?;
    put(home, path, xml::encode(&xml::replace(&text, edits)))
}

fn carbon_values(root: &Element, spec: &HomeSpec) -> Result<Edits> {
    let mut edits = Edits::new();
    for (path, value) in [
        (&["Name"][..], spec.product.clone()),
        (&["ServerKey"], spec.key()),
        (&["Version"], spec.version.clone()),
        (&["Ports", "Offset"], spec.offset.to_string()),
    ] {
        match root.at(path) {
            Some(element) => edits.push((element.content.clone(), value)),
            // The kernel's own file of the older generation has no key.
            None if path == ["ServerKey"] => {}
            None => bail!("there is no {}", path.join("/")),
        }
    }
    Ok(edits)
}

fn database_values(root: &Element, database: &Database) -> Result<Edits> {
    let datasources = root.child("datasources").context("there are no datasources")?;
    let configuration = datasources
        .all("datasource")
        .find(|datasource| datasource.text_at(&["name"]) == Some("WSO2_CARBON_DB"))
        .and_then(|datasource| datasource.at(&["definition", "configuration"]))
        .context("there is no datasource WSO2_CARBON_DB")?;
    let driver = match crate::server::jdbc_driver_class(&database.url) {
        Some(driver) => driver,
        None => bail!("{} is not a URL for MySQL, MariaDB or PostgreSQL", database.url),
    };
    let values = [
        ("url", database.url.as_str()),
        ("username", &database.user),
        ("password", &database.password),
        ("driverClassName", driver),
    ];
    values
        .into_iter()
        .map(|(name, value)| {
            let element = configuration
                .child(name)
                .with_context(|| format!("there is no {name}"))?;
            Ok((element.content.clone(), value.to_owned()))
        })
        .collect()
}
