//! Values that a guide sets in configuration files of the new home.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A file of the new home and values to set in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuideEdit {
    /// Path under the home.
    pub file: String,
    /// Other places where the file may lie instead.
    #[serde(default)]
    pub elsewhere: Vec<String>,
    /// The sentence that asks for it; none where the page forgets it, and then there is a reason.
    #[serde(default)]
    pub sentence: Option<String>,
    /// Why it is edited although the page does not ask for it.
    #[serde(default)]
    pub why: Option<String>,
    /// What the values are about: the whole edit is done once for each such thing.
    #[serde(rename = "for", default)]
    pub subject: EditFor,
    /// Element path to value. What stands in braces in a path is replaced: see [`EditFor`].
    pub set: BTreeMap<String, Setting>,
}

/// What the values of an edit are about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EditFor {
    /// Nothing that differs: the edit is done once, with literal values.
    #[default]
    Home,
    /// Every data source of the old home that leads to a database of the upgrade. `{datasource}` is its name.
    DataSources,
    /// The database of users. `{datasource}` is the data source that the old home's `user-mgt.xml` names.
    UserManagement,
    /// The database of the registry in use. `{datasource}` is the data source of the old home's current `dbConfig`.
    Registry,
    /// The database of the product alone. `{datasource}` is the one that the guide's `product_database` names.
    Product,
    /// Every mount of the old home's `registry.xml`. `{instance}` is its `remoteInstance`, `{db-config}` the `dbConfig`
    /// of that.
    Mounts,
    /// The full text index of the old home's registry, when it keeps one.
    Index,
}

impl EditFor {
    /// Names in braces that a path may hold.
    #[must_use]
    pub fn placeholders(self) -> &'static [&'static str] {
        match self {
            EditFor::Home | EditFor::Index => &[],
            EditFor::DataSources | EditFor::UserManagement | EditFor::Registry | EditFor::Product => {
                &["{datasource}"]
            }
            EditFor::Mounts => &["{instance}", "{db-config}"],
        }
    }

    /// In words, for showing a guide.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            EditFor::Home => "once",
            EditFor::DataSources => "for every data source of the upgrade's databases",
            EditFor::UserManagement => "for the database of users",
            EditFor::Registry => "for the database of the registry in use",
            EditFor::Product => "for the product's own database",
            EditFor::Mounts => "for every mount of the registry",
            EditFor::Index => "when the registry keeps a full text index",
        }
    }
}

/// A value, and whether it is put in where the file has no place for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    /// A value that is reckoned, put in where it is missing: `"staging-url"`.
    Plain(EditValue),
    /// A value that is reckoned: `{ value = "cache-id", only_if_present = true }`.
    Reckoned {
        /// The value.
        value: EditValue,
        /// Whether a file without the element is left as it is.
        #[serde(default)]
        only_if_present: bool,
    },
    /// A text that is always the same: `{ literal = "DEFAULT" }`.
    Literal {
        /// The text.
        literal: String,
        /// Whether a file without the element is left as it is.
        #[serde(default)]
        only_if_present: bool,
    },
}

impl Setting {
    /// Whether a file without the element is left as it is.
    #[must_use]
    pub fn only_if_present(&self) -> bool {
        match self {
            Setting::Plain(_) => false,
            Setting::Reckoned { only_if_present, .. } | Setting::Literal { only_if_present, .. } => {
                *only_if_present
            }
        }
    }

    /// The value that is reckoned; none for a literal text.
    #[must_use]
    pub fn value(&self) -> Option<EditValue> {
        match self {
            Setting::Plain(value) | Setting::Reckoned { value, .. } => Some(*value),
            Setting::Literal { .. } => None,
        }
    }

    /// In words.
    #[must_use]
    pub fn describe(&self) -> String {
        let what = match self {
            Setting::Plain(value) | Setting::Reckoned { value, .. } => value.describe().to_owned(),
            Setting::Literal { literal, .. } => format!("`{literal}`"),
        };
        if self.only_if_present() {
            format!("{what}, where the file has the element")
        } else {
            what
        }
    }
}

/// What an edit puts in, reckoned from the upgrade file and the old home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EditValue {
    /// JDBC URL of the staging database, with the parameters of the old home's URL.
    StagingUrl,
    /// Account of the application on staging.
    StagingUser,
    /// Its password: a secret.
    StagingPassword,
    /// JDBC driver class, as in the old home.
    Driver,
    /// The statement that tests a connection.
    ValidationQuery,
    /// JNDI name of the data source.
    Jndi,
    /// `USER@JDBC-URL` of staging: how the registry's cache tells databases apart.
    CacheId,
    /// Class of OpenJPA that speaks the engine's SQL.
    OpenjpaDictionary,
    /// The engine as `rss-config.xml` of Storage Server names it.
    RssProvider,
    /// A place in the registry that the old index did not use, so that the new server indexes everything again.
    FreshIndexLocation,
}

impl EditValue {
    /// In words.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            EditValue::StagingUrl => "JDBC URL of staging",
            EditValue::StagingUser => "account on staging",
            EditValue::StagingPassword => "its password",
            EditValue::Driver => "JDBC driver class of the old home",
            EditValue::ValidationQuery => "statement that tests a connection",
            EditValue::Jndi => "JNDI name of the data source",
            EditValue::CacheId => "account and JDBC URL of staging",
            EditValue::OpenjpaDictionary => "OpenJPA's dictionary for the engine",
            EditValue::RssProvider => "the engine as RSS names it",
            EditValue::FreshIndexLocation => {
                "a place the old index did not use, so that all is indexed again"
            }
        }
    }

    /// Whether the value is about a database, so that an edit must say which.
    #[must_use]
    pub fn needs_database(self) -> bool {
        match self {
            EditValue::FreshIndexLocation => false,
            EditValue::StagingUrl
            | EditValue::StagingUser
            | EditValue::StagingPassword
            | EditValue::Driver
            | EditValue::ValidationQuery
            | EditValue::Jndi
            | EditValue::CacheId
            | EditValue::OpenjpaDictionary
            | EditValue::RssProvider => true,
        }
    }
}
