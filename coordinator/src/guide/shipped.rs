//! The guides and scripts that ship with Cutover.

use super::{Guide, GuideScript, ScriptSet, UnreadableGuide};

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../guides/", $name)))),+]
    };
}

const GUIDES: &[(&str, &str)] = shipped![
    "dss-3.2.0.toml",
    "ss-1.1.0.toml",
    "carbon-4.4.7.toml",
    "carbon-4.2.0.toml",
    "as-5.2.0.toml",
];

const SCRIPTS: &[(&str, &str)] = shipped![
    "scripts/carbon-4.1-to-4.2-user-store.postgres.sql",
    "scripts/ss-1.0.3-to-1.1.0-rss.mysql.sql",
    "scripts/ss-1.0.3-to-1.1.0-rss.postgres.sql",
    "scripts/ss-1.1.0-rss-ids.mysql.sql",
    "scripts/ss-1.1.0-rss-ids.postgres.sql",
];

impl Guide {
    /// The guides that ship with Cutover.
    ///
    /// # Errors
    /// Never for a released build: a test reads them all.
    pub fn shipped() -> Result<Vec<Self>, UnreadableGuide> {
        GUIDES
            .iter()
            .map(|(name, text)| Self::parse(name, text))
            .collect()
    }
}

impl GuideScript {
    /// The scripts that ship for an engine, with where they come from.
    #[must_use]
    pub fn shipped(&self, engine: &str) -> Option<&ScriptSet> {
        self.ships.get(engine)
    }
}

/// The text of a script that ships with Cutover.
#[must_use]
pub(crate) fn script_text(name: &str) -> Option<&'static str> {
    SCRIPTS
        .iter()
        .find(|(file, _)| file.strip_prefix("scripts/") == Some(name))
        .map(|(_, text)| *text)
}
