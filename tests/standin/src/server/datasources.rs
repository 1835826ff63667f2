//! The data sources of a home: every file in their folder, whoever left it there.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::conf::load;
use super::jdbc::Target;
use super::vault::Vault;
use crate::xml::Element;

/// One data source.
#[derive(Clone)]
pub(crate) struct Datasource {
    pub(crate) jndi: String,
    pub(crate) url: String,
    pub(crate) target: Target,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) driver: String,
}

/// Every file whose name ends so is loaded, a forgotten copy too; the master file comes first.
pub(super) fn read(home: &Path, vault: &Vault) -> Result<Vec<Datasource>> {
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
    let jndi = element.text_at(&["jndiConfig", "name"]).unwrap_or_default();
    of_configuration(configuration, jndi.to_owned(), vault).map(Some)
}

/// A data source out of the element that holds its values, in either of the two forms.
pub(super) fn of_configuration(configuration: &Element, jndi: String, vault: &Vault) -> Result<Datasource> {
    let properties = configuration.child("dataSourceProps");
    let value = |plain: &str, property: &str| {
        let listed = properties.and_then(|list| {
            list.all("property").find(|element| {
                let name = element.attribute("name").unwrap_or_default();
                name.eq_ignore_ascii_case(property)
            })
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
    Ok(Datasource {
        jndi,
        target,
        user: value("username", "user"),
        password: value("password", "password"),
        driver: driver.unwrap_or_default().to_owned(),
        url,
    })
}

/// An element's text, or what its alias stands for: with an alias the text means nothing.
pub(super) fn secret(element: &Element, vault: &Vault) -> String {
    match element.attribute("svns:secretAlias") {
        Some(alias) => vault.resolve(alias),
        None => element.text.trim().to_owned(),
    }
}
