//! Work on the production and staging databases of an upgrade: who is connected, what is in them, backup and
//! restore, migration scripts, checkpoints. The coordinator's own store is not here.

pub mod backup;
pub mod checkpoint;
mod connection;
mod dial;
mod difference;
pub mod error;
pub mod facts;
pub mod fence;
mod fingerprint;
mod handover;
pub mod hazard;
pub mod journal;
mod literal;
pub mod pieces;
mod privileges;
pub mod reach;
pub mod repair;
pub mod rss_level;
pub mod schema_level;
pub mod scratch;
pub mod script;
pub mod sessions;
pub mod staging;
pub mod target;
pub mod tools;

pub use backup::catalog::{self, CatalogEntry, CatalogError};
pub use backup::{BackupReceipt, backup, lapsed, restore_into, verify_by_restore};
pub use checkpoint::{CheckResult, Checkpoint, RowCounts, RowRule, Verdict, check, check_with};
pub use dial::{conninfo, mysql_bulk};
pub use difference::{Aspect, Difference, schema_difference};
pub use error::{DatabaseError, Kind};
pub use facts::{DatabaseFacts, Flavour, ObjectKind, ServerIdentity, facts};
pub use fence::{FencePlan, FenceProof, FenceReport, FenceState};
pub use handover::hand_over;
pub use hazard::{Harm, Hazard, hazards};
pub use journal::{JournalRecord, JournalSink, JournalState, forget_journal, journal_begun};
pub use privileges::Privileges;
pub use reach::{Reach, reach};
pub use repair::{RepairOptions, RepairReport, repair, repairable};
pub use rss_level::RssLevel;
pub use schema_level::SchemaLevel;
pub use scratch::{drop_scratch, make_scratch, scratch_exists};
pub use script::{
    Decided, DecidedAction, Override, OverrideAction, RunOptions, ScriptError, ScriptReport, run_script,
};
pub use sessions::{OwnSession, OwnSessions, Session, foreign_sessions, settled_sessions};
pub use staging::{Problem, ProblemCode, ProvenStaging, compatible, drop_all_objects};
pub use target::{Engine, Target, TargetError};
pub use tools::{ToolFacts, Tools};
