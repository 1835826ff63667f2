//! A plan: guide, upgrade file and inventory compiled into phases of steps. Immutable, hashed, with no choice
//! left to make.

mod data;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::data::{DataMode, DataPlan, DowntimeForecast, ModeForecast};
use crate::ids::{NodeName, Sha256Hex, StepId};
use crate::step::{AdminAccess, BlobRef, NodeAction, SecretRef};

/// Schema name of a plan document.
pub const PLAN_SCHEMA: &str = "plan/1";

/// A compiled upgrade. Its hash is that of its canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The upgrade's name.
    pub name: String,
    /// The guide it follows; empty for a single action (`cutover do`).
    pub guide: String,
    /// What the guide calls its order, or `copy-first`.
    pub order: String,
    /// One paragraph: what happens to production.
    pub summary: String,
    /// The nodes, manager first.
    pub nodes: Vec<NodeName>,
    /// The databases.
    pub databases: Vec<PlanDatabase>,
    /// Steps at work at the same time in a phase.
    pub parallel: u32,
    /// Node failures tolerated before a phase holds.
    pub failures: u32,
    /// The phases, in order; each is a barrier.
    pub phases: Vec<PlanPhase>,
    /// The step after which undo is not offered.
    pub point_of_no_return: Option<StepId>,
    /// When it may be applied.
    pub window: Option<PlanWindow>,
    /// The downtime expected, in seconds, and how it was reckoned.
    pub downtime: Option<DowntimeForecast>,
    /// What the operator should know.
    pub notes: Vec<String>,
    /// Hash of what each node reported of its homes when the plan was made. The preflight refuses a node that has
    /// changed since.
    pub inventory: BTreeMap<NodeName, Sha256Hex>,
    /// Hash of what each node's comparison said of each configuration file when the plan was made. The preflight
    /// refuses a node whose files say something else.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub configs: BTreeMap<NodeName, BTreeMap<String, Sha256Hex>>,
    /// How the data gets from production to staging, and why so. Absent where no data is moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataPlan>,
    /// The plan that this one rehearses; a run of it changes nothing but its own scratch databases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearses: Option<Sha256Hex>,
}

/// A maintenance window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanWindow {
    /// Day, time and zone of its opening, for example `Sat 01:00 Europe/Berlin`.
    pub open: String,
    /// Its length, for example `4h`.
    pub length: String,
}

/// A database of the upgrade, with its staging.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanDatabase {
    /// Name in the upgrade file.
    pub name: String,
    /// Data source in the homes.
    pub datasource: String,
    /// `mysql` or `postgres`.
    pub engine: String,
    /// The database in use.
    pub production: DatabaseAddress,
    /// The empty one that becomes the new production.
    pub staging: DatabaseAddress,
    /// The account that the new servers use on staging, when it is another than staging's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// Migration scripts, in order. Empty when the schema is already at the new version's level.
    pub scripts: Vec<PlanScript>,
    /// Why scripts run or not.
    pub scripts_why: String,
    /// Tables whose rows the scripts may lose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub may_lose: Vec<String>,
    /// How rows get into a staging that was migrated first; absent where it must be migrated last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<DeltaWay>,
    /// Which tables are copied as files, and by whom; absent where none are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tablespaces: Option<Tablespaces>,
    /// Identity of the production database when the plan was made: another one is refused.
    pub production_identity: String,
    /// Identity of the staging database when the plan was made.
    pub staging_identity: String,
}

/// How rows that production wrote meanwhile get into a staging that was migrated first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltaWay {
    /// The upgrade path whose fix-ups follow the rows; none where the scripts change no rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix_ups: Option<String>,
}

/// Tables that are copied as files inside one MySQL or MariaDB server (transportable tablespaces).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tablespaces {
    /// The node on the server's host.
    pub node: NodeName,
    /// The server's data folder.
    pub data_dir: String,
    /// Production's folder in it.
    pub from: String,
    /// Staging's folder in it.
    pub to: String,
    /// The tables.
    pub tables: Vec<String>,
    /// Bytes in them, as the server reckons.
    pub bytes: u64,
}

/// URL and secret of one database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseAddress {
    /// `ENGINE://USER@HOST[:PORT]/DATABASE`.
    pub url: String,
    /// Where the password is.
    pub password: SecretRef,
}

/// A migration script of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanScript {
    /// The content.
    pub blob: BlobRef,
    /// Statements in it.
    pub statements: u32,
    /// Whether it ships with the guide.
    pub bundled: bool,
    /// Statements that are not run as they stand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<StatementOverride>,
}

/// What is done about one statement instead of running it as it stands. Bound to the statement's text by its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementOverride {
    /// Number of the statement in the script, from 1, as `cutover sql split` shows it.
    pub statement: u32,
    /// SHA-256 of the statement.
    pub sha256: Sha256Hex,
    /// What is done.
    pub action: OverrideAction,
    /// The statement run in its place, when it is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// Why.
    pub reason: String,
}

/// What is done about a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverrideAction {
    /// It is left out.
    Skip,
    /// Another statement runs in its place.
    Replace,
    /// A person has carried it out.
    DoneByHand,
}

impl OverrideAction {
    /// The word in upgrade files and commands.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            OverrideAction::Skip => "skip",
            OverrideAction::Replace => "replace",
            OverrideAction::DoneByHand => "done-by-hand",
        }
    }
}

impl std::str::FromStr for OverrideAction {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [
            OverrideAction::Skip,
            OverrideAction::Replace,
            OverrideAction::DoneByHand,
        ]
        .into_iter()
        .find(|action| action.as_str() == text)
        .ok_or(())
    }
}

/// A barrier: all its steps end before the next phase starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanPhase {
    /// Name, as in design.md section 6.
    pub name: String,
    /// Whether a person must approve before it starts.
    pub approval: bool,
    /// The steps.
    pub steps: Vec<PlanStep>,
}

/// Where a step is carried out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// On a node, by its agent.
    Node(NodeName),
    /// On a database, by the coordinator.
    Database(String),
    /// In the coordinator itself.
    Coordinator,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Node(node) => node.fmt(f),
            Place::Database(name) => write!(f, "database {name}"),
            Place::Coordinator => f.write_str("coordinator"),
        }
    }
}

/// Production or staging.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatabaseRole {
    /// The database in use.
    Production,
    /// The empty database that becomes the new production.
    Staging,
}

impl fmt::Display for DatabaseRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DatabaseRole::Production => "production",
            DatabaseRole::Staging => "staging",
        })
    }
}

/// What the coordinator does on a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum DatabaseAction {
    /// Same engine, same charset rules, not the same database, staging empty, accounts able to do the work.
    Verify,
    /// Nobody but Cutover is connected: the database's own session list is the proof (promise 1).
    ProveAlone {
        /// Which database.
        role: DatabaseRole,
    },
    /// Back production up and prove the backup by restoring it.
    Backup,
    /// Run the migration scripts.
    Migrate {
        /// On which database.
        role: DatabaseRole,
    },
    /// Copy production to staging.
    Copy {
        /// Production serves meanwhile: the copy is of one moment, and what is written later is brought over later.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        serving: bool,
    },
    /// Make production refuse the application, and prove it by trying to connect.
    Fence {
        /// The application's accounts on production.
        accounts: Vec<String>,
        /// The account that tries to connect, where its password is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proof: Option<AdminAccess>,
    },
    /// Bring every difference between production and staging over to staging.
    Synchronise {
        /// Production is fenced: this is the last difference.
        fenced: bool,
    },
    /// Keep name and hash of every row of the un-migrated copy: what production writes later is told by them.
    CaptureManifest,
    /// Bring what production wrote since the copy into staging, which was migrated.
    BringDelta {
        /// Production is fenced: this is the last of it.
        fenced: bool,
    },
    /// Make the scratch database that a rehearsal works on.
    MakeScratch {
        /// It stays after the rehearsal.
        keep: bool,
    },
    /// Remove the rehearsal's scratch database.
    DropScratch,
    /// Make large tables in staging without their files, and lock them in production until the copy takes the files
    /// in that the agent on the database host copies.
    ExportTables {
        /// The tables.
        tables: Vec<String>,
    },
    /// Prove that staging equals production.
    Compare {
        /// Staging is migrated already: what is compared are the columns that both have.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        migrated: bool,
    },
    /// Repair what checkpoints find, where a repair is known and the operator asked for it.
    Repair {
        /// On which database.
        role: DatabaseRole,
        /// The checks whose findings are repaired.
        checks: serde_json::Value,
        /// Domain of the primary user store.
        primary_domain: String,
    },
    /// Check tables, columns and row rules (data of the guide, as `cutover-database` reads it).
    Checkpoint {
        /// On which database.
        role: DatabaseRole,
        /// The checks.
        checks: serde_json::Value,
    },
    /// The new servers are on staging and nobody is on production.
    ProveServing {
        /// Number of nodes that must be seen on staging.
        nodes: u32,
    },
}

impl DatabaseAction {
    /// The action's name.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            DatabaseAction::Verify => "verify-databases",
            DatabaseAction::ProveAlone { .. } => "prove-alone",
            DatabaseAction::Backup => "backup-database",
            DatabaseAction::Migrate { .. } => "migrate",
            DatabaseAction::Copy { .. } => "copy-database",
            DatabaseAction::Fence { .. } => "fence",
            DatabaseAction::Synchronise { .. } => "synchronise",
            DatabaseAction::MakeScratch { .. } => "make-scratch",
            DatabaseAction::DropScratch => "drop-scratch",
            DatabaseAction::CaptureManifest => "capture-manifest",
            DatabaseAction::BringDelta { .. } => "bring-delta",
            DatabaseAction::ExportTables { .. } => "export-tables",
            DatabaseAction::Compare { migrated: false } => "compare-databases",
            DatabaseAction::Compare { migrated: true } => "compare-migrated",
            DatabaseAction::Repair { .. } => "repair",
            DatabaseAction::Checkpoint { .. } => "checkpoint",
            DatabaseAction::ProveServing { .. } => "prove-serving",
        }
    }
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepAction {
    /// By the agent of a node.
    Node(NodeAction),
    /// By the coordinator on a database.
    Database(DatabaseAction),
    /// Nothing but the record: the point of no return itself.
    Finalize,
}

impl StepAction {
    /// The action's name.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            StepAction::Node(action) => action.kind(),
            StepAction::Database(action) => action.kind(),
            StepAction::Finalize => "finalize",
        }
    }
}

/// How a step is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reversal {
    /// It changed nothing, or what it made is kept on purpose.
    Nothing,
    /// It has an undo.
    Undo,
    /// After it, undo is not offered.
    PointOfNoReturn,
}

/// One step: the smallest unit with its own undo and proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanStep {
    /// `PHASE.WHAT@PLACE`.
    pub id: StepId,
    /// One line for people.
    pub title: String,
    /// Where.
    pub place: Place,
    /// What.
    pub action: StepAction,
    /// How it is taken back.
    pub reversal: Reversal,
    /// In words: what undo does.
    pub undo: String,
    /// Whether `cutover skip` is allowed.
    pub skippable: bool,
    /// How long it may take before it counts as failed, in seconds.
    pub deadline_secs: u64,
    /// Steps of the same phase that must have ended first.
    pub after: Vec<StepId>,
    /// The sentences of WSO2's guide that it carries out.
    pub sentences: Vec<String>,
}

impl Plan {
    /// The canonical JSON: what is hashed, stored and sent.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// SHA-256 of the canonical JSON.
    #[must_use]
    pub fn hash(&self) -> Sha256Hex {
        Sha256Hex::of(&self.canonical())
    }

    /// Every step, in plan order.
    pub fn steps(&self) -> impl Iterator<Item = &PlanStep> {
        self.phases.iter().flat_map(|phase| &phase.steps)
    }

    /// A step by its id.
    #[must_use]
    pub fn step(&self, id: &StepId) -> Option<&PlanStep> {
        self.steps().find(|step| &step.id == id)
    }

    /// Every node that a step is carried out on: the nodes that are upgraded, and database hosts.
    #[must_use]
    pub fn hosts(&self) -> BTreeSet<NodeName> {
        let of_steps = self.steps().filter_map(|step| match &step.place {
            Place::Node(node) => Some(node.clone()),
            Place::Database(_) | Place::Coordinator => None,
        });
        self.nodes.iter().cloned().chain(of_steps).collect()
    }

    /// A database by its name.
    #[must_use]
    pub fn database(&self, name: &str) -> Option<&PlanDatabase> {
        self.databases.iter().find(|database| database.name == name)
    }

    /// How many steps each node has.
    #[must_use]
    pub fn steps_per_place(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for step in self.steps() {
            *counts.entry(step.place.to_string()).or_insert(0) += 1;
        }
        counts
    }
}
