//! What a fleet costs when nothing happens: memory of an agent, memory per connected agent on the coordinator, CPU
//! of both.
//!
//! With release binaries in `CUTOVER_BIN_DIR`: `cargo bench -p cutover-e2e --bench idle`.
//! `CUTOVER_BENCH_AGENTS` sets the number of agents (default 40), `CUTOVER_BENCH_SECS` the time watched (default 30).
//! The heartbeat is 1 s here, five times as often as by default.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use cutover_e2e::harness::{Binaries, Cli, Coordinator, Recipe, Service, wait};

#[expect(clippy::print_stdout, reason = "a bench prints its result")]
fn main() -> Result<()> {
    let agents = setting("CUTOVER_BENCH_AGENTS", 40);
    let secs = setting("CUTOVER_BENCH_SECS", 30);
    let root = tempfile::tempdir()?;
    let binaries = Binaries::find()?;
    let mut coordinator = Coordinator::start(root.path(), &binaries, "")?;
    let cli = Cli::new(binaries.cli(), coordinator.profile.clone());
    let boss = coordinator.service.pid().context("the coordinator has no pid")?;
    std::thread::sleep(Duration::from_secs(2));
    let alone = resident(boss)?;

    let mut fleet = Vec::new();
    for number in 0..agents {
        fleet.push(agent(root.path(), &binaries, &cli, &coordinator.address, number)?);
    }
    let all = format!("\"connected\":{agents}");
    wait("every agent", Duration::from_secs(60), || {
        cli.run(&["status", "--json"])
            .is_ok_and(|outcome| outcome.out.split_whitespace().collect::<String>().contains(&all))
    })?;
    std::thread::sleep(Duration::from_secs(5));
    let pids: Vec<u32> = fleet.iter_mut().filter_map(Service::pid).collect();
    let before: Vec<u64> = pids.iter().map(|pid| ticks(*pid)).collect::<Result<_>>()?;
    let boss_before = ticks(boss)?;
    std::thread::sleep(Duration::from_secs(secs));
    let spent: Vec<u64> = pids
        .iter()
        .zip(&before)
        .map(|(pid, before)| Ok(ticks(*pid)? - before))
        .collect::<Result<_>>()?;
    let boss_spent = ticks(boss)? - boss_before;
    let full = resident(boss)?;
    let mut memory: Vec<u64> = pids.iter().map(|pid| resident(*pid)).collect::<Result<_>>()?;
    memory.sort_unstable();

    println!("{agents} agents, heartbeat 1 s, {secs} s watched");
    println!(
        "agent: resident memory, median          {:>8} KiB",
        memory[memory.len() / 2]
    );
    println!(
        "agent: CPU, mean                        {:>8.3} % of a core",
        percent(spent.iter().sum(), secs) / agents as f64
    );
    println!("coordinator: resident memory, alone     {alone:>8} KiB");
    println!("coordinator: resident memory, connected {full:>8} KiB");
    println!(
        "coordinator: per connected agent        {:>8.1} KiB",
        (full.saturating_sub(alone)) as f64 / agents as f64
    );
    println!(
        "coordinator: CPU                        {:>8.3} % of a core",
        percent(boss_spent, secs)
    );
    Ok(())
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

fn agent(root: &Path, binaries: &Binaries, cli: &Cli, address: &str, number: u64) -> Result<Service> {
    let folder = root.join(format!("agent-{number}"));
    fs::create_dir_all(folder.join("homes"))?;
    let config = folder.join("agent.toml");
    let shown = folder.display();
    fs::write(
        &config,
        format!(
            "node = \"n{number}\"\ncoordinator = \"{address}\"\nstate_dir = \"{shown}/state\"\n\
             backup_dir = \"{shown}/backups\"\nhomes = [\"{shown}/homes/*\"]\n"
        ),
    )?;
    let token = folder.join("token");
    cli.run(&[
        "node",
        "token",
        "--node",
        &format!("n{number}"),
        "--out",
        &token.display().to_string(),
    ])?
    .expect(0)?;
    let enrolled = std::process::Command::new(binaries.agent())
        .args(["enroll", "--token-file"])
        .arg(&token)
        .arg("--config")
        .arg(&config)
        .output()?;
    anyhow::ensure!(
        enrolled.status.success(),
        "enroll: {}",
        String::from_utf8_lossy(&enrolled.stderr)
    );
    Service::start(Recipe {
        program: binaries.agent(),
        args: vec![
            "run".to_owned(),
            "--config".to_owned(),
            config.display().to_string(),
        ],
        env: BTreeMap::new(),
        log: folder.join("agent.log"),
    })
}

/// Resident memory in KiB.
fn resident(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .context("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).context("no number")?.parse()?)
}

/// CPU time in clock ticks, user and system.
fn ticks(pid: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The command in parentheses may hold blanks; the numbers follow it.
    let rest = stat.rsplit_once(')').context("no command")?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |index: usize| -> Result<u64> { Ok(fields.get(index).context("too short")?.parse()?) };
    Ok(field(11)? + field(12)?)
}

/// Linux counts 100 ticks a second.
fn percent(ticks: u64, secs: u64) -> f64 {
    ticks as f64 / secs as f64
}
