//! The life of the process: signals, startup, serving, shutdown.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::conf::Conf;
use super::log::{Level, Log};
use super::options::Options;
use super::startup::{self, Failure};
use super::state::{Control, Server, Status};

const MANAGER: &str = "org.wso2.carbon.core.init.CarbonServerManager";
const FINALIZER: &str = "org.wso2.carbon.core.internal.StartupFinalizerServiceComponent";

/// What startup works with and fills.
pub(super) struct Process {
    pub(super) home: PathBuf,
    pub(super) options: Options,
    pub(super) log: Arc<Log>,
    pub(super) conf: Arc<Conf>,
    pub(super) begun: Instant,
    pub(super) control: mpsc::Sender<Control>,
    /// Set as soon as there are pools to close.
    pub(super) server: OnceLock<Arc<Server>>,
}

/// Why the process ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Signal,
    Asked(Control),
    Failed,
    OwnerGone,
}

/// Lives until the end and says which status to end with.
pub(super) async fn live(home: &Path, options: Options) -> Result<u8> {
    // Before anything else: a signal during startup must not end the process without its shutdown hook.
    let mut term = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let conf = Arc::new(Conf::read(home)?);
    let log = Arc::new(Log::open(
        home,
        &conf.kernel,
        &conf.key,
        options.roll_log_at_start,
    )?);
    let (control, mut asked) = mpsc::channel(4);
    let process = Arc::new(Process {
        home: home.to_owned(),
        options,
        log,
        conf,
        begun: Instant::now(),
        control,
        server: OnceLock::new(),
    });
    let startup = tokio::spawn(bring_up(Arc::clone(&process)));
    let end = wait(&process, &mut term, &mut asked, startup).await;
    Ok(match end {
        End::Failed | End::OwnerGone => 1,
        End::Signal => {
            tokio::select! {
                () = shut_down(&process, Status::ShuttingDown) => 143,
                () = owner_gone(process.options.owner) => 1,
            }
        }
        End::Asked(Control::Restart) => {
            shut_down(&process, Status::Restarting).await;
            121
        }
        End::Asked(Control::Shutdown) => {
            shut_down(&process, Status::ShuttingDown).await;
            0
        }
    })
}

async fn wait(
    process: &Process,
    term: &mut Signal,
    asked: &mut mpsc::Receiver<Control>,
    mut startup: tokio::task::JoinHandle<bool>,
) -> End {
    let mut starting = true;
    loop {
        tokio::select! {
            _ = term.recv() => return End::Signal,
            Some(control) = asked.recv() => return End::Asked(control),
            () = owner_gone(process.options.owner) => return End::OwnerGone,
            came_up = &mut startup, if starting => {
                starting = false;
                if !came_up.unwrap_or(false) && process.options.fatal_exits {
                    return End::Failed;
                }
            }
        }
    }
}

/// Starts the server; after a failure the process stays and waits in vain, as an OSGi framework does.
async fn bring_up(process: Arc<Process>) -> bool {
    match startup::start(&process).await {
        Ok(()) if process.options.never_ready => {}
        Ok(()) => {
            if process.options.exit_121_once {
                exit_once(&process).await;
            }
            return true;
        }
        Err(failure) => {
            report(&process.log, &failure);
            if process.options.fatal_exits {
                return false;
            }
        }
    }
    tokio::spawn(wait_in_vain(process));
    false
}

fn report(log: &Log, failure: &Failure) {
    match failure {
        Failure::Realm(error) => {
            let class = "org.wso2.carbon.user.core.internal.Activator";
            log.line(
                Level::Fatal,
                class,
                &format!("Cannot initialize the realm. {error:#}"),
            );
        }
        Failure::Transports(error) => {
            log.line(
                Level::Fatal,
                FINALIZER,
                &format!("Cannot start transports. {error:#}"),
            );
        }
    }
}

async fn wait_in_vain(process: Arc<Process>) {
    loop {
        tokio::time::sleep(process.options.waiting_interval).await;
        process.log.line(
            Level::Warn,
            FINALIZER,
            "Waiting for required OSGi services: org.wso2.carbon.user.core.service.RealmService,",
        );
    }
}

/// Asks for one restart in the life of the home.
async fn exit_once(process: &Process) {
    let marker = process.home.join("repository/logs/standin-exited-121");
    if !marker.exists() && std::fs::write(&marker, "").is_ok() {
        process.control.send(Control::Restart).await.ok();
    }
}

/// Never ends without an owner; with one, ends when it is gone.
async fn owner_gone(owner: Option<u32>) {
    let Some(owner) = owner else {
        return std::future::pending().await;
    };
    let proc = PathBuf::from(format!("/proc/{owner}"));
    while proc.exists() {
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

async fn shut_down(process: &Process, status: Status) {
    let name = process.conf.full_name();
    let say = |text: &str| process.log.info(MANAGER, text);
    let server = process.server.get();
    if let Some(server) = server {
        server.set_status(status);
    }
    say("Shutdown hook triggered....");
    say(&format!("Gracefully shutting down {name}..."));
    say("Starting to switch to maintenance mode...");
    say("Stopped all transport listeners");
    say("Waiting for request service completion...");
    tokio::time::sleep(process.options.shutdown_delay).await;
    say("All requests have been served.");
    say("Waiting for deployment completion...");
    if process.options.never_stops {
        std::future::pending::<()>().await;
    }
    say("All deployment tasks have been completed.");
    say("Waiting for server task completion...");
    say("All server tasks have been completed.");
    say(&format!("Shutting down {name}..."));
    say("Shutting down OSGi framework...");
    if let Some(server) = server {
        close_pools(server).await;
    }
    say("Shutdown complete");
    say("Halting JVM");
}

async fn close_pools(server: &Server) {
    for pool in server.pools.values() {
        // A pool whose server does not answer must not keep the process.
        tokio::time::timeout(Duration::from_secs(5), pool.close())
            .await
            .ok();
    }
}
