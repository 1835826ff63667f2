//! `cargo xtask dev`: a coordinator and three agents on loopback, to work on the product with. No database server
//! and no Carbon server: `cargo xtask demo --keep` has those.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::binaries;
use crate::shell::{run as run_command, say};

const NODES: [&str; 3] = ["dev-1", "dev-2", "dev-3"];

/// Processes that end with the value.
#[derive(Debug, Default)]
struct Services(Vec<(String, Child)>);

impl Services {
    fn start(&mut self, name: &str, dir: &Path, program: &Path, config: &Path) -> Result<()> {
        let log = fs::File::create(dir.join(format!("{name}.log")))?;
        // The kernel ends the process with this one, also when this one is killed.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--"])
            .arg(program)
            .args(["run", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        self.0.push((name.to_owned(), child));
        Ok(())
    }

    /// The first that ended, if one did.
    fn ended(&mut self) -> Result<Option<String>> {
        for (name, child) in &mut self.0 {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(format!("{name} ended with {status}")));
            }
        }
        Ok(None)
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        for (_, child) in &mut self.0 {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

pub(crate) fn run() -> Result<ExitCode> {
    let programs = binaries::build("dev-bin", &[])?;
    let dir = std::env::temp_dir()
        .canonicalize()?
        .join(format!("cutover-dev-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
        format!("127.0.0.1:{}", listener.local_addr()?.port())
    };
    let mut services = Services::default();
    coordinator(&mut services, &dir, &programs, &address)?;
    for node in NODES {
        agent(&mut services, &dir, &programs, &address, node)?;
    }
    say(&format!(
        "\nA coordinator on {address} and the agents {} run until Ctrl-C. In another terminal:\n\n  \
         export CUTOVER_PROFILE={}\n  {} node list\n\nConfigurations, homes (put one into homes/NODE) and logs are in {}",
        NODES.join(", "),
        dir.join("profile").display(),
        programs.join("cutover").display(),
        dir.display()
    ))?;
    // Ctrl-C ends the services and this process together; without it one that ends by itself is worth a word.
    loop {
        if let Some(what) = services.ended()? {
            bail!("{what}; its log is in {}", dir.display());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn coordinator(services: &mut Services, dir: &Path, programs: &Path, address: &str) -> Result<()> {
    let config = dir.join("coordinator.toml");
    let data = dir.join("coordinator");
    let text = format!(
        "listen = \"{address}\"\nadvertise = \"{address}\"\ndata_dir = \"{}\"\n",
        data.display()
    );
    fs::write(&config, text)?;
    let program = programs.join("cutover-coordinator");
    let mut init = Command::new(&program);
    init.args(["init", "--operator", "dev", "--config"])
        .arg(&config)
        .arg("--out")
        .arg(dir.join("profile"));
    run_command(&mut init)?;
    services.start("coordinator", dir, &program, &config)?;
    let deadline = Instant::now() + Duration::from_secs(20);
    while !cutover(programs, dir).arg("status").output()?.status.success() {
        if let Some(what) = services.ended()? {
            bail!("{what}; its log is in {}", dir.display());
        }
        if Instant::now() > deadline {
            bail!("the coordinator does not answer; its log is in {}", dir.display());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn agent(services: &mut Services, dir: &Path, programs: &Path, address: &str, node: &str) -> Result<()> {
    let host = dir.join(node);
    let homes = dir.join("homes").join(node);
    fs::create_dir_all(&homes)?;
    fs::create_dir_all(host.join("none"))?;
    let config: PathBuf = host.join("agent.toml");
    let place = host.display();
    fs::write(
        &config,
        format!(
            "node = \"{node}\"\ncoordinator = \"{address}\"\nstate_dir = \"{place}/state\"\n\
             backup_dir = \"{place}/backup\"\nhomes = [\"{}/*\"]\nunit_dirs = [\"{place}/none\"]\n\
             cron_dirs = [\"{place}/none\"]\n",
            homes.display()
        ),
    )?;
    let token = host.join("join.token");
    let mut make = cutover(programs, dir);
    make.args(["node", "token", "--label", "cluster=dev", "--node", node, "--out"])
        .arg(&token);
    run_command(&mut make)?;
    let program = programs.join("cutover-agent");
    let mut enrol = Command::new(&program);
    enrol
        .args(["enroll", "--config"])
        .arg(&config)
        .arg("--token-file")
        .arg(&token);
    run_command(&mut enrol)?;
    services.start(node, dir, &program, &config)
}

fn cutover(programs: &Path, dir: &Path) -> Command {
    let mut command = Command::new(programs.join("cutover"));
    command.env("CUTOVER_PROFILE", dir.join("profile"));
    command
}
