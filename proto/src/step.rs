//! What a node can be asked to do: a closed set of typed actions. There is no way to run a command of one's own
//! (design.md, promise 11).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::Sha256Hex;

/// A reference to a secret, for example `file:/etc/cutover/db1.pw`. The value never stands in a plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretRef(pub String);

/// A value that an edit puts into a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigValue {
    /// The text itself.
    Literal(String),
    /// The value of a secret, sent with the command and never stored.
    Secret(SecretRef),
    /// The value that stands in another home of the same node. The agent reads it there when it edits: it never leaves
    /// the node, so it may be a secret.
    Carried(HomeValue),
    /// The whole element that stands in another home of the same node, with everything in it, put in as a new child
    /// where the edit's path names an element that the file lacks.
    Element(HomeValue),
}

/// A place in a configuration file of a home.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HomeValue {
    /// The home.
    pub home: String,
    /// Path of the file under the home.
    pub file: String,
    /// Path of the element or attribute, in the syntax of `cutover-xmledit`.
    pub path: String,
}

impl fmt::Display for ConfigValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigValue::Literal(text) => write!(f, "`{text}`"),
            ConfigValue::Secret(reference) => write!(f, "the secret {}", reference.0),
            ConfigValue::Carried(place) => {
                write!(f, "the value at {} in {}/{}", place.path, place.home, place.file)
            }
            ConfigValue::Element(place) => {
                write!(f, "the element {} of {}/{}", place.path, place.home, place.file)
            }
        }
    }
}

/// One value to set in an XML file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct XmlEdit {
    /// Path of the element or attribute, in the syntax of `cutover-xmledit`.
    pub path: String,
    /// What to put there.
    pub value: ConfigValue,
    /// Whether a file without that element is left as it is; otherwise the element is put in.
    #[serde(default, skip_serializing_if = "is_false")]
    pub only_if_present: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Content known by its hash, kept by the coordinator and fetched by agents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRef {
    /// File name as the operator wrote it.
    pub name: String,
    /// SHA-256 of the content.
    pub sha256: Sha256Hex,
    /// Size in bytes.
    pub size: u64,
}

/// The account that the admin services are asked with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminAccess {
    /// User name.
    pub user: String,
    /// Where the password is.
    pub password: SecretRef,
}

/// One action on one node. Paths are absolute and must lie under a home that the agent's policy names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum NodeAction {
    /// Look at the host and at these homes; change nothing.
    Inspect {
        /// Homes to report.
        homes: Vec<String>,
    },
    /// Unpack a distribution into a home that does not exist yet.
    Unpack {
        /// The new home.
        home: String,
        /// The distribution archive.
        distribution: BlobRef,
    },
    /// Back up a home into the node's backup folder and read it back ("make a backup of … the `<DSS_HOME>`
    /// directory prior to upgrading").
    BackupHome {
        /// The home.
        home: String,
        /// Name of the archive, without folder or extension.
        name: String,
    },
    /// Copy a directory tree from one home to another.
    CopyTree {
        /// The home copied from.
        from: String,
        /// The home copied to.
        to: String,
        /// Path under both homes.
        path: String,
        /// Whether what the new home has there already stays: the new version's own artifacts are not overwritten by
        /// those of the old one (carbon-facts.md section 10.2). What stayed is in the receipt.
        #[serde(default, skip_serializing_if = "is_false")]
        protect: bool,
        /// Patterns of paths under the home that are copied all the same.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        overwrite: Vec<String>,
    },
    /// Copy single files, such as drivers and keystores.
    CarryFiles {
        /// The home copied from.
        from: String,
        /// The home copied to.
        to: String,
        /// Patterns of paths under the home.
        patterns: Vec<String>,
    },
    /// Edit a configuration file of a home in place, byte-exactly.
    EditXml {
        /// The home.
        home: String,
        /// Path of the file under the home.
        file: String,
        /// Other places where the file may lie instead. Exactly one of all must be there.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        elsewhere: Vec<String>,
        /// The values to set.
        edits: Vec<XmlEdit>,
    },
    /// Compare the configuration of an old home with the stock of its version and with the stock of the new one;
    /// change nothing. The receipt carries [`crate::config::ConfigComparison`].
    CompareConfig {
        /// The old home.
        old: String,
        /// The old version's distribution. Without it, files of the old home that nobody edited since it was unpacked
        /// count as stock.
        old_stock: Option<BlobRef>,
        /// The new home, when it is unpacked already.
        new: String,
        /// The new version's distribution, when it is not.
        new_stock: Option<BlobRef>,
    },
    /// Copy the files of tables from one database's folder to another's, inside one MySQL or MariaDB server that has
    /// locked and described them (`FLUSH TABLES ... FOR EXPORT`).
    CopyTablespaces {
        /// The server's data folder; the agent's policy must name it in `database_dirs`.
        data_dir: String,
        /// The database copied from.
        from: String,
        /// The database copied to, where the tables have no files.
        to: String,
        /// The tables. One that the server has not described is left out.
        tables: Vec<String>,
    },
    /// Promise that the server of a home stays down.
    HoldServer {
        /// The home.
        home: String,
    },
    /// Stop the server of a home, and hold it.
    StopServer {
        /// The home.
        home: String,
        /// How long the server may take to stop by itself, in seconds. Carbon's own waits have no limit
        /// (carbon-facts.md section 4), so this one must be there.
        grace_secs: u32,
        /// Whether to kill a server that did not stop in that time.
        kill: bool,
    },
    /// Prove that no process of a home is left and that its ports are closed.
    ProveStopped {
        /// The home.
        home: String,
    },
    /// Release the hold of a home and start its server.
    StartServer {
        /// The home.
        home: String,
    },
    /// Wait until the server of a home is up, and prove it.
    ProveReady {
        /// The home.
        home: String,
        /// How long it may take, in seconds.
        timeout_secs: u32,
        /// Account to ask `ServerAdmin` with, if the operator named one.
        admin: Option<AdminAccess>,
    },
    /// Give up the promise of [`NodeAction::HoldServer`].
    ReleaseHold {
        /// The home.
        home: String,
    },
    /// The tests of the guides' "Going into production", through the admin services; removes what it made.
    Smoke {
        /// The home.
        home: String,
        /// Account to use.
        admin: AdminAccess,
        /// Prefix of everything it makes.
        prefix: String,
    },
}

impl NodeAction {
    /// The action's name, as policies, plans and audit records write it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            NodeAction::Inspect { .. } => "inspect",
            NodeAction::Unpack { .. } => "unpack",
            NodeAction::BackupHome { .. } => "backup-home",
            NodeAction::CopyTree { .. } => "copy-tree",
            NodeAction::CarryFiles { .. } => "carry-files",
            NodeAction::EditXml { .. } => "edit-xml",
            NodeAction::CompareConfig { .. } => "compare-config",
            NodeAction::CopyTablespaces { .. } => "copy-tablespaces",
            NodeAction::HoldServer { .. } => "hold-server",
            NodeAction::StopServer { .. } => "stop-server",
            NodeAction::ProveStopped { .. } => "prove-stopped",
            NodeAction::StartServer { .. } => "start-server",
            NodeAction::ProveReady { .. } => "prove-ready",
            NodeAction::ReleaseHold { .. } => "release-hold",
            NodeAction::Smoke { .. } => "smoke",
        }
    }

    /// Every home the action reads or changes.
    #[must_use]
    pub fn homes(&self) -> Vec<&str> {
        match self {
            NodeAction::Inspect { homes } => homes.iter().map(String::as_str).collect(),
            NodeAction::CopyTree { from, to, .. } | NodeAction::CarryFiles { from, to, .. } => vec![from, to],
            NodeAction::CompareConfig { old, new, .. } => vec![old, new],
            NodeAction::CopyTablespaces { .. } => Vec::new(),
            NodeAction::EditXml { home, edits, .. } => {
                let mut homes: Vec<&str> = vec![home];
                homes.extend(edits.iter().filter_map(|edit| match &edit.value {
                    ConfigValue::Carried(place) | ConfigValue::Element(place) => Some(place.home.as_str()),
                    ConfigValue::Literal(_) | ConfigValue::Secret(_) => None,
                }));
                homes.dedup();
                homes
            }
            NodeAction::Unpack { home, .. }
            | NodeAction::BackupHome { home, .. }
            | NodeAction::HoldServer { home }
            | NodeAction::StopServer { home, .. }
            | NodeAction::ProveStopped { home }
            | NodeAction::StartServer { home }
            | NodeAction::ProveReady { home, .. }
            | NodeAction::ReleaseHold { home }
            | NodeAction::Smoke { home, .. } => vec![home],
        }
    }

    /// The secrets whose values must travel with the command.
    #[must_use]
    pub fn secrets(&self) -> Vec<&SecretRef> {
        match self {
            NodeAction::EditXml { edits, .. } => edits
                .iter()
                .filter_map(|edit| match &edit.value {
                    ConfigValue::Secret(reference) => Some(reference),
                    ConfigValue::Literal(_) | ConfigValue::Carried(_) | ConfigValue::Element(_) => None,
                })
                .collect(),
            NodeAction::ProveReady { admin, .. } => admin.iter().map(|a| &a.password).collect(),
            NodeAction::Smoke { admin, .. } => vec![&admin.password],
            NodeAction::Inspect { .. }
            | NodeAction::Unpack { .. }
            | NodeAction::BackupHome { .. }
            | NodeAction::CopyTree { .. }
            | NodeAction::CarryFiles { .. }
            | NodeAction::CompareConfig { .. }
            | NodeAction::CopyTablespaces { .. }
            | NodeAction::HoldServer { .. }
            | NodeAction::StopServer { .. }
            | NodeAction::ProveStopped { .. }
            | NodeAction::StartServer { .. }
            | NodeAction::ReleaseHold { .. } => Vec::new(),
        }
    }

    /// Hash of the action's canonical JSON. Secrets are references there, so their values are not in it.
    #[must_use]
    pub fn content_hash(&self) -> Sha256Hex {
        Sha256Hex::of(&serde_json::to_vec(self).unwrap_or_default())
    }
}
