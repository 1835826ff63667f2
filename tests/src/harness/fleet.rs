//! Everything at once: database server, coordinator, agents, running old servers.

mod build;
mod draft;
mod orders;
mod report;
mod spec;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use cutover_proto::view::NodeView;
use tempfile::TempDir;

pub use spec::{FleetSpec, NewHomes};

use super::agent::AgentHost;
use super::database::Layout;
use super::process::kill_homes;
use super::{Binaries, Cli, Coordinator, Databases, Secrets, UpgradeFile, wait};

/// A fleet. Fields are dropped in this order: services first, the folder last.
#[derive(Debug)]
pub struct Fleet {
    /// The agents' hosts.
    pub hosts: Vec<AgentHost>,
    /// The coordinator.
    pub coordinator: Coordinator,
    /// The operator's command line.
    pub cli: Cli,
    /// The upgrade file that fits this fleet.
    pub upgrade: UpgradeFile,
    homes: HomeFolder,
    /// The database server.
    pub databases: Databases,
    /// The planted passwords.
    pub secrets: Secrets,
    /// A folder with a `bin/java`.
    pub java_home: PathBuf,
    /// What it was asked to be.
    pub spec: FleetSpec,
    root: PathBuf,
    _folder: TempDir,
}

/// Ends every server below it.
#[derive(Debug)]
struct HomeFolder(PathBuf);

impl Drop for HomeFolder {
    fn drop(&mut self) {
        kill_homes(&self.0);
    }
}

impl Fleet {
    /// Starts everything; the old servers are up when it returns.
    ///
    /// # Errors
    /// When a part does not come up.
    pub fn start(spec: &FleetSpec) -> Result<Self> {
        Self::start_saying(spec, &mut |_| Ok(()))
    }

    /// [`Fleet::start`], telling what is being started.
    ///
    /// # Errors
    /// When a part does not come up.
    pub fn start_saying(spec: &FleetSpec, say: &mut dyn FnMut(&str) -> Result<()>) -> Result<Self> {
        let binaries = Binaries::find()?;
        let folder = tempfile::Builder::new().prefix("cutover-e2e-").tempdir()?;
        let root = folder.path().canonicalize()?;
        let secrets = Secrets::plant(&root.join("secrets"))?;
        say(&format!(
            "a private {} with production and an empty staging database",
            spec.engine
        ))?;
        let databases = Databases::start(&Layout::of(spec), &secrets)?;
        say("the coordinator, with a certificate authority of its own")?;
        let coordinator = Coordinator::start(&root, &binaries, &spec.coordinator)?;
        let cli = Cli::new(binaries.cli(), coordinator.profile.clone());
        let homes = HomeFolder(root.join("homes"));
        let java_home = build::java(&root)?;
        let mut upgrade = UpgradeFile::new(&homes.0, &databases, &secrets, spec);
        build::files(spec, &root, &binaries, &mut upgrade)?;
        let mut fleet = Self {
            hosts: Vec::new(),
            coordinator,
            cli,
            upgrade,
            homes,
            databases,
            secrets,
            java_home,
            spec: spec.clone(),
            root,
            _folder: folder,
        };
        for number in 1..=spec.nodes {
            let name = spec.hop.node(number);
            say(&format!(
                "node {name}: a Carbon server of version {}, and its agent, which enrols with a token",
                spec.old().0
            ))?;
            let host = fleet.host(spec, &binaries, &name)?;
            fleet.hosts.push(host);
        }
        fleet.wait_connected()?;
        Ok(fleet)
    }

    /// The temporary folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the upgrade file.
    #[must_use]
    pub fn desk(&self) -> PathBuf {
        self.root.join("desk")
    }

    /// Waits until every node is connected and has reported its homes.
    ///
    /// # Errors
    /// When one does not.
    pub fn wait_connected(&mut self) -> Result<()> {
        let count = self.hosts.len();
        let mut seen = String::new();
        wait("every node", Duration::from_secs(180), || {
            if self.tend().is_err() {
                return false;
            }
            let Ok(outcome) = self.cli.run(&["--json", "node", "list"]) else {
                return false;
            };
            let nodes: Vec<NodeView> = serde_json::from_str(&outcome.out).unwrap_or_default();
            seen = outcome.text();
            nodes
                .iter()
                .filter(|node| node.connected && !node.homes.is_empty())
                .count()
                == count
        })
        .with_context(|| format!("cutover node list says: {seen}"))
    }
}
