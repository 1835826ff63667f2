//! What becomes of a site's changes: `cutover config report`.

use serde::{Deserialize, Serialize};

use super::{ChangeKind, ShownValue};
use crate::ids::NodeName;

/// Schema name of a report.
pub const CONFIG_REPORT_SCHEMA: &str = "config-report/1";

/// What becomes of every value that the site changed in its old homes. Schema `config-report/1`. Values that look like
/// secrets are never in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigReport {
    /// The upgrade's name.
    pub upgrade: String,
    /// Its guide.
    pub guide: String,
    /// The nodes, and what each was compared with.
    pub nodes: Vec<ComparedNode>,
    /// Files with a change, by path in the old home.
    pub files: Vec<ReportFile>,
    /// How the homes keep their secrets, and what becomes of that.
    pub secrets: Vec<SecretNote>,
    /// How many changes nobody has decided on yet.
    pub undecided: usize,
    /// The answers to them, to be pasted into the upgrade file; empty when there are none.
    pub answers: String,
}

/// A node of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedNode {
    /// The node.
    pub node: NodeName,
    /// Its old home.
    pub old: String,
    /// Its new home.
    pub new: String,
    /// What counted as the old version's stock.
    pub stock: String,
    /// Why it could not be compared.
    pub problem: Option<String>,
}

/// A file of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportFile {
    /// Path under the old home.
    pub file: String,
    /// Its changes. One that is the same on several nodes stands once.
    pub changes: Vec<ReportChange>,
}

/// A change of the site, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportChange {
    /// The nodes that have it.
    pub nodes: Vec<NodeName>,
    /// Whether these are all nodes of the upgrade.
    pub everywhere: bool,
    /// Path of the element or attribute; none where the file as a whole is meant.
    pub path: Option<String>,
    /// What the site did; none where the file as a whole is meant.
    pub kind: Option<ChangeKind>,
    /// The old version's stock value.
    pub stock: Option<ShownValue>,
    /// The site's value.
    pub site: Option<ShownValue>,
    /// What the new version has there, in words.
    pub new: String,
    /// What becomes of it.
    pub fate: Fate,
    /// Why.
    pub why: String,
    /// Where it goes, when that is another place: `FILE: PATH` in the new home.
    pub to: Option<String>,
    /// Lines for the upgrade file that decide on it, when it is undecided.
    pub answer: Option<String>,
}

/// What becomes of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// The upgrade file has to say.
    Undecided,
    /// A person has to do something on the node before the servers are stopped.
    ByHand,
    /// It is left to Secure Vault.
    Vault,
    /// It is put into the same place of the new home.
    Carried,
    /// It is put into the place that the new version has for it.
    Renamed,
    /// The guide sets that place.
    ByGuide,
    /// The upgrade file sets that place (`[[config]]`).
    BySite,
    /// The new version has no use for it.
    Obsolete,
    /// The new home's value stays: the upgrade file says so, or somebody set it there before.
    Left,
    /// The new home has it already.
    Same,
}

impl Fate {
    /// Every fate, in the order in which a reader wants to see them.
    pub const ALL: [Fate; 10] = [
        Fate::Undecided,
        Fate::ByHand,
        Fate::Vault,
        Fate::Carried,
        Fate::Renamed,
        Fate::ByGuide,
        Fate::BySite,
        Fate::Obsolete,
        Fate::Left,
        Fate::Same,
    ];

    /// The word, as reports write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Fate::Undecided => "undecided",
            Fate::ByHand => "by-hand",
            Fate::Vault => "vault",
            Fate::Carried => "carried",
            Fate::Renamed => "renamed",
            Fate::ByGuide => "by-guide",
            Fate::BySite => "by-site",
            Fate::Obsolete => "obsolete",
            Fate::Left => "left",
            Fate::Same => "same",
        }
    }
}

/// One thing about a home's secrets, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SecretNote {
    /// The nodes it is about.
    pub nodes: Vec<NodeName>,
    /// What the home uses: aliases, encrypted values, key stores, password files.
    pub what: String,
    /// What happens to it.
    pub then: String,
    /// Whether a person has to do that.
    pub by_hand: bool,
}
