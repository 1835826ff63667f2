//! A whole fleet on one machine, on loopback, in a temporary folder. It ends with the value that made it, with a
//! panicking test, and with a test process that is killed outright.

mod agent;
mod binaries;
mod cli;
mod coordinator;
pub mod crash;
mod database;
mod evidence;
mod fleet;
mod home;
mod hop;
mod leak;
mod net;
mod outcome;
mod process;
mod run;
mod secret;
mod trees;
mod upgrade;

pub use agent::AgentHost;
pub use binaries::Binaries;
pub use cli::{Cli, Outcome};
pub use coordinator::Coordinator;
pub use database::{
    Account, Databases, EngineKind, MAIN, MOUNT, PRODUCTION, Pair, RSS, Rows, STAGING, Session,
};
pub use evidence::Evidence;
pub use fleet::{Fleet, FleetSpec, NewHomes};
pub use home::Home;
pub use hop::Hop;
pub use net::free_offset;
pub use process::{Recipe, Service, home_processes, process_ids};
pub use run::{Phase, finished};
pub use secret::{PLANTED, Secrets};
pub use trees::{file_hash, tree};
pub use upgrade::{Order, UpgradeFile};

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Looks again and again until `ready` says yes.
///
/// # Errors
/// When it does not within `limit`.
pub fn wait(what: &str, limit: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !ready() {
        if Instant::now() >= deadline {
            bail!("{what} did not come within {limit:?}");
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    Ok(())
}
