//! What an operator is shown: findings, runs, nodes, guides. Documents of `cutover … --json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{NodeName, RunId, Sha256Hex, StepId};
use crate::plan::{ModeForecast, Place};
use crate::report::{Receipt, StepError};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Worth a thought before going on.
    Warning,
    /// No plan is made.
    Error,
}

/// One thing found while checking an upgrade or a guide. Schema `findings/1` is a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// One word for programs.
    pub code: String,
    /// File and line, node, or database.
    pub place: String,
    /// What is the matter, and why.
    pub text: String,
    /// What to do.
    pub remedy: String,
}

/// State of a step in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepStateView {
    /// Not started.
    Pending,
    /// At work.
    Running,
    /// Done, with a receipt.
    Succeeded,
    /// Failed; it holds its phase.
    Failed,
    /// Left out by an operator.
    Skipped,
    /// Being taken back.
    Undoing,
    /// Taken back.
    Undone,
    /// Its undo failed; a person must act.
    Stuck,
}

/// State of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStateView {
    /// Steps are at work.
    Running,
    /// An operator paused it.
    Paused,
    /// A failed step holds it.
    Held,
    /// A person must approve the next phase.
    WaitingForApproval,
    /// Being taken back.
    Aborting,
    /// Taken back: everything is where it was.
    Aborted,
    /// An undo failed.
    Stuck,
    /// Done.
    Done,
}

impl RunStateView {
    /// Whether the run will never change again.
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            RunStateView::Aborted | RunStateView::Done => true,
            RunStateView::Running
            | RunStateView::Paused
            | RunStateView::Held
            | RunStateView::WaitingForApproval
            | RunStateView::Aborting
            | RunStateView::Stuck => false,
        }
    }
}

/// A run as it stands. Schema `run/1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunView {
    /// The run.
    pub id: RunId,
    /// Its plan.
    pub plan_hash: Sha256Hex,
    /// The upgrade's name.
    pub name: String,
    /// The guide.
    pub guide: String,
    /// Who applied the plan.
    pub operator: String,
    /// Its state.
    pub state: RunStateView,
    /// When it started (RFC 3339).
    pub started: String,
    /// When it ended.
    pub ended: Option<String>,
    /// Its phases.
    pub phases: Vec<PhaseView>,
    /// Why it is waiting, and the commands that can follow.
    pub waiting: Option<WaitingView>,
    /// Downtime measured so far: from the first server stopped to the last one proven ready.
    pub downtime: Option<DowntimeView>,
    /// The last event's number.
    pub version: u64,
}

/// Why a run waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingView {
    /// The reason.
    pub reason: String,
    /// Who must act.
    pub owner: String,
    /// Commands that can follow.
    pub commands: Vec<String>,
}

/// Downtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DowntimeView {
    /// From when (RFC 3339).
    pub from: String,
    /// Until when; absent while it lasts.
    pub until: Option<String>,
    /// Its length so far, in milliseconds.
    pub millis: u64,
}

/// A phase of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseView {
    /// Its name.
    pub name: String,
    /// Whether it still needs an approval.
    pub approval_missing: bool,
    /// Its steps.
    pub steps: Vec<RunStepView>,
}

/// A step of a run. Schema `run-step/1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStepView {
    /// The step.
    pub id: StepId,
    /// Its phase.
    pub phase: String,
    /// One line for people.
    pub title: String,
    /// Where.
    pub place: Place,
    /// Its state.
    pub state: StepStateView,
    /// Tries so far.
    pub attempt: u32,
    /// When the last try started (RFC 3339).
    pub started: Option<String>,
    /// How long it took, in milliseconds.
    pub millis: Option<u64>,
    /// The failure.
    pub error: Option<StepError>,
    /// The evidence.
    pub receipt: Option<Receipt>,
}

/// A run in a list. Schema `run-list/1` is a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The run.
    pub id: RunId,
    /// The upgrade's name.
    pub name: String,
    /// The guide.
    pub guide: String,
    /// Its state.
    pub state: RunStateView,
    /// When it started (RFC 3339).
    pub started: String,
    /// Steps that ended well, and all.
    pub done: u64,
    /// All steps.
    pub steps: u64,
}

/// What a rehearsal found. Schema `rehearsal/1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RehearsalView {
    /// The upgrade's name.
    pub upgrade: String,
    /// The rehearsal's run.
    pub run: RunId,
    /// The plan that was rehearsed.
    pub plan_hash: Sha256Hex,
    /// When it ended (RFC 3339).
    pub at: String,
    /// The first failure, where a run of the plan would fail too; or that an operator broke it off.
    pub failed: Option<String>,
    /// An operator broke it off before anything failed: it says nothing about the plan.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub broken_off: bool,
    /// Why a run with the mode `delta` would be held: rows that the migrated staging refuses, or a way that is not possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta_held: Option<String>,
    /// Every step that ended well and how long it took.
    pub steps: Vec<RehearsedStep>,
    /// Predicted downtime of every mode; empty when it failed.
    pub forecasts: Vec<ModeForecast>,
    /// Scratch databases that were kept.
    pub kept: Vec<String>,
}

/// A row that could not be brought into a migrated staging; it is where it was in production.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterView {
    /// The database's name in the upgrade.
    pub database: String,
    /// Table, by its name in production.
    pub table: String,
    /// What was to be done: `store` or `delete`.
    pub act: String,
    /// The values that name the row; a hash where it has no key.
    pub key: Vec<String>,
    /// The row as JSON, where one was to be stored.
    pub row: Option<String>,
    /// What the server said.
    pub reason: String,
    /// When, by staging's clock.
    pub at: String,
}

/// A step of a rehearsal and its duration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RehearsedStep {
    /// The step.
    pub id: StepId,
    /// Its action's name.
    pub kind: String,
    /// Where.
    pub place: Place,
    /// Its duration, in milliseconds.
    pub millis: u64,
}

/// A backup of a database. Schema `backup-list/1` is a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupView {
    /// Name to give to `cutover backup verify` and `restore`: `RUN/DATABASE`.
    pub id: String,
    /// The upgrade's name.
    pub upgrade: String,
    /// Name of the database on its server.
    pub database: String,
    /// `mysql` or `postgres`.
    pub engine: String,
    /// Time on the server when it was taken.
    pub taken: String,
    /// The file.
    pub file: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: String,
    /// Tables in it.
    pub tables: u64,
    /// What is wrong with it; empty when its file is there with the right size.
    pub problem: String,
}

/// What became of a backup that was restored, for a drill or for use. Schema `backup-restored/1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreView {
    /// The backup.
    pub id: String,
    /// The database it was restored into.
    pub into: String,
    /// SHA-256 of the file that was read.
    pub sha256: String,
    /// Tables compared with the receipt.
    pub tables: u64,
    /// Rows in them.
    pub rows: u64,
    /// How long it took, in milliseconds.
    pub millis: u64,
}

/// A node in a list. Schema `node-list/1` is a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// The node.
    pub name: NodeName,
    /// Labels given at enrolment.
    pub labels: BTreeMap<String, String>,
    /// Whether its agent is connected now.
    pub connected: bool,
    /// Last heard of (RFC 3339).
    pub last_seen: Option<String>,
    /// Version of its agent.
    pub agent_version: Option<String>,
    /// Product and version of each home it reports.
    pub homes: Vec<String>,
    /// Whether it may no longer connect.
    pub revoked: bool,
}

/// A guide in a list. Schema `guide-list/1` is a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuideSummary {
    /// Name, for example `dss-3.2.0`.
    pub name: String,
    /// Title.
    pub title: String,
    /// What it upgrades from.
    pub from: String,
    /// What it upgrades to.
    pub to: String,
    /// Its order.
    pub order: String,
}

/// A guide beside WSO2's sentences. Schema `guide/1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuideView {
    /// What a list shows of it.
    pub summary: GuideSummary,
    /// WSO2's sentences that order something, in the page's order.
    pub sentences: Vec<SentenceView>,
    /// The checkpoints, in words.
    pub checkpoints: Vec<String>,
    /// Files edited and values set.
    pub edits: Vec<String>,
    /// Directories copied.
    pub directories: Vec<String>,
    /// Migration scripts, by the role of the database that they run on.
    #[serde(default)]
    pub scripts: Vec<String>,
    /// Places of configuration that the new version has elsewhere, or no more.
    #[serde(default)]
    pub moved: Vec<String>,
    /// Phases in the guide's own order, beside the sentences that they carry out.
    pub phases: Vec<GuidePhaseView>,
    /// What to know before.
    pub notes: Vec<String>,
}

/// A phase of a guide. Schema `guide/1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuidePhaseView {
    /// Its name.
    pub name: String,
    /// What happens in it.
    pub does: String,
    /// Names of the sentences that steps of it carry out.
    pub sentences: Vec<String>,
}

/// A sentence of WSO2's guide and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentenceView {
    /// Its name in the guide.
    pub id: String,
    /// WSO2's words.
    pub text: String,
    /// The steps that carry it out.
    pub steps: Vec<String>,
    /// Why it is not carried out.
    pub declined: Option<String>,
}

/// The coordinator itself. Schema `coordinator-status/1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoordinatorStatus {
    /// Its version.
    pub version: String,
    /// Its epoch: one more with each start.
    pub epoch: u64,
    /// Since when it runs (RFC 3339).
    pub started: String,
    /// Nodes enrolled.
    pub nodes: u64,
    /// Nodes connected.
    pub connected: u64,
    /// Runs not ended.
    pub open_runs: u64,
    /// Records in the audit trail.
    pub audit_records: u64,
}
