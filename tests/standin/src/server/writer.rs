//! Rows written while the server serves, each with a marker of its own.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::Result;

use super::log::Level;
use super::state::Server;

const INSERT: &str = "INSERT INTO REG_LOG (REG_PATH, REG_USER_ID, REG_LOGGED_TIME, REG_ACTION, REG_ACTION_DATA, \
                      REG_TENANT_ID) VALUES (?, 'wso2.system.user', CURRENT_TIMESTAMP, 1, ?, -1234)";

/// Writes until the task is ended. A marker is noted in `standin-writes.log` once its row is committed, so a test
/// can ask for every row the server was told is safe.
pub(super) async fn write_rows(server: Arc<Server>) {
    if server.options.write_interval.is_zero() {
        return;
    }
    let started = jiff::Timestamp::now().as_millisecond();
    let origin = format!("{}-{}-{started}", server.conf.key, std::process::id());
    let mut ticks = tokio::time::interval(server.options.write_interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for count in 0_u64.. {
        ticks.tick().await;
        let marker = format!("/_system/local/standin/{origin}-{count}");
        if let Err(error) = write_one(&server, &marker).await {
            server.log.line(
                Level::Error,
                "org.wso2.carbon.registry.core.jdbc.EmbeddedRegistry",
                &format!("Failed to add the log record {marker}: {error}"),
            );
        }
    }
}

async fn write_one(server: &Server, marker: &str) -> Result<()> {
    server
        .registry
        .execute(INSERT, &[marker.into(), marker.into()])
        .await?;
    let file = server.home.join("repository/logs/standin-writes.log");
    let mut file = std::fs::File::options().create(true).append(true).open(file)?;
    file.write_all(format!("{marker}\n").as_bytes())?;
    Ok(())
}
