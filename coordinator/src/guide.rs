//! Guides as data: the ordered procedure for one product hop, traceable to WSO2's sentences.
//!
//! The shipped guides lie in `coordinator/guides/`; [`lint`] checks one without a fleet, and beside the page that it
//! carries out.

mod edit;
pub mod lint;
pub mod page;
mod part;
mod renames;
mod script;
mod shipped;
mod version;
pub mod view;

use serde::{Deserialize, Serialize};

pub use self::edit::{EditFor, EditValue, GuideEdit, Setting};
pub use self::renames::{Obsolete, Rename};
pub use self::script::{GuideScript, ProductDatabase, Role, ScriptSet};
pub(crate) use self::shipped::script_text;
pub use self::version::version_fits;

/// What a guide says of a product when it is for any: both homes must then hold the same one.
pub const ANY_PRODUCT: &str = "*";

/// A guide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guide {
    /// Name, for example `dss-3.2.0`.
    pub name: String,
    /// Title.
    pub title: String,
    /// Product as `bin/version.txt` of its homes says, or `*` for any: see [`ANY_PRODUCT`].
    pub product: String,
    /// Versions of the product that it accepts in the old home.
    pub from: String,
    /// Versions of the product that it accepts in the new home.
    pub to: String,
    /// Kernel versions that it accepts in the old home.
    #[serde(default)]
    pub from_kernel: Option<String>,
    /// Kernel versions that it accepts in the new home.
    pub kernel: String,
    /// The order of WSO2's page.
    pub order: Order,
    /// Whether rows that reach production while the upgrade is under way can be brought over.
    #[serde(default)]
    pub delta: bool,
    /// Whether staging may run beside production for a while, before names are switched.
    #[serde(default)]
    pub beside: bool,
    /// Shared parts that ship with Cutover and become part of the guide, behind what it says itself.
    #[serde(default)]
    pub uses: Vec<String>,
    /// WSO2's sentences that order something, in the page's order.
    #[serde(rename = "sentence")]
    pub sentences: Vec<Sentence>,
    /// The database that belongs to the product alone, where it has one.
    #[serde(default)]
    pub product_database: Option<ProductDatabase>,
    /// Migration scripts by the role of the database that they run on, in the order in which they run.
    #[serde(rename = "script", default)]
    pub scripts: Vec<GuideScript>,
    /// Configuration files of the new home and the values to set in them.
    #[serde(rename = "edit", default)]
    pub edits: Vec<GuideEdit>,
    /// Directories to copy from the old home to the new one.
    #[serde(rename = "directory", default)]
    pub directories: Vec<GuideDirectory>,
    /// Files without which the new home can't serve the old data, carried unless the upgrade file says otherwise.
    #[serde(default)]
    pub carry: Vec<String>,
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
    /// Copy production to staging. No schema changes, so nothing is migrated.
    CopyOnly,
}

impl Order {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Order::MigrateThenCopy => "migrate-then-copy",
            Order::CopyThenMigrate => "copy-then-migrate",
            Order::CopyOnly => "copy-only",
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

/// A directory to copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuideDirectory {
    /// Path under both homes.
    pub path: String,
    /// The sentence that asks for it; none where the page forgets it, and then there is a reason.
    #[serde(default)]
    pub sentence: Option<String>,
    /// Why it is copied although the page does not ask for it.
    #[serde(default)]
    pub why: Option<String>,
    /// Whether only a home with tenants has it ("if multitenancy is used").
    #[serde(default)]
    pub tenants: bool,
    /// Whether what the new version ships there stays: its own artifacts are not overwritten by the old ones.
    #[serde(default)]
    pub protect: bool,
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
    /// The database that it is about.
    #[serde(default = "user_management")]
    pub role: Role,
    /// The check, in the form of `cutover-database`.
    pub check: serde_json::Value,
}

fn user_management() -> Role {
    Role::UserManagement
}

/// A guide that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("guide {file} is not readable")]
pub struct UnreadableGuide {
    /// The file.
    pub file: String,
    /// Why.
    #[source]
    pub source: Unreadable,
}

/// Why a guide can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is not a guide.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// It uses a part that does not ship.
    #[error("it uses part `{0}`, and there is none; there are {known}", known = part::NAMES.join(", "))]
    NoPart(String),
}

impl Guide {
    /// Reads a guide, with the parts that it uses.
    ///
    /// # Errors
    /// [`UnreadableGuide`] with the line in its source.
    pub fn parse(file: &str, text: &str) -> Result<Self, UnreadableGuide> {
        let unreadable = |source| UnreadableGuide {
            file: file.to_owned(),
            source,
        };
        let mut guide: Self = toml::from_str(text).map_err(|error| unreadable(error.into()))?;
        for name in guide.uses.clone() {
            guide.take(part::read(&name).map_err(unreadable)?);
        }
        Ok(guide)
    }

    /// Whether a product is the one that the guide is for.
    #[must_use]
    pub fn is_for(&self, product: &str) -> bool {
        self.product == ANY_PRODUCT || self.product == product
    }

    /// Whether a home of this version and kernel is one that the guide upgrades.
    #[must_use]
    pub fn upgrades(&self, version: &str, kernel: &str) -> bool {
        let kernel_fits = |range: &String| version_fits(range, kernel);
        version_fits(&self.from, version) && self.from_kernel.as_ref().is_none_or(kernel_fits)
    }

    /// Whether a home of this version and kernel is what the guide upgrades to.
    #[must_use]
    pub fn reaches(&self, version: &str, kernel: &str) -> bool {
        version_fits(&self.to, version) && version_fits(&self.kernel, kernel)
    }

    /// Whether a home of this version and kernel needs the guide no more.
    #[must_use]
    pub fn is_behind(&self, version: &str, kernel: &str) -> bool {
        if self.to == ANY_PRODUCT {
            return version_fits(&self.kernel, kernel);
        }
        version_fits(&self.to, version)
    }

    /// The old home's versions in words.
    #[must_use]
    pub fn from_words(&self) -> String {
        words(&self.from, self.from_kernel.as_deref())
    }

    /// The new home's versions in words.
    #[must_use]
    pub fn to_words(&self) -> String {
        words(&self.to, Some(&self.kernel))
    }
}

fn words(version: &str, kernel: Option<&str>) -> String {
    match (version, kernel) {
        (ANY_PRODUCT, Some(kernel)) => format!("any version on kernel {kernel}"),
        (version, Some(kernel)) => format!("{version} on kernel {kernel}"),
        (version, None) => version.to_owned(),
    }
}

#[cfg(test)]
mod tests;
