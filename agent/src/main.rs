//! `cutover-agent`: the agent of a Carbon host.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand};
use cutover_agent::agent::Agent;
use cutover_agent::config::Config;
use cutover_agent::facts::{self, Scene, Sizes};
use cutover_agent::identity::{self, TlsDial};
use cutover_agent::policy::Policy;
use cutover_agent::{session, watcher};
use cutover_channel::token::JoinToken;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

/// Whom servers run as when the policy names nobody.
const RUN_AS_OWNER: &str = "as the agent, or as the owner of each home when the agent is root";

const EXAMPLES: &str = "\
Examples:
  cutover-agent check                                 Check the policy file and show what it allows
  cutover-agent enroll --token-file dss-1.token       Enrol this host once, with a token of `cutover node token`
  cutover-agent run                                   Serve the coordinator until SIGTERM

Exit codes: 0 done, 1 failed, 2 bad input.";

/// The Cutover agent: does typed actions of a coordinator under the Carbon homes that its local policy names.
#[derive(Debug, Parser)]
#[command(name = "cutover-agent", version, about, after_help = EXAMPLES)]
struct Cli {
    /// Policy file; when the agent runs as root it must be root's alone to write
    #[arg(
        long,
        global = true,
        default_value = "/etc/cutover/agent.toml",
        env = "CUTOVER_AGENT_CONFIG"
    )]
    config: PathBuf,
    /// What to log, for example `debug` or `cutover_agent=debug`
    #[arg(long, global = true, default_value = "info", env = "CUTOVER_AGENT_LOG")]
    log: String,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Serve the coordinator until SIGTERM
    Run,
    /// Make a key and get a certificate with a join token
    Enroll(Enroll),
    /// Check the policy file and show what it allows
    Check,
}

#[derive(Debug, Args)]
struct Enroll {
    /// File that holds the join token; `-` reads it from standard input
    #[arg(long, required_unless_present = "token", conflicts_with = "token")]
    token_file: Option<PathBuf>,
    /// The join token itself; other users can see it in the process list while the command runs
    #[arg(long, env = "CUTOVER_JOIN_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Enrol again although the certificate still holds
    #[arg(long)]
    force: bool,
}

/// What is to be done, with everything read that the command line names.
enum Job {
    Run,
    Enroll { token: JoinToken, force: bool },
    Check,
}

impl Action {
    fn prepare(self) -> anyhow::Result<Job> {
        Ok(match self {
            Self::Run => Job::Run,
            Self::Enroll(enroll) => Job::Enroll {
                token: token(&enroll)?,
                force: enroll.force,
            },
            Self::Check => Job::Check,
        })
    }
}

fn main() -> ExitCode {
    // Keys and passwords of commands are in this memory. Not by a limit on core files: servers would inherit that.
    let dumpable = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let cli = Cli::parse();
    let filter = tracing_subscriber::EnvFilter::try_new(&cli.log);
    let Ok(filter) = filter else {
        complain(&format!("`--log {}` is not a log filter", cli.log));
        return ExitCode::from(2);
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    if let Err(error) = dumpable {
        warn!(%error, "a crash of the agent may leave a core file with keys in it");
    }
    cutover_channel::install_provider();
    let config = match Config::load(&cli.config) {
        Ok(config) => config,
        Err(error) => {
            complain(&error.to_string());
            return ExitCode::from(2);
        }
    };
    let job = match cli.action.prepare() {
        Ok(job) => job,
        Err(error) => {
            complain(&format!("{error:#}"));
            return ExitCode::from(2);
        }
    };
    match start(config, job) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn complain(text: &str) {
    writeln!(std::io::stderr(), "cutover-agent: {text}").ok();
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("cannot write to standard output")
}

fn start(config: Config, job: Job) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let done = match job {
        Job::Run => runtime.block_on(run(config)),
        Job::Enroll { token, force } => runtime.block_on(enrol(&config, &token, force)),
        Job::Check => check(&config),
    };
    // Threads that block in an action are not waited for: the ledger knows what they were doing.
    runtime.shutdown_timeout(Duration::from_millis(200));
    done
}

async fn run(config: Config) -> anyhow::Result<()> {
    let identity = identity::load(&config)?;
    cutover_agent::durable::private_folder(&config.state_dir).context("cannot make the state folder")?;
    let lock = std::fs::File::create(config.state_dir.join("lock")).context("cannot make the lock file")?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!(
            "another agent works in `{}`; only one may",
            config.state_dir.display()
        );
    }
    let agent = Agent::open(config.clone())?;
    info!(node = %config.node, coordinator = %config.coordinator, serial = %identity.facts.serial, "agent starts");
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    agent
        .tasks
        .spawn(session::run(Arc::clone(&agent), Arc::new(TlsDial::new(config))));
    agent.tasks.spawn(watcher::run(Arc::clone(&agent)));
    agent.tasks.spawn(identity::keep_renewed(Arc::clone(&agent)));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    info!("agent ends; commands at work stop at the next safe place");
    agent.shutdown.cancel();
    agent.tasks.close();
    if tokio::time::timeout(Duration::from_secs(20), agent.tasks.wait())
        .await
        .is_err()
    {
        warn!("a command did not stop in time; it is left to the ledger");
    }
    Ok(())
}

fn token(enroll: &Enroll) -> anyhow::Result<JoinToken> {
    let text = match (&enroll.token, &enroll.token_file) {
        (Some(token), _) => token.clone(),
        (None, Some(path)) if path.as_os_str() == "-" => {
            std::io::read_to_string(std::io::stdin()).context("cannot read the token from standard input")?
        }
        (None, Some(path)) => std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the token from `{}`", path.display()))?,
        (None, None) => bail!("give the token with --token-file"),
    };
    JoinToken::parse(&text).context("the join token can't be used; make one with `cutover node token`")
}

async fn enrol(config: &Config, token: &JoinToken, force: bool) -> anyhow::Result<()> {
    if token.coordinator() != config.coordinator {
        warn!(token = token.coordinator(), policy = %config.coordinator, "the token names another address; the policy's is used");
    }
    info!(ca_sha256 = %token.ca_fingerprint(), "trusting the authority of the token");
    let facts = identity::enrol(config, token, force).await?;
    say(&format!(
        "node {} is enrolled; certificate {}",
        config.node, facts.serial
    ))
}

fn check(config: &Config) -> anyhow::Result<()> {
    let identity = match identity::load(config) {
        Ok(identity) => format!("enrolled, certificate {}", identity.facts.serial),
        Err(failed) => failed.to_string(),
    };
    let actions = config
        .actions
        .as_ref()
        .map_or_else(|| "all".to_owned(), |list| list.join(", "));
    say(&format!(
        "node         {}\ncoordinator  {}\nidentity     {identity}",
        config.node, config.coordinator
    ))?;
    say(&format!(
        "actions      {actions}\nhomes        {}\nrun as       {}",
        config.homes.join(", "),
        config.run_as.as_deref().unwrap_or(RUN_AS_OWNER)
    ))?;
    let facts = facts::node(
        Scene {
            config,
            policy: &Policy::new(config),
            holds: None,
            sizes: &Sizes::default(),
        },
        &[],
    );
    if facts.java_home.is_none() {
        error!("no `java_home` with a bin/java in it: servers can't be started");
    }
    for home in facts.homes {
        say(&format!(
            "home         {}: {} {}, kernel {}",
            home.path, home.product, home.version, home.kernel
        ))?;
        for problem in home.problems {
            say(&format!("  problem    {problem}"))?;
        }
        for manager in home.restart_managers {
            say(&format!("  restarts   {manager}"))?;
        }
    }
    Ok(())
}
