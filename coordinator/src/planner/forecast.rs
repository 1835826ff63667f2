//! How long the servers will be down, reckoned from sizes before anything is stopped.

use cutover_proto::plan::DowntimeForecast;

use super::Inputs;

/// Careful rates, in bytes per second: a plan should promise too little rather than too much.
const BACKUP_AND_DRILL: u64 = 10 << 20;
const COPY: u64 = 20 << 20;
const COMPARE: u64 = 200 << 20;
const DIRECTORIES: u64 = 40 << 20;

/// Carbon lets requests take up to a minute when it stops (carbon-facts.md section 4).
const STOP_SECS: u64 = 60;
/// A Carbon server is up in half a minute to a minute.
const START_SECS: u64 = 60;
const SCRIPT_SECS: u64 = 15;
const CHECK_SECS: u64 = 5;

/// The forecast.
#[must_use]
pub fn downtime(inputs: &Inputs<'_>, scripts: usize) -> DowntimeForecast {
    let bytes: u64 = inputs.databases.values().map(|probe| probe.bytes).sum();
    let homes = inputs
        .nodes
        .iter()
        .filter_map(|node| node.home(&inputs.old_home(&node.name)));
    let directories = homes.map(|home| home.bytes).max().unwrap_or(0);
    // The manager alone, then as many at once as the limit lets.
    let others = inputs
        .nodes
        .len()
        .saturating_sub(1)
        .div_ceil(inputs.upgrade.parallel.max(1) as usize);
    let waves = 1 + u64::try_from(others).unwrap_or(u64::MAX / START_SECS - 1);
    let data = bytes / BACKUP_AND_DRILL
        + bytes / COPY
        + bytes / COMPARE
        + SCRIPT_SECS * u64::try_from(scripts).unwrap_or(1);
    let parts = vec![
        ("stop the servers".to_owned(), STOP_SECS),
        (
            "back up, migrate, copy and compare the databases".to_owned(),
            data.max(directories / DIRECTORIES),
        ),
        ("checkpoints and proofs".to_owned(), CHECK_SECS),
        ("start the servers, manager first".to_owned(), START_SECS * waves),
    ];
    DowntimeForecast {
        secs: parts.iter().map(|(_, secs)| secs).sum(),
        parts,
    }
}
