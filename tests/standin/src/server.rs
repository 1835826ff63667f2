//! The running server: what `bin/wso2server.sh` starts in place of a JVM.

mod conf;
mod datasources;
mod db;
mod deployer;
mod http;
mod identity;
mod jdbc;
mod lifecycle;
mod log;
mod mounts;
mod options;
mod passwords;
mod pidfile;
mod rss;
mod schema;
mod services;
mod soap;
mod startup;
mod state;
mod vault;
mod writer;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

pub(crate) use identity::Identity;

/// The home named on a JVM's command line as `-Dcarbon.home=…`, if there is one.
pub fn home_argument(mut arguments: impl Iterator<Item = String>) -> Option<PathBuf> {
    arguments.find_map(|argument| argument.strip_prefix("-Dcarbon.home=").map(PathBuf::from))
}

/// Serves from `home` until it is told to stop; the value is the exit status a JVM would end with.
///
/// # Errors
/// When the process cannot even begin: no pid file, no log, no options.
pub fn run(home: &Path) -> Result<u8> {
    let options = options::Options::read(home)?;
    pidfile::write(home, options.pid_file_foreign.unwrap_or_else(std::process::id))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("start the runtime")?;
    let code = runtime.block_on(lifecycle::live(home, options))?;
    // Connections still open are cut, as when a JVM halts.
    runtime.shutdown_background();
    Ok(code)
}

/// The class of the JDBC driver for a URL, when it is one the stand-in can follow to a real server.
pub(crate) fn jdbc_driver_class(url: &str) -> Option<&'static str> {
    jdbc::Target::parse(url).ok()?.driver_class()
}
