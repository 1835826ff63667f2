//! Everything a running coordinator is made of, and its start and stop.

use std::sync::Arc;

use cutover_channel::ServerTls;
use cutover_proto::pb::agent_gateway_server::AgentGatewayServer;
use cutover_proto::pb::enrolment_server::EnrolmentServer;
use cutover_proto::pb::operator_service_server::OperatorServiceServer;
use cutover_trust::Ca;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit_key::AuditKey;
use crate::blobs::Blobs;
use crate::clock::Clock;
use crate::config::Config;
use crate::engine::driver::{Engine, Parts};
use crate::fleet::Fleet;
use crate::guide::{Guide, lint};
use crate::rpc::agent::AgentService;
use crate::rpc::enrol::EnrolmentService;
use crate::rpc::operator::Operators;
use crate::store::Store;
use crate::store::sqlite::SqliteStore;
use crate::work::Worker;

/// A running coordinator.
#[derive(Debug)]
pub struct App {
    /// Its configuration.
    pub config: Config,
    /// Its certificate authority.
    pub ca: Ca,
    /// Signs audit exports.
    pub audit_key: AuditKey,
    /// Its store.
    pub store: Arc<dyn Store>,
    /// Scripts and distributions.
    pub blobs: Blobs,
    /// The agents.
    pub fleet: Fleet,
    /// The runs.
    pub engine: Engine,
    /// Work on databases.
    pub worker: Arc<Worker>,
    /// The guides, shipped and the site's own.
    pub guides: Vec<Guide>,
    /// The time.
    pub clock: Clock,
    /// One more with each start: commands of older ones are refused.
    pub epoch: u64,
    /// When it started.
    pub started: Timestamp,
    /// Where tasks live.
    pub tasks: TaskTracker,
    /// Cancelled when it stops.
    pub stop: CancellationToken,
    /// Taken by a check or a start of a run while it looks at the open ones.
    pub starting: tokio::sync::Mutex<()>,
    /// Backups that are verified or restored at the moment.
    pub busy_backups: std::sync::Mutex<std::collections::BTreeSet<String>>,
    /// Held while this coordinator lives: another one on the same data would carry the same steps out.
    _lock: std::fs::File,
}

/// Starts a coordinator: the lock on its data and its address first, so that nothing is taken up beside another
/// one; then store, trust, guides and open runs. Its epoch will be at least `least_epoch`.
///
/// # Errors
/// What could not be opened.
pub async fn start(
    config: Config,
    clock: Clock,
    least_epoch: u64,
) -> anyhow::Result<(Arc<App>, TcpListener)> {
    use anyhow::Context;
    crate::lifecycle::private_folder(&config.data_dir)?;
    crate::lifecycle::private_folder(&config.backup_dir)?;
    let lock = crate::lifecycle::lock(&config.data_dir)?;
    let listener = cutover_channel::listen(config.listen)
        .with_context(|| format!("failed to listen on {}", config.listen))?;
    let now = clock.now();
    let ca = Ca::load_or_create(&config.data_dir.join("ca"), now.into())
        .context("failed to open the certificate authority")?;
    let audit_key = AuditKey::load_or_create(&config.data_dir.join("audit.key"))?;
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(&config.data_dir.join("cutover.db"), clock.clone()).await?);
    let blobs = Blobs::open(config.data_dir.join("blobs"))?;
    let epoch = store.next_epoch(least_epoch).await?;
    let fleet = Fleet::default();
    let tasks = TaskTracker::new();
    let stop = CancellationToken::new();
    let worker = Arc::new(Worker::new(
        config.backup_dir.clone(),
        blobs.clone(),
        store.clone(),
    ));
    let engine = Engine::new(Parts {
        store: store.clone(),
        fleet: fleet.clone(),
        worker: worker.clone(),
        clock: clock.clone(),
        epoch,
        node_grace: config.node_grace,
        tasks: tasks.clone(),
        stop: stop.clone(),
    });
    let guides = guides(&config)?;
    let app = Arc::new(App {
        config,
        ca,
        audit_key,
        store,
        blobs,
        fleet,
        engine,
        worker,
        guides,
        clock,
        epoch,
        started: now,
        tasks,
        stop,
        busy_backups: std::sync::Mutex::default(),
        starting: tokio::sync::Mutex::new(()),
        _lock: lock,
    });
    let open = app.engine.resume().await?;
    tracing::info!(epoch, runs = open, "coordinator started");
    Ok((app, listener))
}

/// The shipped guides and the site's own; one that the lint refuses stops the start.
fn guides(config: &Config) -> anyhow::Result<Vec<Guide>> {
    let mut guides = Guide::shipped()?;
    let Some(folder) = &config.guides_dir else {
        return Ok(guides);
    };
    let mut files: Vec<_> = std::fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    for file in files
        .into_iter()
        .filter(|file| file.extension().is_some_and(|ext| ext == "toml"))
    {
        let name = file.display().to_string();
        let guide = Guide::parse(&name, &std::fs::read_to_string(&file)?)?;
        let findings = lint::lint(&guide);
        if let Some(first) = findings.first() {
            anyhow::bail!(
                "guide {name} is refused: {}: {} ({})",
                first.place,
                first.text,
                first.remedy
            );
        }
        if guides.iter().any(|known| known.name == guide.name) {
            anyhow::bail!(
                "guide {name}: there is a guide `{}` already; give it another name",
                guide.name
            );
        }
        guides.push(guide);
    }
    Ok(guides)
}

/// Serves until [`App::stop`] is cancelled, then lets what is under way come to a safe point.
///
/// # Errors
/// When the listener fails.
pub async fn serve(app: Arc<App>, listener: TcpListener) -> anyhow::Result<()> {
    let tls = ServerTls::new(crate::lifecycle::server_config(&app)?);
    app.tasks
        .spawn(crate::lifecycle::rotate_certificate(app.clone(), tls.clone()));
    tracing::info!(listen = %app.config.listen, "listening");
    let stop = app.stop.clone();
    cutover_channel::server_builder()
        .add_service(AgentGatewayServer::new(AgentService(app.clone())).max_decoding_message_size(16 << 20))
        .add_service(EnrolmentServer::new(EnrolmentService(app.clone())))
        .add_service(
            OperatorServiceServer::new(Operators(app.clone()))
                .max_decoding_message_size(64 << 20)
                .max_encoding_message_size(64 << 20),
        )
        .serve_with_incoming_shutdown(cutover_channel::incoming(listener, tls), async move {
            stop.cancelled().await
        })
        .await?;
    app.tasks.close();
    app.tasks.wait().await;
    Ok(())
}
