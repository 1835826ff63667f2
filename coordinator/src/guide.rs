//! Guides as data: the ordered procedure for one product hop, traceable to WSO2's sentences.
//!
//! The five shipped guides lie in `coordinator/guides/`; [`lint`] checks one without a fleet.

pub mod lint;
pub mod renames;
pub mod view;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::renames::{Obsolete, Rename};

/// A guide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guide {
    /// Name, for example `dss-3.2.0`.
    pub name: String,
    /// Title.
    pub title: String,
    /// Product as `bin/version.txt` of its homes says.
    pub product: String,
    /// Versions it accepts in the old home.
    pub from: String,
    /// Versions it accepts in the new home.
    pub to: String,
    /// Kernel versions it accepts in the new home.
    pub kernel: String,
    /// The order of WSO2's page.
    pub order: Order,
    /// WSO2's sentences that order something, in the page's order.
    #[serde(rename = "sentence")]
    pub sentences: Vec<Sentence>,
    /// Configuration files of the new home and the values to set in them.
    #[serde(rename = "edit", default)]
    pub edits: Vec<GuideEdit>,
    /// Directories to copy from the old home to the new one.
    #[serde(rename = "directory", default)]
    pub directories: Vec<GuideDirectory>,
    /// Files without which the new home can't serve the old data, carried unless the upgrade file says otherwise.
    #[serde(default)]
    pub carry: Vec<String>,
    /// Scripts that ship with the guide, by engine.
    #[serde(default)]
    pub scripts: BTreeMap<String, GuideScript>,
    /// What must hold in the migrated database.
    #[serde(rename = "checkpoint", default)]
    pub checkpoints: Vec<GuideCheckpoint>,
    /// Places of configuration that the new version has elsewhere.
    #[serde(rename = "rename", default)]
    pub renames: Vec<Rename>,
    /// Places of configuration that the new version does not have any more.
    #[serde(rename = "obsolete", default)]
    pub obsolete: Vec<Obsolete>,
    /// What an operator should know before.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Where the migration stands in a guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Migrate production, then copy it to staging.
    MigrateThenCopy,
    /// Copy production to staging, then migrate staging. Production is never changed.
    CopyThenMigrate,
}

impl Order {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Order::MigrateThenCopy => "migrate-then-copy",
            Order::CopyThenMigrate => "copy-then-migrate",
        }
    }
}

/// A sentence of WSO2's page that orders something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sentence {
    /// Its name in the guide.
    pub id: String,
    /// WSO2's words.
    pub text: String,
    /// Kinds of the steps that carry it out.
    #[serde(default)]
    pub steps: Vec<String>,
    /// Why it is not carried out.
    #[serde(default)]
    pub declined: Option<String>,
}

/// A file of the new home and values to set in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuideEdit {
    /// Path under the home.
    pub file: String,
    /// The sentence that asks for it.
    pub sentence: String,
    /// Element path to value. `{datasource}` in a path stands for the data source's name; the values are those of
    /// [`EditValue`].
    pub set: BTreeMap<String, EditValue>,
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
        }
    }
}

/// A directory to copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuideDirectory {
    /// Path under both homes.
    pub path: String,
    /// The sentence that asks for it.
    pub sentence: String,
    /// Whether only a home with tenants has it ("if multitenancy is used").
    #[serde(default)]
    pub tenants: bool,
}

/// A script that ships with a guide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuideScript {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub origin: String,
}

/// A checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuideCheckpoint {
    /// In words.
    pub text: String,
    /// The sentence that asks for it; none for a check that goes beyond the page.
    #[serde(default)]
    pub sentence: Option<String>,
    /// The check, in the form of `cutover-database`.
    pub check: serde_json::Value,
}

/// Why a guide can't be read.
#[derive(Debug, thiserror::Error)]
#[error("guide {file} is not readable")]
pub struct UnreadableGuide {
    /// The file.
    pub file: String,
    /// Why.
    #[source]
    pub source: toml::de::Error,
}

const SHIPPED: &[(&str, &str)] = &[("dss-3.2.0", include_str!("../guides/dss-3.2.0.toml"))];

const SCRIPTS: &[(&str, &str)] = &[(
    "carbon-4.1-to-4.2-user-store.postgres.sql",
    include_str!("../guides/scripts/carbon-4.1-to-4.2-user-store.postgres.sql"),
)];

impl Guide {
    /// Reads a guide.
    ///
    /// # Errors
    /// [`UnreadableGuide`] with the line in its source.
    pub fn parse(file: &str, text: &str) -> Result<Self, UnreadableGuide> {
        toml::from_str(text).map_err(|source| UnreadableGuide {
            file: file.to_owned(),
            source,
        })
    }

    /// The guides that ship with Cutover.
    ///
    /// # Errors
    /// Never for a released build: a test reads them all.
    pub fn shipped() -> Result<Vec<Self>, UnreadableGuide> {
        SHIPPED
            .iter()
            .map(|(name, text)| Self::parse(name, text))
            .collect()
    }

    /// The text of a script that ships with the guide.
    #[must_use]
    pub fn script(&self, engine: &str) -> Option<(&GuideScript, &'static str)> {
        let script = self.scripts.get(engine)?;
        let (_, text) = SCRIPTS.iter().find(|(name, _)| *name == script.name)?;
        Some((script, text))
    }
}

/// Whether a version satisfies a guide's range. Carbon's versions are not always SemVer (`4.2.0.0004`): the first
/// three numbers count.
#[must_use]
pub fn version_fits(range: &str, version: &str) -> bool {
    let Ok(range) = semver::VersionReq::parse(range) else {
        return false;
    };
    let numbers: Vec<u64> = version
        .split(['.', '-'])
        .map_while(|part| part.parse().ok())
        .chain([0, 0, 0])
        .take(3)
        .collect();
    match numbers.as_slice() {
        [major, minor, patch] => range.matches(&semver::Version::new(*major, *minor, *patch)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_guides_when_read_then_lint_finds_nothing() {
        for guide in Guide::shipped().unwrap() {
            assert_eq!(lint::lint(&guide), Vec::new(), "{}", guide.name);
        }
    }

    #[test]
    fn version_when_not_semver_then_its_numbers_count() {
        assert!(version_fits(">=3.0.0, <3.2.0", "3.1.1"));
        assert!(version_fits("=4.2.0", "4.2.0.0004"));
        assert!(!version_fits(">=3.0.0, <3.2.0", "3.2.0"));
        assert!(!version_fits("=3.2.0", ""));
    }

    #[test]
    fn script_when_engine_has_one_then_text_is_there() {
        let guides = Guide::shipped().unwrap();
        assert!(guides[0].script("postgres").unwrap().1.contains("UM_DOMAIN"));
        assert!(guides[0].script("mysql").is_none());
    }
}
