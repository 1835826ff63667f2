//! Folders, certificates and signals.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cutover_channel::ServerTls;
use cutover_trust::COORDINATOR_LIFE;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::App;

/// Makes a folder that only its owner can enter.
///
/// # Errors
/// When it can't be made.
pub fn private_folder(path: &Path) -> anyhow::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("failed to create {}", path.display()))
}

/// Takes the lock on a data folder. It ends with the process, however that ends.
///
/// # Errors
/// When another coordinator has it.
pub fn lock(data_dir: &Path) -> anyhow::Result<std::fs::File> {
    let path = data_dir.join("lock");
    let file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("failed to open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => anyhow::bail!(
            "another coordinator works in {}: stop it first, or give this one a data_dir of its own",
            data_dir.display()
        ),
        Err(std::fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("failed to lock {}", path.display()))
        }
    }
}

/// TLS settings with a fresh certificate.
///
/// # Errors
/// When it can't be issued.
pub fn server_config(app: &App) -> anyhow::Result<rustls::ServerConfig> {
    let host = app
        .config
        .advertise
        .rsplit_once(':')
        .map_or(app.config.advertise.as_str(), |(host, _)| host);
    let issued = app
        .ca
        .issue_coordinator(&[host.to_owned()], app.clock.now().into())?;
    Ok(cutover_channel::server_config(
        app.ca.cert_pem(),
        &issued.identity(),
    )?)
}

/// Renews the coordinator's certificate long before it runs out.
pub async fn rotate_certificate(app: Arc<App>, tls: ServerTls) {
    let mut tick = tokio::time::interval(COORDINATOR_LIFE / 3);
    tick.tick().await;
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            _ = tick.tick() => match server_config(&app) {
                Ok(config) => tls.replace(config),
                Err(error) => tracing::error!(error = %error, "certificate not renewed; trying again later"),
            },
        }
    }
}

/// Stops the coordinator on SIGTERM or SIGINT; a second one ends the process at once, which does no harm: whatever
/// was under way is taken up at the next start.
pub async fn stop_on_signal(app: Arc<App>) {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals can't be caught; stop with SIGKILL if needed");
        return;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    tracing::info!("stopping");
    app.stop.cancel();
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
        () = tokio::time::sleep(Duration::from_secs(30)) => {}
    }
    tracing::warn!("stopped at once; open runs go on at the next start");
    #[expect(
        clippy::exit,
        reason = "a second signal, or half a minute of patience, ends the process"
    )]
    std::process::exit(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_folder_when_another_coordinator_works_in_it_then_refused() {
        let dir = tempfile::tempdir().unwrap();
        let first = lock(dir.path()).unwrap();
        assert!(
            lock(dir.path())
                .unwrap_err()
                .to_string()
                .contains("another coordinator")
        );
        drop(first);
        assert!(lock(dir.path()).is_ok());
    }
}
