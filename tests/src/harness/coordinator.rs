//! The coordinator, and the operator's profile that it makes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::process::{Recipe, Service};
use super::{Binaries, Cli, wait};

/// A coordinator with its own CA and store.
#[derive(Debug)]
pub struct Coordinator {
    /// Its process.
    pub service: Service,
    /// `127.0.0.1:PORT`.
    pub address: String,
    /// Its data folder.
    pub data: PathBuf,
    /// The operator's profile.
    pub profile: PathBuf,
}

impl Coordinator {
    /// Makes configuration, CA and an operator's profile, and starts it.
    ///
    /// # Errors
    /// When `init` fails or it does not come up.
    pub fn start(root: &Path, binaries: &Binaries, settings: &str) -> Result<Self> {
        let address = format!("127.0.0.1:{}", cutover_testdb::ports::free_port()?);
        let data = root.join("coordinator");
        let profile = root.join("profile");
        let config = root.join("coordinator.toml");
        std::fs::write(
            &config,
            format!(
                "listen = \"{address}\"\nadvertise = \"{address}\"\ndata_dir = \"{}\"\n{settings}",
                data.display()
            ),
        )?;
        let init = Command::new(binaries.coordinator())
            .args(["init", "--operator", "alice", "--config"])
            .arg(&config)
            .arg("--out")
            .arg(&profile)
            .output()
            .context("run cutover-coordinator init")?;
        if !init.status.success() {
            bail!(
                "cutover-coordinator init failed: {}",
                String::from_utf8_lossy(&init.stderr)
            );
        }
        let recipe = Recipe {
            program: binaries.coordinator(),
            args: vec![
                "run".to_owned(),
                "--config".to_owned(),
                config.display().to_string(),
            ],
            env: BTreeMap::new(),
            log: root.join("coordinator.log"),
        };
        let mut coordinator = Self {
            service: Service::start(recipe)?,
            address,
            data,
            profile,
        };
        coordinator.wait_up(&Cli::new(binaries.cli(), coordinator.profile.clone()))?;
        Ok(coordinator)
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// When it ended or does not answer; the text shows its log.
    pub fn wait_up(&mut self, cli: &Cli) -> Result<()> {
        let mut ended = false;
        let up = wait("an answer of the coordinator", Duration::from_secs(120), || {
            ended = !self.service.is_running();
            ended || cli.run(&["status"]).is_ok_and(|outcome| outcome.code == 0)
        });
        if ended || up.is_err() {
            bail!(
                "the coordinator does not answer; its log:\n{}",
                self.service.log()
            );
        }
        Ok(())
    }
}
