//! One Carbon host: an agent with its state, and the homes it may touch.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::process::{Recipe, Service};
use super::{Binaries, Cli, Home};

/// A host.
#[derive(Debug)]
pub struct AgentHost {
    /// Its agent.
    pub service: Service,
    /// The node's name.
    pub name: String,
    /// Policy, state, backups.
    pub dir: PathBuf,
    /// The home that is upgraded.
    pub old: Home,
    /// The home that it becomes.
    pub new: Home,
    /// The new version as it was before anything was done to it.
    pub stock: PathBuf,
    /// The old version as it was shipped.
    pub old_stock: PathBuf,
    /// Whether the agent unpacks the new version.
    pub unpacked: bool,
}

/// What an agent is told.
#[derive(Debug)]
pub(super) struct AgentSetup<'a> {
    pub(super) name: &'a str,
    pub(super) dir: PathBuf,
    pub(super) homes: &'a Path,
    pub(super) pattern: String,
    pub(super) java_home: &'a Path,
    pub(super) coordinator: &'a str,
    pub(super) owner: u32,
    pub(super) labels: &'a [String],
    pub(super) stock: PathBuf,
    pub(super) old_stock: PathBuf,
    pub(super) unpacked: bool,
    /// The database server's folder, where the agent may copy files of tables.
    pub(super) database_dir: Option<PathBuf>,
}

impl AgentHost {
    /// Writes the policy, enrols the node with a token, and starts its agent.
    pub(super) fn start(
        setup: &AgentSetup<'_>,
        binaries: &Binaries,
        cli: &Cli,
        (old, new): (Home, Home),
    ) -> Result<Self> {
        let (name, dir) = (setup.name, setup.dir.clone());
        std::fs::create_dir_all(dir.join("none"))?;
        let config = dir.join("agent.toml");
        std::fs::write(&config, policy(setup)?)?;
        let token = dir.join("join.token");
        let mut args: Vec<String> = ["node", "token", "--node", name, "--out"]
            .map(str::to_owned)
            .to_vec();
        args.push(token.display().to_string());
        for label in setup.labels {
            args.extend(["--label".to_owned(), label.clone()]);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        cli.run(&args)?.expect(0).context("make a join token")?;
        let enrol = Command::new(binaries.agent())
            .args(["enroll", "--config"])
            .arg(&config)
            .arg("--token-file")
            .arg(&token)
            .output()
            .context("run cutover-agent enroll")?;
        if !enrol.status.success() {
            bail!(
                "cutover-agent enroll failed: {}",
                String::from_utf8_lossy(&enrol.stderr)
            );
        }
        let recipe = Recipe {
            program: binaries.agent(),
            args: vec![
                "run".to_owned(),
                "--config".to_owned(),
                config.display().to_string(),
            ],
            env: BTreeMap::new(),
            log: dir.join("agent.log"),
        };
        Ok(Self {
            service: Service::start(recipe)?,
            name: name.to_owned(),
            dir,
            old,
            new,
            stock: setup.stock.clone(),
            old_stock: setup.old_stock.clone(),
            unpacked: setup.unpacked,
        })
    }

    /// Where it keeps backups of homes.
    #[must_use]
    pub fn backups(&self) -> PathBuf {
        self.dir.join("backup")
    }

    /// Where it keeps its ledger, holds and identity.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.dir.join("state")
    }
}

fn policy(setup: &AgentSetup<'_>) -> Result<String> {
    let dir = setup.dir.display();
    let mut text = String::new();
    writeln!(text, "node = \"{}\"", setup.name)?;
    writeln!(text, "coordinator = \"{}\"", setup.coordinator)?;
    writeln!(text, "state_dir = \"{dir}/state\"")?;
    writeln!(text, "backup_dir = \"{dir}/backup\"")?;
    writeln!(text, "homes = [\"{}/{}\"]", setup.homes.display(), setup.pattern)?;
    writeln!(text, "java_home = \"{}\"", setup.java_home.display())?;
    if std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&setup.dir)?) == 0 {
        // Homes of a test are root's where root runs the tests; an agent has to be told that this is meant.
        writeln!(text, "run_as = \"root\"")?;
    }
    // The machine's own units and cron tables are none of this fleet's business.
    writeln!(text, "unit_dirs = [\"{dir}/none\"]\ncron_dirs = [\"{dir}/none\"]")?;
    if let Some(dir) = &setup.database_dir {
        writeln!(text, "database_dirs = [\"{}\"]", dir.display())?;
    }
    writeln!(text, "[start.env]\nCARBON_STANDIN_OWNER = \"{}\"", setup.owner)?;
    Ok(text)
}
