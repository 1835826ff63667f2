//! How long the servers will be down: reckoned from sizes before anything was tried, from measured times after a
//! rehearsal.

use std::collections::BTreeSet;

use cutover_proto::plan::{DataMode, DowntimeForecast, ModeForecast, Place};
use cutover_proto::view::RehearsedStep;

use super::Inputs;

/// Careful rates, in bytes per second: a plan should promise too little rather than too much.
const BACKUP_AND_DRILL: u64 = 10 << 20;
const COPY: u64 = 20 << 20;
const COMPARE: u64 = 200 << 20;
const SCAN: u64 = 100 << 20;
const DIRECTORIES: u64 = 40 << 20;

/// Carbon lets requests take up to a minute when it stops (carbon-facts.md section 4).
const STOP_SECS: u64 = 60;
/// A Carbon server is up in half a minute to a minute.
const START_SECS: u64 = 60;
const SCRIPT_SECS: u64 = 15;
const CHECK_SECS: u64 = 5;

/// How long each part of the work on the databases takes, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Durations {
    /// Backup and the drill that proves it.
    pub backup: u64,
    /// The copy to staging.
    pub copy: u64,
    /// The comparison.
    pub compare: u64,
    /// One pass that finds every difference.
    pub scan: u64,
    /// The scripts.
    pub scripts: u64,
    /// The checkpoints.
    pub checks: u64,
    /// The last copy of directories, beside the work on databases.
    pub directories: u64,
}

/// How many servers there are, and how they start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FleetSize {
    /// All of them.
    pub nodes: usize,
    /// How many start at once behind the manager.
    pub parallel: u32,
}

impl FleetSize {
    /// The manager alone, then as many at once as the limit lets.
    fn start_secs(self) -> u64 {
        let others = self
            .nodes
            .saturating_sub(1)
            .div_ceil(self.parallel.max(1) as usize);
        START_SECS.saturating_mul(1 + u64::try_from(others).unwrap_or(u64::MAX))
    }
}

/// Durations reckoned from sizes.
#[must_use]
pub fn estimated(inputs: &Inputs<'_>, scripts: usize) -> Durations {
    let bytes: u64 = inputs.databases.values().map(|probe| probe.bytes).sum();
    let homes = inputs
        .nodes
        .iter()
        .filter_map(|node| node.home(&inputs.old_home(&node.name)));
    let directories = homes.map(|home| home.bytes).max().unwrap_or(0);
    Durations {
        backup: bytes / BACKUP_AND_DRILL,
        copy: bytes / COPY,
        compare: bytes / COMPARE,
        scan: bytes / SCAN,
        scripts: SCRIPT_SECS * u64::try_from(scripts).unwrap_or(1),
        checks: CHECK_SECS,
        directories: directories / DIRECTORIES,
    }
}

/// Durations that a rehearsal measured; what it could not measure is as `estimated`.
#[must_use]
pub fn measured(steps: &[RehearsedStep], directories: u64, parallel: u32) -> Durations {
    let databases: BTreeSet<&Place> = steps
        .iter()
        .map(|step| &step.place)
        .filter(|place| matches!(place, Place::Database(_)))
        .collect();
    let together = databases.len() <= parallel.max(1) as usize;
    let of = |kind: &str| -> u64 {
        let taken = steps
            .iter()
            .filter(|step| step.kind == kind && databases.contains(&step.place))
            .map(|step| step.millis.div_ceil(1000));
        // Databases that are worked on side by side take as long as the slowest; some that must wait, up to all of them.
        if together {
            taken.max().unwrap_or(0)
        } else {
            taken.sum()
        }
    };
    Durations {
        backup: of("backup-database"),
        copy: of("copy-database"),
        compare: of("compare-databases"),
        scan: of("synchronise"),
        scripts: of("migrate") + of("repair"),
        checks: of("checkpoint").max(1),
        directories,
    }
}

/// The downtime of one mode.
#[must_use]
pub fn downtime(mode: DataMode, took: &Durations, fleet: FleetSize) -> DowntimeForecast {
    let data = match mode {
        DataMode::StopCopy => (
            "back up, copy, compare and migrate the databases",
            took.backup + took.copy + took.compare + took.scripts,
        ),
        DataMode::Sync => (
            "bring over the last difference, compare, migrate staging",
            took.scan + took.compare + took.scripts,
        ),
    };
    let parts = vec![
        ("stop the servers".to_owned(), STOP_SECS),
        (data.0.to_owned(), data.1.max(took.directories)),
        ("checkpoints and proofs".to_owned(), took.checks),
        ("start the servers, manager first".to_owned(), fleet.start_secs()),
    ];
    DowntimeForecast {
        secs: parts.iter().map(|(_, secs)| secs).sum(),
        parts,
    }
}

/// The downtime of every mode.
#[must_use]
pub fn all(took: &Durations, fleet: FleetSize) -> Vec<ModeForecast> {
    DataMode::ALL
        .into_iter()
        .map(|mode| ModeForecast {
            mode,
            downtime: downtime(mode, took, fleet),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(kind: &str, place: &str, millis: u64) -> RehearsedStep {
        RehearsedStep {
            id: crate::engine::testing::sid(&format!("data.{kind}@{place}")),
            kind: kind.into(),
            place: Place::Database(place.into()),
            millis,
        }
    }

    #[test]
    fn durations_when_two_databases_were_rehearsed_then_the_slower_one_counts_rounded_up() {
        let steps = [
            step("copy-database", "a", 1200),
            step("copy-database", "b", 61_000),
            step("migrate", "a", 10),
        ];
        let took = measured(&steps, 7, 2);
        assert_eq!((took.copy, took.scripts, took.directories), (61, 1, 7));
    }

    #[test]
    fn durations_when_not_all_databases_may_be_worked_on_at_once_then_added_up() {
        let steps = [
            step("copy-database", "a", 1200),
            step("copy-database", "b", 61_000),
        ];
        assert_eq!(measured(&steps, 7, 1).copy, 63);
    }

    #[test]
    fn downtime_when_online_then_without_backup_and_copy() {
        let took = Durations {
            backup: 1000,
            copy: 500,
            compare: 20,
            scan: 30,
            scripts: 5,
            checks: 2,
            directories: 0,
        };
        let fleet = FleetSize {
            nodes: 3,
            parallel: 10,
        };
        let secs = |mode| downtime(mode, &took, fleet).secs;
        let fixed = STOP_SECS + 2 * START_SECS + 2;
        assert_eq!(secs(DataMode::StopCopy), fixed + 1525);
        assert_eq!(secs(DataMode::Sync), fixed + 55);
    }
}
