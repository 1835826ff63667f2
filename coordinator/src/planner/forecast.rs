//! How long the servers will be down: reckoned from sizes before anything was tried, from measured times after a
//! rehearsal.

use std::collections::BTreeSet;

use cutover_proto::plan::{DataMode, DowntimeForecast, ModeForecast, Place, PlanDatabase};
use cutover_proto::view::RehearsedStep;

use super::Inputs;

/// Careful rates, in bytes per second: a plan should promise too little rather than too much.
const BACKUP_AND_DRILL: u64 = 10 << 20;
const COPY: u64 = 20 << 20;
const COMPARE: u64 = 200 << 20;
const SCAN: u64 = 100 << 20;
/// Every row's name and hash is read, and the columns that stayed are compared afterwards.
const DELTA: u64 = 25 << 20;
const DIRECTORIES: u64 = 40 << 20;

/// Carbon lets requests take up to a minute when it stops (carbon-facts.md section 4).
const STOP_SECS: u64 = 60;
/// A Carbon server is up in half a minute to a minute.
const START_SECS: u64 = 60;
const SCRIPT_SECS: u64 = 15;
const CHECK_SECS: u64 = 5;

/// How long each part of the work on one database takes, in seconds.
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
    /// The repairs.
    pub repairs: u64,
    /// Bringing the last rows into a staging that was migrated first, and proving it; none where that is not possible.
    pub delta: Option<u64>,
}

impl Durations {
    /// What is left of the work on the database once the servers have stopped.
    fn while_stopped(&self, mode: DataMode) -> u64 {
        let synchronised = self.scan + self.compare + self.scripts;
        let data = match mode {
            DataMode::StopCopy => self.backup + self.copy + self.compare + self.scripts,
            DataMode::Sync => synchronised,
            DataMode::Delta => self.delta.unwrap_or(synchronised),
        };
        data + self.repairs
    }
}

/// How long everything takes that a downtime is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timing {
    /// The work on each database.
    pub databases: Vec<Durations>,
    /// Whether all databases are worked on at once.
    pub together: bool,
    /// The checkpoints, in seconds.
    pub checks: u64,
    /// The last copy of directories, beside the work on databases, in seconds.
    pub directories: u64,
}

impl Timing {
    /// Databases that are worked on side by side take as long as the slowest; where some must wait, up to all of them.
    fn data(&self, mode: DataMode) -> u64 {
        let each = self.databases.iter().map(|database| database.while_stopped(mode));
        if self.together {
            each.max().unwrap_or(0)
        } else {
            each.sum()
        }
    }

    /// The modes that are possible, the plainest first.
    pub fn modes(&self) -> impl Iterator<Item = DataMode> {
        let delta = self.databases.iter().any(|database| database.delta.is_some());
        DataMode::ALL
            .into_iter()
            .filter(move |mode| *mode != DataMode::Delta || delta)
    }
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

/// Times reckoned from sizes.
#[must_use]
pub fn estimated(inputs: &Inputs<'_>, databases: &[PlanDatabase]) -> Timing {
    let homes = inputs
        .nodes
        .iter()
        .filter_map(|node| node.home(&inputs.old_home(&node.name)));
    let directories = homes.map(|home| home.bytes).max().unwrap_or(0);
    let of = |database: &PlanDatabase| {
        let probe = inputs.databases.get(&database.name);
        let bytes = probe.map_or(0, |probe| probe.bytes);
        Durations {
            backup: bytes / BACKUP_AND_DRILL,
            copy: bytes / COPY,
            compare: bytes / COMPARE,
            scan: bytes / SCAN,
            scripts: SCRIPT_SECS * u64::try_from(database.scripts.len()).unwrap_or(1),
            repairs: 0,
            delta: database.delta.as_ref().map(|_| bytes / DELTA),
        }
    };
    Timing {
        databases: databases.iter().map(of).collect(),
        together: at_once(databases.len(), inputs.upgrade.parallel),
        checks: CHECK_SECS,
        directories: directories / DIRECTORIES,
    }
}

fn at_once(databases: usize, parallel: u32) -> bool {
    databases <= parallel.max(1) as usize
}

/// Times that a rehearsal measured; what it could not measure is as `directories` says.
#[must_use]
pub fn measured(steps: &[RehearsedStep], directories: u64, parallel: u32) -> Timing {
    let places: BTreeSet<&Place> = steps
        .iter()
        .map(|step| &step.place)
        .filter(|place| matches!(place, Place::Database(_)))
        .collect();
    let secs = |kind: &str, place: &Place| {
        let of = steps
            .iter()
            .filter(|step| step.kind == kind && step.place == *place);
        of.map(|step| step.millis.div_ceil(1000)).max()
    };
    let of = |place: &&Place| {
        let took = |kind: &str| secs(kind, place).unwrap_or(0);
        Durations {
            backup: took("backup-database"),
            copy: took("copy-database"),
            compare: took("compare-databases"),
            scan: took("synchronise"),
            scripts: took("migrate"),
            repairs: took("repair"),
            delta: secs("bring-delta", place).map(|secs| secs + took("compare-migrated")),
        }
    };
    let checks = places.iter().filter_map(|place| secs("checkpoint", place));
    Timing {
        checks: checks.max().unwrap_or(0).max(1),
        together: at_once(places.len(), parallel),
        databases: places.iter().map(of).collect(),
        directories,
    }
}

/// The downtime of one mode.
#[must_use]
pub fn downtime(mode: DataMode, timing: &Timing, fleet: FleetSize) -> DowntimeForecast {
    let data = match mode {
        DataMode::StopCopy => "back up, copy, compare and migrate the databases",
        DataMode::Sync => "bring over the last difference, compare, migrate staging",
        DataMode::Delta => "bring the last rows into the migrated staging, prove it",
    };
    let parts = vec![
        ("stop the servers".to_owned(), STOP_SECS),
        (data.to_owned(), timing.data(mode).max(timing.directories)),
        ("checkpoints and proofs".to_owned(), timing.checks),
        ("start the servers, manager first".to_owned(), fleet.start_secs()),
    ];
    DowntimeForecast {
        secs: parts.iter().map(|(_, secs)| secs).sum(),
        parts,
    }
}

/// The downtime of every mode that is possible.
#[must_use]
pub fn all(timing: &Timing, fleet: FleetSize) -> Vec<ModeForecast> {
    timing
        .modes()
        .map(|mode| ModeForecast {
            mode,
            downtime: downtime(mode, timing, fleet),
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
        assert_eq!(took.databases[1].copy, 61);
        assert_eq!((took.data(DataMode::StopCopy), took.directories), (61, 7));
    }

    #[test]
    fn durations_when_not_all_databases_may_be_worked_on_at_once_then_added_up() {
        let steps = [
            step("copy-database", "a", 1200),
            step("copy-database", "b", 61_000),
        ];
        assert_eq!(measured(&steps, 7, 1).data(DataMode::StopCopy), 63);
    }

    #[test]
    fn downtime_when_online_then_without_backup_and_copy() {
        let timing = Timing {
            databases: vec![Durations {
                backup: 1000,
                copy: 500,
                compare: 20,
                scan: 30,
                scripts: 5,
                repairs: 1,
                delta: Some(40),
            }],
            together: true,
            checks: 2,
            directories: 0,
        };
        let fleet = FleetSize {
            nodes: 3,
            parallel: 10,
        };
        let secs = |mode| downtime(mode, &timing, fleet).secs;
        let fixed = STOP_SECS + 2 * START_SECS + 2;
        assert_eq!(secs(DataMode::StopCopy), fixed + 1526);
        assert_eq!(secs(DataMode::Sync), fixed + 56);
        assert_eq!(secs(DataMode::Delta), fixed + 41);
        assert_eq!(all(&timing, fleet).len(), 3);
        let mut without = timing.clone();
        without.databases[0].delta = None;
        assert_eq!(all(&without, fleet).len(), 2);
    }
}
