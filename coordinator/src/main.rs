//! `cutover-coordinator`: start-up only.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use cutover_coordinator::clock::Clock;
use cutover_coordinator::config::Config;
use cutover_coordinator::{app, audit_key::AuditKey, lifecycle};
use cutover_trust::Ca;
use secrecy::ExposeSecret;

const OPERATOR_LIFE: Duration = Duration::from_secs(365 * 24 * 3600);

#[derive(Debug, Parser)]
#[command(
    name = "cutover-coordinator",
    version,
    about = "Sequences upgrades of WSO2 Carbon fleets",
    after_help = "Examples:\n  cutover-coordinator init --config /etc/cutover/coordinator.toml --operator alice --out ~/.config/cutover\n  cutover-coordinator run --config /etc/cutover/coordinator.toml"
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
    },
    /// Check the configuration file and say what it means.
    Check {
        /// The configuration file.
        #[arg(long, default_value = "/etc/cutover/coordinator.toml")]
        config: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    cutover_channel::install_provider();
    match Arguments::parse().command {
        Command::Init {
            config,
            operator,
            out,
        } => init(&Config::read(&config)?, &operator, &out),
        Command::Run { config } => {
            tracing_subscriber::fmt()
                .with_writer(std::io::stderr)
                .with_env_filter(
                    tracing_subscriber::EnvFilter::try_from_env("CUTOVER_LOG")
                        .unwrap_or_else(|_| "info".into()),
                )
                .init();
            tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()?
                .block_on(run(Config::read(&config)?))
        }
        Command::Check { config } => {
            let config = Config::read(&config)?;
            writeln!(std::io::stdout(), "{config:#?}")?;
            Ok(())
        }
    }
}

async fn run(config: Config) -> anyhow::Result<()> {
    let app = app::start(config, Clock::system()).await?;
    tokio::spawn(lifecycle::stop_on_signal(app.clone()));
    app::serve(app).await
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
    writeln!(
        std::io::stdout(),
        "profile of operator {operator} written to {}\nuse it with: cutover --profile {} status",
        out.display(),
        out.display()
    )?;
    Ok(())
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
