//! The inventory: what the host and its Carbon homes are. Looks, and changes nothing.

pub mod conf;
mod home;
mod host;
pub(crate) mod keystores;
mod layout;
mod managers;
mod registry;
mod rss;
mod secrets;
mod users;
pub(crate) mod version;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cutover_proto::facts::NodeFacts;

use crate::agent::Agent;
use crate::config::Config;
use crate::policy::Policy;
use crate::service::hold::Holds;

pub use home::{Ports, ports};
pub use managers::restart_managers;

/// What the looking needs to know.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The policy file.
    pub config: &'a Config,
    /// Which homes there are.
    pub policy: &'a Policy,
    /// The holds, when an agent asks.
    pub holds: Option<&'a Holds>,
    /// Bytes of homes, by home.
    pub sizes: &'a Sizes,
}

/// Bytes of homes, measured once: a reconnect must not walk every tree again.
pub type Sizes = Mutex<BTreeMap<PathBuf, u64>>;

impl<'a> From<&'a Agent> for Scene<'a> {
    fn from(agent: &'a Agent) -> Self {
        Self {
            config: &agent.config,
            policy: &agent.policy,
            holds: Some(&agent.holds),
            sizes: &agent.sizes,
        }
    }
}

/// Facts of the node and of these homes, or of all homes that the policy names and that exist. Blocks.
#[must_use]
pub fn node(scene: Scene<'_>, homes: &[PathBuf]) -> NodeFacts {
    let config = scene.config;
    let homes = if homes.is_empty() {
        scene.policy.existing_homes()
    } else {
        homes.to_vec()
    };
    NodeFacts {
        node: config.node.clone(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        hostname: host::name(),
        addresses: host::addresses(),
        java_home: java_home(config),
        backup_free_bytes: cutover_files::space::free_bytes(&config.backup_dir).unwrap_or(0),
        database_dirs: config
            .database_dirs
            .iter()
            .filter(|_| scene.policy.allows("copy-tablespaces"))
            .map(|dir| dir.to_string_lossy().into_owned())
            .collect(),
        homes: homes.iter().map(|home| home::facts(scene, home)).collect(),
    }
}

/// The Java of the policy, if a `java` is in it.
fn java_home(config: &Config) -> Option<String> {
    let named = config.start_env.get("JAVA_HOME").map(PathBuf::from);
    let home = named.or_else(|| config.java_home.clone())?;
    home.join("bin/java")
        .is_file()
        .then(|| home.to_string_lossy().into_owned())
}

/// Bytes in a home, measured once unless `again`.
pub(crate) fn size(sizes: &Sizes, home: &Path, again: bool) -> u64 {
    let known = sizes
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(home)
        .copied();
    if let Some(bytes) = known.filter(|_| !again) {
        return bytes;
    }
    let bytes = home::bytes(home);
    sizes
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(home.to_owned(), bytes);
    bytes
}
