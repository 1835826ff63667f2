//! The demonstration: a fleet of three nodes on this machine, upgraded before your eyes.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use cutover_e2e::harness::{EngineKind, Fleet, FleetSpec, Hop, NewHomes, Order, STAGING};

const HELP: &str = "\
cutover-demo: upgrades a fleet of three nodes on this machine, from start to end, in a temporary folder.

Usage: cutover-demo [--guide NAME] [--engine mariadb|postgres] [--order guide|copy-first] [--keep]

  --guide    dss-3.2.0 (default), ss-1.1.0, as-5.2.0, carbon-4.2.0 or carbon-4.4.7
  --engine   the database server it starts (default: mariadb)
  --order    guide: production is migrated, then copied; copy-first: production is never changed
  --keep     leaves everything running until Ctrl-C, and says how to look around";

#[derive(Debug)]
struct Options {
    hop: Hop,
    engine: EngineKind,
    copy_first: bool,
    keep: bool,
}

fn main() -> ExitCode {
    let done = match options(std::env::args().skip(1)) {
        Ok(Some(options)) => demonstrate(&options),
        Ok(None) => say(HELP),
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(std::io::stderr(), "cutover-demo: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Option<Options>> {
    let mut options = Options {
        hop: Hop::DSS,
        engine: EngineKind::MariaDb,
        copy_first: false,
        keep: false,
    };
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--guide" => {
                let name = args.next().unwrap_or_default();
                options.hop = Hop::of_guide(&name).with_context(|| {
                    let names = Hop::ALL.map(|hop| hop.guide).join(", ");
                    format!("--guide is one of {names}, not {name}")
                })?;
            }
            "--engine" => {
                options.engine = match args.next().as_deref() {
                    Some("mariadb" | "mysql") => EngineKind::MariaDb,
                    Some("postgres" | "postgresql") => EngineKind::Postgres,
                    other => bail!(
                        "--engine is mariadb or postgres, not {}",
                        other.unwrap_or("nothing")
                    ),
                }
            }
            "--order" => {
                options.copy_first = match args.next().as_deref() {
                    Some("guide") => false,
                    Some("copy-first") => true,
                    other => bail!(
                        "--order is guide or copy-first, not {}",
                        other.unwrap_or("nothing")
                    ),
                }
            }
            "--keep" => options.keep = true,
            "--help" | "-h" => return Ok(None),
            other => bail!("there is no option {other}\n\n{HELP}"),
        }
    }
    Ok(Some(options))
}

fn demonstrate(options: &Options) -> Result<()> {
    cutover_testdb::available().map_err(anyhow::Error::msg)?;
    title("A fleet of three Carbon servers")?;
    say(&format!(
        "Everything lives in a temporary folder and listens on 127.0.0.1 only. The Carbon servers are stand-ins:\n\
         they start, stop, log and hold database connections as {} does. Starting:",
        options.hop.product
    ))?;
    let spec = FleetSpec {
        hop: options.hop,
        new_homes: NewHomes::Distribution,
        ..FleetSpec::new(options.engine)
    };
    let mut fleet = Fleet::start_saying(&spec, &mut |what| say(&format!("  - {what}")))?;
    if options.copy_first {
        fleet.upgrade.order = Order::CopyFirst;
    }
    if !options.keep {
        clean_up_when_interrupted(fleet.root().to_owned());
    }
    show(&fleet, &["node", "list"], 0)?;

    title("The upgrade file")?;
    say(
        "`cutover init` fills an upgrade file from what the agents report; what only a person knows is left open.",
    )?;
    let select = format!("cluster={}", options.hop.cluster());
    show(&fleet, &["init", options.hop.guide, "--select", &select], 0)?;
    fleet.draft_upgrade()?;
    let (file, name) = (fleet.write_upgrade()?, fleet.upgrade.name.clone());
    say(
        "\nFilled in, it reads as below. Three servers on one machine need ports of their own: the label `offset` of each \
         node says which.\n",
    )?;
    say(&indented(&fleet.upgrade.text()?))?;

    title("The plan")?;
    show(&fleet, &["plan", &file, "--out", &fleet.plan_file()], 0)?;

    title("The run")?;
    show(&fleet, &["apply", &fleet.plan_file(), "--watch", "--yes"], 4)?;
    say("\nThe new servers are up. Before the point of no return a person looks at them, and approves.")?;
    checkpoints(&fleet)?;
    show(&fleet, &["approve", &name, "--reason", "CHG-4711"], 0)?;
    show(&fleet, &["watch", &name], 0)?;

    title("The record")?;
    let export = fleet.desk().join("audit.jsonl").display().to_string();
    show(&fleet, &["audit", "export", "--out", &export], 0)?;
    show(&fleet, &["audit", "verify", &export], 0)?;
    downtime(&fleet)?;
    if options.keep {
        keep(&fleet)?;
    }
    say("\nStopping everything and removing the folder.")
}

fn checkpoints(fleet: &Fleet) -> Result<()> {
    say("\nSeen in the databases themselves, with the engine's own client:")?;
    let databases = &fleet.databases;
    for pair in databases.pairs() {
        for (role, name) in [("production", pair.production), ("staging", pair.staging)] {
            say(&format!(
                "  {role:<10} {name}: {} tables, {} sessions of the servers",
                databases.tables(name)?.len(),
                databases.sessions(name)?
            ))?;
        }
    }
    if fleet.spec.hop.migrates {
        let number = |table: &str| databases.number(STAGING, &format!("SELECT COUNT(*) FROM {table}"));
        let (domains, tenants) = (number("UM_DOMAIN")?, number("UM_TENANT")?);
        say(&format!(
            "  UM_DOMAIN holds {domains} rows: 3 x (1 + {tenants} tenants)"
        ))?;
    }
    Ok(())
}

fn downtime(fleet: &Fleet) -> Result<()> {
    let view = fleet.cli.view(&fleet.upgrade.name)?;
    let measured = view.downtime.context("the run measured no downtime")?;
    let plan: serde_json::Value = serde_json::from_slice(&std::fs::read(fleet.plan_file())?)?;
    let predicted = plan.pointer("/downtime/secs").and_then(serde_json::Value::as_u64);
    say(&format!(
        "\nDowntime: {}.{} s measured, from the first server told to stop to the last new one proven ready; {} s \
         were predicted in the plan, which reckons with what real Carbon servers take to stop and start.",
        measured.millis / 1000,
        measured.millis % 1000 / 100,
        predicted.map_or_else(|| "no".to_owned(), |secs| secs.to_string()),
    ))
}

fn keep(fleet: &Fleet) -> Result<()> {
    title("Look around")?;
    let profile = fleet.coordinator.profile.display();
    let program = fleet.cli.command().get_program().to_string_lossy().into_owned();
    let (name, node) = (&fleet.upgrade.name, fleet.spec.hop.node(1));
    say(&format!(
        "Everything keeps running until you press Ctrl-C here. In another terminal:\n\n  \
         export CUTOVER_PROFILE={profile}\n  \
         alias cutover={program}\n  \
         cutover status {name}\n  \
         cutover node facts {node}\n  \
         cutover audit list\n\n  \
         folder of everything   {}\n  \
         log of a new server    {}/repository/logs/wso2carbon.log",
        fleet.root().display(),
        fleet
            .hosts
            .first()
            .map(|host| host.new.dir.display().to_string())
            .unwrap_or_default(),
    ))?;
    interrupted()
}

/// Waits for Ctrl-C.
fn interrupted() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime
        .block_on(tokio::signal::ctrl_c())
        .context("wait for Ctrl-C")
}

/// Ctrl-C in the middle: the services end with this process by themselves, the folder does not.
fn clean_up_when_interrupted(root: PathBuf) {
    std::thread::spawn(move || {
        if interrupted().is_ok() {
            std::fs::remove_dir_all(&root).ok();
            #[expect(
                clippy::exit,
                reason = "the main thread waits for a command and can't be asked to return"
            )]
            std::process::exit(130);
        }
    });
}

/// Shows a command and runs it on this terminal, so that progress bars are drawn.
fn show(fleet: &Fleet, args: &[&str], wanted: i32) -> Result<()> {
    say(&format!("\n$ cutover {}", args.join(" ")))?;
    let status = fleet.cli.command().args(args).status().context("run cutover")?;
    if status.code() != Some(wanted) {
        bail!(
            "`cutover {}` ended with {status}, not {wanted}\n{}",
            args.join(" "),
            fleet.logs()
        );
    }
    Ok(())
}

fn title(text: &str) -> Result<()> {
    say(&format!("\n=== {text} ==="))
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

fn say(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").context("write to standard output")
}
