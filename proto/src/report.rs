//! What comes back from a command.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::config::ConfigComparison;
use crate::facts::NodeFacts;

/// Evidence that a step leaves: hashes, counts, positions, process ids. Never a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Name to value, for people and for the audit trail.
    pub evidence: BTreeMap<String, String>,
    /// What the agent saw, when it looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Box<NodeFacts>>,
    /// What the agent found in the configuration, when it compared it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Box<ConfigComparison>>,
}

impl Receipt {
    /// A receipt that says nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one piece of evidence.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.evidence.insert(name.to_owned(), value.to_string());
        self
    }
}

macro_rules! codes {
    ($($(#[$meta:meta])* $variant:ident = $text:literal,)+) => {
        /// Why a step failed: one word for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum ErrorCode { $($(#[$meta])* $variant,)+ }

        impl ErrorCode {
            /// Every code there is.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant,)+];

            /// The word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$variant => $text,)+ }
            }
        }

        impl FromStr for ErrorCode {
            type Err = ();
            fn from_str(text: &str) -> Result<Self, ()> {
                match text { $($text => Ok(ErrorCode::$variant),)+ _ => Err(()) }
            }
        }
    };
}

codes! {
    /// The agent's local policy does not allow it.
    PolicyRefused = "policy-refused",
    /// The command came from a coordinator that has been replaced.
    StaleEpoch = "stale-epoch",
    /// The same command id with other content.
    ContentMismatch = "content-mismatch",
    /// Something that must be there is not.
    NotFound = "not-found",
    /// Something stands where nothing must be.
    AlreadyExists = "already-exists",
    /// No room left.
    DiskFull = "disk-full",
    /// Content is not what its hash says.
    HashMismatch = "hash-mismatch",
    /// It did not happen in time.
    TimedOut = "timed-out",
    /// A process that must be gone is there.
    StillRunning = "still-running",
    /// A server did not come up.
    NotReady = "not-ready",
    /// A configuration file can't be edited as asked.
    ConfigRefused = "config-refused",
    /// The server of the home is held down.
    Held = "held",
    /// A file could not be read or written.
    Io = "io",
    /// Someone cancelled it.
    Cancelled = "cancelled",
    /// Sessions that are not Cutover's are on the database.
    ForeignSessions = "foreign-sessions",
    /// The database can't be reached or refuses the account.
    DatabaseUnavailable = "database-unavailable",
    /// A database is not as the plan says, or as it must be.
    DatabaseRefused = "database-refused",
    /// A statement of a migration script failed.
    ScriptFailed = "script-failed",
    /// Two databases or trees that must be equal are not.
    NotEqual = "not-equal",
    /// A checkpoint does not hold.
    CheckpointFailed = "checkpoint-failed",
    /// The node does not answer.
    NodeUnreachable = "node-unreachable",
    /// A secret reference can't be read.
    SecretUnavailable = "secret-unavailable",
    /// Nobody can tell whether it happened; a person must look.
    OutcomeUnknown = "outcome-unknown",
    /// A defect in Cutover.
    Internal = "internal",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a step failed: what, why, and what to do next. Where is the step's node or database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{what}: {why}")]
pub struct StepError {
    /// One word for programs.
    pub code: ErrorCode,
    /// What failed.
    pub what: String,
    /// Why.
    pub why: String,
    /// What a person can do now.
    pub next: String,
}

impl StepError {
    /// All four parts at once.
    pub fn new(
        code: ErrorCode,
        what: impl Into<String>,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            code,
            what: what.into(),
            why: why.into(),
            next: next.into(),
        }
    }
}

/// The result of one command.
pub type StepOutcome = Result<Receipt, StepError>;
