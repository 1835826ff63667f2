//! The way that the data takes, and how long the servers are down for it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How the data gets from production to staging.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataMode {
    /// Stop the servers, copy, migrate, switch.
    #[default]
    StopCopy,
    /// Copy while production serves and keep staging equal to it; stop, bring over the last difference, migrate,
    /// switch.
    Sync,
    /// Copy while production serves, migrate the copy, and bring into it what production wrote since; stop, bring over
    /// the last of it, switch.
    Delta,
}

impl DataMode {
    /// Every mode, the plainest first.
    pub const ALL: [DataMode; 3] = [DataMode::StopCopy, DataMode::Sync, DataMode::Delta];

    /// The word in upgrade files and plans.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DataMode::StopCopy => "stop-copy",
            DataMode::Sync => "sync",
            DataMode::Delta => "delta",
        }
    }

    /// Whether the data is copied while production serves.
    #[must_use]
    pub fn is_online(self) -> bool {
        match self {
            DataMode::StopCopy => false,
            DataMode::Sync | DataMode::Delta => true,
        }
    }
}

impl fmt::Display for DataMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the data gets from production to staging, and why so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataPlan {
    /// The way chosen.
    pub mode: DataMode,
    /// Why, in words.
    pub why: String,
    /// The downtime that the operator allows, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_secs: Option<u64>,
    /// The run of the rehearsal that the forecasts rest on; without one they rest on sizes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsal: Option<String>,
    /// The downtime of every mode that is possible.
    pub forecasts: Vec<ModeForecast>,
    /// Seconds that the last copy of directories takes at most, reckoned from their size.
    pub directories_secs: u64,
}

/// The downtime of one mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModeForecast {
    /// The mode.
    pub mode: DataMode,
    /// Its downtime.
    pub downtime: DowntimeForecast,
}

/// What a predicted downtime is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DowntimeForecast {
    /// Seconds in all.
    pub secs: u64,
    /// Name of a part and its seconds.
    pub parts: Vec<(String, u64)>,
}
