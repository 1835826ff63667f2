//! From configuration to "started", in the order a Carbon server logs it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, bail};
use tokio::net::TcpListener;

use super::conf::{DataConf, Datasource};
use super::db::Db;
use super::identity::Identity;
use super::jdbc::Target;
use super::lifecycle::Process;
use super::log::Level;
use super::state::{SUPER_TENANT, Server, Status};
use super::{deployer, http, passwords, rss, schema, writer};

const CORE: &str = "org.wso2.carbon.core.internal.CarbonCoreActivator";
const FINALIZER: &str = "org.wso2.carbon.core.internal.StartupFinalizerServiceComponent";
const CONSOLE: &str = "org.wso2.carbon.ui.internal.CarbonUIServiceComponent";

/// What kept the server from coming up.
pub(super) enum Failure {
    /// Its data: configuration, driver, database, schema.
    Realm(anyhow::Error),
    /// Its ports.
    Transports(anyhow::Error),
}

pub(super) async fn start(process: &Process) -> Result<(), Failure> {
    greet(process);
    let server = Arc::new(connect(process).await.map_err(Failure::Realm)?);
    // Kept at once: whatever happens from here on, a shutdown has pools to close.
    process.server.set(Arc::clone(&server)).ok();
    schema::check(&server.users, &server.registry, &server.conf.kernel)
        .await
        .map_err(Failure::Realm)?;
    other_databases(&server).await.map_err(Failure::Realm)?;
    add_admin(&server).await.map_err(Failure::Realm)?;
    tokio::time::sleep(process.options.startup_delay).await;
    open_ports(&server).await.map_err(Failure::Transports)?;
    tokio::spawn(deployer::watch(Arc::clone(&server)));
    if process.options.never_ready {
        return Ok(());
    }
    // The port is open for a while before the server is ready.
    tokio::time::sleep(process.options.startup_delay / 2).await;
    finish(process, &server).await;
    Ok(())
}

fn greet(process: &Process) {
    let say = |text: &str| process.log.info(CORE, text);
    say("Starting WSO2 Carbon...");
    say(&format!("Operating System : Linux, {}", std::env::consts::ARCH));
    say(&format!(
        "Java Home        : {}",
        std::env::var("JAVA_HOME").unwrap_or_default()
    ));
    say("Java Version     : 1.7.0_51");
    say(&format!("Carbon Home      : {}", process.home.display()));
    say(&format!("Java Temp Dir    : {}/tmp", process.home.display()));
}

async fn connect(process: &Process) -> Result<Server> {
    let home = &process.home;
    let data = DataConf::read(home)?;
    let (user_source, registry_source) = (
        data.datasource(&data.user_jndi)?.clone(),
        data.datasource(&data.registry_jndi)?.clone(),
    );
    let mut pools = BTreeMap::new();
    let mut needed: Vec<&str> = vec![&user_source.jndi, &registry_source.jndi];
    needed.extend(data.mounts.iter().map(|mount| mount.jndi.as_str()));
    needed.extend(data.rss.iter().map(|rss| rss.jndi.as_str()));
    for jndi in &needed {
        data.datasource(jndi)?;
    }
    for source in &data.datasources {
        let needed = needed.contains(&source.jndi.as_str());
        match open(process, source).await {
            Ok(pool) => {
                pools.insert(source.jndi.clone(), pool);
            }
            Err(error) if needed => return Err(error.context(format!("data source {}", source.jndi))),
            Err(error) => process.log.line(
                Level::Error,
                "org.wso2.carbon.ndatasource.core.DataSourceRepository",
                &format!("Error in creating data source {}: {error:#}", source.jndi),
            ),
        }
    }
    let pool = |jndi: &str| -> Result<Db> {
        pools
            .get(jndi)
            .cloned()
            .with_context(|| format!("no pool for {jndi}"))
    };
    let (users, registry) = (pool(&user_source.jndi)?, pool(&registry_source.jndi)?);
    Ok(Server {
        users,
        registry,
        pools,
        home: home.clone(),
        conf: Arc::clone(&process.conf),
        data,
        options: process.options.clone(),
        log: Arc::clone(&process.log),
        user_source,
        begun: process.begun,
        control: process.control.clone(),
        status: Mutex::new(Status::Starting),
        sessions: Mutex::default(),
        stores: Mutex::default(),
    })
}

/// The databases beside those of users and the registry.
async fn other_databases(server: &Server) -> Result<()> {
    let pool = |jndi: &str| {
        server
            .pools
            .get(jndi)
            .with_context(|| format!("no pool for {jndi}"))
    };
    for mount in &server.data.mounts {
        let source = server.data.datasource(&mount.jndi)?;
        mount.check(pool(&mount.jndi)?, source).await?;
    }
    if let Some(conf) = &server.data.rss {
        let source = server.data.datasource(&conf.jndi)?;
        rss::check(pool(&conf.jndi)?, source, conf, server.is_new()).await?;
    }
    Ok(())
}

async fn open(process: &Process, source: &Datasource) -> Result<Db> {
    let words = source.target.driver_words();
    if !words
        .iter()
        .any(|word| source.driver.to_lowercase().contains(word))
    {
        bail!("driver {} does not accept {}", source.driver, source.url);
    }
    let external = source.target != Target::Embedded;
    if external && process.options.needs_driver_jar && !has_driver(&process.home, words) {
        bail!("java.lang.ClassNotFoundException: {}", source.driver);
    }
    Db::open(&process.home, source, process.options.pool_size).await
}

/// The server brings no driver of its own: a jar must lie where libraries are picked up.
fn has_driver(home: &Path, words: &[&str]) -> bool {
    ["lib", "dropins"].iter().any(|folder| {
        let entries = std::fs::read_dir(home.join("repository/components").join(folder));
        entries.into_iter().flatten().flatten().any(|entry| {
            let name = entry.file_name().to_string_lossy().to_lowercase();
            name.ends_with(".jar") && words.iter().any(|word| name.contains(word))
        })
    })
}

/// A user store without the administrator gets one at start.
async fn add_admin(server: &Server) -> Result<()> {
    let name = server.data.admin_user.as_str();
    let count = "SELECT CAST(COUNT(*) AS CHAR(20)) FROM UM_USER WHERE UM_USER_NAME = ? AND UM_TENANT_ID = ?";
    if server
        .users
        .number(count, &[name.into(), SUPER_TENANT.into()])
        .await?
        .unwrap_or(0)
        > 0
    {
        return Ok(());
    }
    let hash = passwords::hash(&server.data.admin_password, "standin");
    super::services::store_user(&server.users, SUPER_TENANT, name, &hash, "standin").await?;
    super::services::give_role(&server.users, SUPER_TENANT, name, "admin", true).await
}

async fn open_ports(server: &Arc<Server>) -> Result<()> {
    let config = Identity::server_config(&server.home.join(&server.conf.keystore))?;
    let https = listen(server, server.conf.https_port).await?;
    let plain = listen(server, server.conf.http_port).await?;
    tokio::spawn(http::serve_tls(https, config, Arc::clone(server)));
    tokio::spawn(http::serve_plain(plain, Arc::clone(server)));
    for (what, port) in [
        ("HTTPS", server.conf.https_port),
        ("HTTP ", server.conf.http_port),
    ] {
        server.log.info(
            CONSOLE,
            &format!("{what} port       : {}", port.wrapping_add(server.conf.offset)),
        );
    }
    Ok(())
}

async fn listen(server: &Server, port: u16) -> Result<TcpListener> {
    let port = port
        .checked_add(server.conf.offset)
        .context("the port offset leads past 65535")?;
    let address = (server.options.bind_address.as_str(), port);
    TcpListener::bind(address)
        .await
        .with_context(|| format!("java.net.BindException on port {port}"))
}

async fn finish(process: &Process, server: &Arc<Server>) {
    tokio::spawn(writer::write_rows(Arc::clone(server)));
    server.set_status(Status::Running);
    let log = &process.log;
    log.info(
        FINALIZER,
        &format!("Server           :  {}", server.conf.full_name()),
    );
    log.info(
        FINALIZER,
        &format!("WSO2 Carbon started in {} sec", process.begun.elapsed().as_secs()),
    );
    tokio::time::sleep(process.options.startup_delay / 4).await;
    let port = server.conf.https_port.wrapping_add(server.conf.offset);
    log.info(
        CONSOLE,
        &format!("Mgt Console URL  : https://localhost:{port}/carbon/"),
    );
}
