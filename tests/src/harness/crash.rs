//! Crash points: where a service is made to die as by `kill -9` (`cutover_proto::crash`).

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::Service;

/// Points of one service, and the folder where each leaves a mark when it has killed.
#[derive(Debug, Clone)]
pub struct CrashPlan {
    points: Vec<String>,
    dir: PathBuf,
}

impl CrashPlan {
    /// Every place at every kind of action.
    ///
    /// # Errors
    /// When the folder can't be made.
    pub fn every(dir: &Path, places: &[&str], kinds: &[&str]) -> Result<Self> {
        let points = places
            .iter()
            .flat_map(|place| kinds.iter().map(move |kind| format!("{place}:{kind}")))
            .collect();
        Self::of(dir, points)
    }

    /// These points.
    ///
    /// # Errors
    /// When the folder can't be made.
    pub fn of(dir: &Path, points: Vec<String>) -> Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
        Ok(Self {
            points,
            dir: dir.to_owned(),
        })
    }

    /// The points.
    pub fn points(&self) -> impl Iterator<Item = &str> {
        self.points.iter().map(String::as_str)
    }

    /// Makes a service die at each point, from its next start on.
    pub fn arm(&self, service: &mut Service) {
        service.set_env("CUTOVER_CRASH", &self.points.join(","));
        service.set_env("CUTOVER_CRASH_DIR", &self.dir.display().to_string());
    }

    /// The points that never killed.
    #[must_use]
    pub fn unused(&self) -> Vec<&str> {
        let unused = |point: &&String| !self.dir.join(point.replace([':', '/'], "_")).exists();
        self.points.iter().filter(unused).map(String::as_str).collect()
    }

    /// How many points there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }
}
