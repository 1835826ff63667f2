//! `cutover-coordinator`: start-up only.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use cutover_coordinator::clock::Clock;
use cutover_coordinator::config::{Config, ConfigError};
use cutover_coordinator::store::Store;
use cutover_coordinator::store::sqlite::SqliteStore;
use cutover_coordinator::{app, audit_key::AuditKey, lifecycle};
use cutover_proto::audit::AuditEntry;
use cutover_trust::{Ca, IssueError};
use secrecy::ExposeSecret;

const OPERATOR_LIFE: Duration = Duration::from_secs(365 * 24 * 3600);

#[derive(Debug, Parser)]
#[command(
    name = "cutover-coordinator",
    version,
    about = "Sequences upgrades of WSO2 Carbon fleets",
    after_help = "Examples:\n  cutover-coordinator init --config /etc/cutover/coordinator.toml --operator alice --out ~/.config/cutover\n  cutover-coordinator run --config /etc/cutover/coordinator.toml\n\nExit codes: 0 done, 1 failed, 2 bad input."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the certificate authority if there is none, and a profile for an operator.
    Init {
        /// The configuration file.
        #[arg(long, default_value = "/etc/cutover/coordinator.toml")]
        config: PathBuf,
        /// The operator's name, as audit records will show it.
        #[arg(long)]
        operator: String,
        /// Folder to write the profile to.
        #[arg(long)]
        out: PathBuf,
    },
    /// Serve agents and operators until SIGTERM.
    Run {
        /// The configuration file.
        #[arg(long, default_value = "/etc/cutover/coordinator.toml")]
        config: PathBuf,
        /// After a restore from a backup: take an epoch above this one, which the agents have seen. Only when no
        /// other coordinator of this fleet runs any more.
        #[arg(long, default_value_t = 0)]
        epoch_above: u64,
    },
    /// Check the configuration file and say what it means.
    Check {
        /// The configuration file.
        #[arg(long, default_value = "/etc/cutover/coordinator.toml")]
        config: PathBuf,
    },
}

fn main() -> ExitCode {
    // Keys and passwords are in our memory: no core dump, and no look into it by others of our account.
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        complain(&anyhow::anyhow!("core dumps could not be switched off: {error}"));
    }
    cutover_channel::install_provider();
    match act(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::from(if error.is::<ConfigError>() || error.is::<IssueError>() {
                2
            } else {
                1
            })
        }
    }
}

fn complain(error: &anyhow::Error) {
    // Nobody reads it when this fails.
    writeln!(std::io::stderr(), "error: {error:#}").ok();
}

fn act(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Init {
            config,
            operator,
            out,
        } => init(&Config::read(&config)?, &operator, &out),
        Command::Run { config, epoch_above } => {
            tracing_subscriber::fmt()
                .with_writer(std::io::stderr)
                .with_env_filter(
                    tracing_subscriber::EnvFilter::try_from_env("CUTOVER_LOG")
                        .unwrap_or_else(|_| "info".into()),
                )
                .init();
            let least = if epoch_above == 0 { 0 } else { epoch_above + 1 };
            runtime()?.block_on(run(Config::read(&config)?, least))
        }
        Command::Check { config } => {
            let config = Config::read(&config)?;
            writeln!(std::io::stdout(), "{config:#?}")?;
            Ok(())
        }
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

async fn run(config: Config, least_epoch: u64) -> anyhow::Result<()> {
    let (app, listener) = app::start(config, Clock::system(), least_epoch).await?;
    tokio::spawn(lifecycle::stop_on_signal(app.clone()));
    app::serve(app, listener).await
}

fn init(config: &Config, operator: &str, out: &Path) -> anyhow::Result<()> {
    lifecycle::private_folder(&config.data_dir)?;
    let now = Clock::system().now().into();
    let ca = Ca::load_or_create(&config.data_dir.join("ca"), now)?;
    let audit_key = AuditKey::load_or_create(&config.data_dir.join("audit.key"))?;
    let issued = ca.issue_operator(operator, now, OPERATOR_LIFE)?;
    lifecycle::private_folder(out)?;
    let files: [(&str, String); 5] = [
        ("ca.pem", ca.cert_pem().to_owned()),
        ("operator.pem", issued.cert.cert_pem.clone()),
        ("operator.key", issued.key_pem.expose_secret().to_owned()),
        ("endpoint", format!("{}\n", config.advertise)),
        ("audit.pub", format!("{}\n", audit_key.public_hex())),
    ];
    for (name, content) in &files {
        write_private(&out.join(name), content)?;
    }
    record_operator(config, operator, &issued.cert.serial_hex)?;
    writeln!(
        std::io::stdout(),
        "profile of operator {operator} written to {}\nuse it with: cutover --profile {} status",
        out.display(),
        out.display()
    )?;
    Ok(())
}

/// Who may give orders is part of the record.
fn record_operator(config: &Config, operator: &str, serial: &str) -> anyhow::Result<()> {
    let entry = AuditEntry {
        actor: "coordinator".into(),
        action: "operator.created".into(),
        arguments: [("operator".to_owned(), operator.to_owned())].into(),
        evidence: [("serial".to_owned(), serial.to_owned())].into(),
        ..AuditEntry::default()
    };
    runtime()?.block_on(async {
        let store = SqliteStore::open(&config.data_dir.join("cutover.db"), Clock::system()).await?;
        Ok(store.audit(vec![entry]).await?)
    })
}

fn write_private(path: &Path, content: &str) -> anyhow::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("failed to write {}", path.display()))?;
    file.write_all(content.as_bytes())?;
    file.sync_all()
        .with_context(|| format!("failed to write {}", path.display()))
}
