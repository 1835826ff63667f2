//! The stream to the coordinator: dial, hello, heartbeats, commands in, reports out, and dial again.
//!
//! A lost connection never stops an action. Results stay in the ledger and are sent again on every new stream
//! until the coordinator acknowledges them.

mod backoff;
mod stream;

use std::sync::Arc;
use std::time::Instant;

use futures::future::BoxFuture;
use tonic::transport::Channel;
use tracing::{info, warn};

use crate::agent::Agent;
use crate::fault;
use backoff::Backoff;

pub use stream::SessionError;

/// Makes a channel to the coordinator.
pub trait Dial: Send + Sync {
    /// One attempt.
    fn dial(&self) -> BoxFuture<'_, Result<Channel, DialFailed>>;
}

/// The coordinator was not reached.
#[derive(Debug, thiserror::Error)]
#[error("cannot reach the coordinator")]
pub struct DialFailed(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Keeps a stream to the coordinator until the agent ends.
pub async fn run(agent: Arc<Agent>, dial: Arc<dyn Dial>) {
    let mut backoff = Backoff::default();
    while !agent.shutdown.is_cancelled() {
        let began = Instant::now();
        tokio::select! {
            () = agent.shutdown.cancelled() => return,
            () = once(&agent, &*dial) => {}
        }
        let wait = backoff.next(began.elapsed());
        tokio::select! {
            () = agent.shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn once(agent: &Arc<Agent>, dial: &dyn Dial) {
    let channel = match dial.dial().await {
        Ok(channel) => channel,
        Err(error) => {
            warn!(error = %fault::chain(&error), "coordinator not reached");
            return;
        }
    };
    agent.channel.send_replace(Some(channel.clone()));
    match Box::pin(stream::serve(agent, channel)).await {
        Ok(()) => info!("stream to the coordinator ended"),
        Err(error) => warn!(error = %fault::chain(&error), "stream to the coordinator lost"),
    }
    agent.channel.send_replace(None);
}
