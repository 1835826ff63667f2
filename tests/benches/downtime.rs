//! How long the servers are down when production was copied while it served, by the size of its databases, and the
//! coordinator's highest memory.
//!
//! With release binaries in `CUTOVER_BIN_DIR`: `cargo bench -p cutover-e2e --bench downtime`. `CUTOVER_BENCH_SIZES` are
//! megabytes of rows beside Carbon's own (default `0,256,1024`), half of them in values of 16 KB; arguments `mysql` and
//! `postgres` limit it to one engine, `sync` and `delta` to one mode.

use std::time::Duration;

use anyhow::{Context as _, Result};
use cutover_e2e::harness::{EngineKind, Fleet, FleetSpec, Order, PRODUCTION, Phase as _};
use cutover_proto::view::RunView;

const LIMIT: Duration = Duration::from_secs(3600);

/// Rows of one megabyte: 32 large ones and 5,000 small ones.
fn filler(kind: EngineKind, megabytes: u64) -> String {
    let (large, small) = (32 * megabytes, 5000 * megabytes);
    match kind {
        EngineKind::MariaDb => format!(
            "CREATE TABLE FILL_CONTENT (ID INT NOT NULL PRIMARY KEY, DATA LONGBLOB); \
             CREATE TABLE FILL_LOG (ID INT NOT NULL PRIMARY KEY, PATH VARCHAR(100)); \
             INSERT INTO FILL_CONTENT SELECT seq, REPEAT(RANDOM_BYTES(1024), 16) FROM seq_1_to_{large}; \
             INSERT INTO FILL_LOG SELECT seq, CONCAT('/_system/governance/trunk/', MD5(seq)) FROM seq_1_to_{small};"
        ),
        EngineKind::Postgres => format!(
            "CREATE TABLE fill_content (id int PRIMARY KEY, data bytea); \
             ALTER TABLE fill_content ALTER data SET STORAGE EXTERNAL; \
             CREATE TABLE fill_log (id int PRIMARY KEY, path varchar(100)); \
             INSERT INTO fill_content SELECT i, decode(repeat(md5(i::text), 1024), 'hex') FROM generate_series(1, {large}) i; \
             INSERT INTO fill_log SELECT i, '/_system/governance/trunk/' || md5(i::text) FROM generate_series(1, {small}) i;"
        ),
    }
}

#[expect(clippy::print_stdout, reason = "a bench prints its result")]
fn main() -> Result<()> {
    if std::env::args().any(|argument| argument == "--test") {
        println!("skipped: a benchmark, not a test");
        return Ok(());
    }
    let only: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let asked = |name: &str, other: &str| {
        let has = |wanted: &str| only.iter().any(|argument| argument == wanted);
        has(name) || !has(other)
    };
    let sizes = std::env::var("CUTOVER_BENCH_SIZES").unwrap_or_else(|_| "0,256,1024".to_owned());
    println!("engine    mode   MB     downtime   last pass  compare  scripts  s per GB  coordinator");
    for (kind, name, other) in [
        (EngineKind::MariaDb, "mysql", "postgres"),
        (EngineKind::Postgres, "postgres", "mysql"),
    ] {
        for (mode, other_mode) in [("sync", "delta"), ("delta", "sync")] {
            for size in sizes
                .split(',')
                .filter(|_| asked(name, other) && asked(mode, other_mode))
            {
                let megabytes: u64 = size.trim().parse().context("CUTOVER_BENCH_SIZES")?;
                println!("{}", one(kind, name, mode, megabytes)?);
            }
        }
    }
    Ok(())
}

fn one(kind: EngineKind, name: &str, mode: &str, megabytes: u64) -> Result<String> {
    let mut fleet = Fleet::start(&FleetSpec {
        nodes: 1,
        ..FleetSpec::new(kind)
    })?;
    fleet.upgrade.order = Order::CopyFirst;
    fleet.upgrade.more = format!("\n[downtime]\nmode = \"{mode}\"\n");
    if megabytes > 0 {
        fleet
            .databases
            .sql_as_application(PRODUCTION, &filler(kind, megabytes))?;
    }
    let run = fleet.apply()?;
    let waiting = fleet.settle(&run, LIMIT)?;
    waiting.step("sync.copy@carbon")?;
    fleet
        .cli
        .run(&["approve", &run, "--reason", "bench"])?
        .expect(0)?;
    let view = fleet.finish(&run, LIMIT)?;
    let peak = peak(
        fleet
            .coordinator
            .service
            .pid()
            .context("the coordinator has no pid")?,
    )?;
    let downtime = view.downtime.as_ref().context("no downtime")?.millis;
    let (last, scripts) = match mode {
        "delta" => ("data.delta@carbon", None),
        _ => ("data.synchronise@carbon", Some("data.migrate@carbon")),
    };
    let last = took(&view, last)?;
    let per_gb = match megabytes {
        0 => "-".to_owned(),
        megabytes => format!(
            "{:.1}",
            seconds(last) * 1000.0 / f64::from(u32::try_from(megabytes)?)
        ),
    };
    Ok(format!(
        "{name:<9} {mode:<6} {megabytes:<6} {:>6.1} s   {:>6.1} s  {:>5.1} s  {:>5.1} s  {per_gb:>8}  {peak} MB",
        seconds(downtime),
        seconds(last),
        seconds(took(&view, "data.compare@carbon")?),
        seconds(scripts.map_or(Ok(0), |step| took(&view, step))?),
    ))
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}

fn took(view: &RunView, step: &str) -> Result<u64> {
    view.step(step)?
        .millis
        .with_context(|| format!("{step} did not end"))
}

/// Highest resident memory of a process, in megabytes.
fn peak(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let words = line.and_then(|line| line.split_whitespace().next());
    Ok(words.context("no VmHWM")?.parse::<u64>()? / 1024)
}
