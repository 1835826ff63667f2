//! One stream, from hello to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cutover_proto::convert::{Command, WireError, document};
use cutover_proto::ids::CommandId;
use cutover_proto::pb::{self, agent_message, coordinator_message};
use cutover_proto::report::StepError;
use cutover_proto::{PROTOCOL_MAX, PROTOCOL_MIN};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;
use tracing::{info, warn};

use crate::agent::Agent;
use crate::facts;
use crate::runner;

/// How long the coordinator may take to welcome us.
const WELCOME: Duration = Duration::from_secs(20);
/// Progress is told this often.
const PROGRESS: Duration = Duration::from_millis(500);
/// Heartbeats without any answer after which the stream counts as dead.
const SILENT_BEATS: u32 = 3;
/// A fact sheet or a receipt with facts can be large.
const MESSAGE_MAX: usize = 64 << 20;

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The coordinator or the network ended it.
    #[error("the coordinator ended the stream")]
    Rpc(#[source] Box<tonic::Status>),
    /// A message is not what the contract says.
    #[error("the coordinator sent something that is not understood")]
    Wire(#[from] WireError),
    /// It did not welcome us in time.
    #[error("the coordinator did not welcome the agent within {WELCOME:?}")]
    NoWelcome,
    /// It speaks another protocol.
    #[error(
        "the coordinator speaks protocol {0}, this agent {PROTOCOL_MIN} to {PROTOCOL_MAX}; upgrade the older of the two"
    )]
    Protocol(u32),
    /// It has been replaced by another.
    #[error("the coordinator is not the current one: {}", .0.why)]
    Stale(StepError),
    /// Nothing came for too long.
    #[error("nothing was heard from the coordinator for {0:?}")]
    Silent(Duration),
    /// The stream takes no more messages.
    #[error("the stream was closed")]
    Closed,
}

impl From<tonic::Status> for SessionError {
    fn from(status: tonic::Status) -> Self {
        SessionError::Rpc(Box::new(status))
    }
}

/// Serves one stream until it ends.
pub(super) async fn serve(agent: &Arc<Agent>, channel: Channel) -> Result<(), SessionError> {
    let (sender, receiver) = mpsc::channel(64);
    let hello = hello(agent).await;
    sender
        .send(message(agent_message::Kind::Hello(hello)))
        .await
        .map_err(|_| SessionError::Closed)?;
    let mut client = pb::agent_gateway_client::AgentGatewayClient::new(channel)
        .max_encoding_message_size(MESSAGE_MAX)
        .max_decoding_message_size(MESSAGE_MAX);
    let opened = client.session(ReceiverStream::new(receiver));
    let greeting = async {
        let mut inbound = opened.await?.into_inner();
        let first = inbound.message().await?;
        Ok::<_, SessionError>((inbound, first))
    };
    let (inbound, first) = tokio::time::timeout(WELCOME, greeting)
        .await
        .map_err(|_| SessionError::NoWelcome)??;
    let welcome = welcome(agent, first)?;
    info!(
        epoch = welcome.epoch,
        protocol = welcome.protocol,
        "connected to the coordinator"
    );
    let beat = Duration::from_secs(u64::from(welcome.heartbeat_secs.max(1)));
    Session::new(Arc::clone(agent), sender).serve(inbound, beat).await
}

async fn hello(agent: &Arc<Agent>) -> pb::Hello {
    let shared = Arc::clone(agent);
    let facts = tokio::task::spawn_blocking(move || facts::node((&*shared).into(), &[])).await;
    pb::Hello {
        node: agent.config.node.to_string(),
        protocol_min: PROTOCOL_MIN,
        protocol_max: PROTOCOL_MAX,
        session: uuid::Uuid::new_v4().to_string(),
        last_epoch: agent.ledger.epoch(),
        facts: facts.ok().map(|facts| document("node-facts/1", &facts)),
    }
}

fn welcome(agent: &Agent, first: Option<pb::CoordinatorMessage>) -> Result<pb::Welcome, SessionError> {
    let kind = first
        .and_then(|message| message.kind)
        .ok_or(WireError::Missing("welcome"))?;
    let coordinator_message::Kind::Welcome(welcome) = kind else {
        return Err(WireError::Missing("welcome").into());
    };
    if !(PROTOCOL_MIN..=PROTOCOL_MAX).contains(&welcome.protocol) {
        return Err(SessionError::Protocol(welcome.protocol));
    }
    agent
        .ledger
        .see_epoch(welcome.epoch)
        .map_err(SessionError::Stale)?;
    Ok(welcome)
}

fn message(kind: agent_message::Kind) -> pb::AgentMessage {
    pb::AgentMessage { kind: Some(kind) }
}

struct Session {
    agent: Arc<Agent>,
    sender: mpsc::Sender<pb::AgentMessage>,
    /// Results sent on this stream and not acknowledged yet.
    sent: BTreeSet<CommandId>,
    /// Progress last told.
    told: BTreeMap<CommandId, [u64; 4]>,
    beats: u64,
    heard: Instant,
}

impl Session {
    fn new(agent: Arc<Agent>, sender: mpsc::Sender<pb::AgentMessage>) -> Self {
        Self {
            agent,
            sender,
            sent: BTreeSet::new(),
            told: BTreeMap::new(),
            beats: 0,
            heard: Instant::now(),
        }
    }

    async fn serve(
        mut self,
        mut inbound: Streaming<pb::CoordinatorMessage>,
        beat: Duration,
    ) -> Result<(), SessionError> {
        let mut changed = self.agent.outbox.watch();
        let (mut beats, mut progress) = (ticker(beat), ticker(PROGRESS));
        self.flush().await?;
        loop {
            tokio::select! {
                received = inbound.message() => match received? {
                    Some(received) => self.receive(received)?,
                    None => return Ok(()),
                },
                _ = changed.changed() => self.flush().await?,
                _ = beats.tick() => {
                    if self.heard.elapsed() > beat * SILENT_BEATS {
                        return Err(SessionError::Silent(self.heard.elapsed()));
                    }
                    self.beats += 1;
                    let counter = self.beats;
                    self.send(agent_message::Kind::Heartbeat(pb::Heartbeat { counter })).await?;
                }
                _ = progress.tick() => self.tell_progress().await?,
            }
        }
    }

    async fn send(&self, kind: agent_message::Kind) -> Result<(), SessionError> {
        self.sender
            .send(message(kind))
            .await
            .map_err(|_| SessionError::Closed)
    }

    fn receive(&mut self, received: pb::CoordinatorMessage) -> Result<(), SessionError> {
        self.heard = Instant::now();
        match received.kind.ok_or(WireError::Missing("kind"))? {
            // One more welcome changes nothing, unless its epoch is old.
            coordinator_message::Kind::Welcome(welcome) => self.see_epoch(welcome.epoch),
            coordinator_message::Kind::Heartbeat(reply) => self.see_epoch(reply.epoch),
            coordinator_message::Kind::Command(command) => {
                match Command::try_from(command) {
                    Ok(command) => runner::accept(&self.agent, command),
                    Err(error) => warn!(error = %error, "command not understood"),
                }
                Ok(())
            }
            coordinator_message::Kind::Acknowledge(acknowledge) => {
                let id = named(acknowledge.command.as_ref())?;
                if let Err(error) = self.agent.ledger.acknowledge(&id) {
                    warn!(command = %id, why = %error.why, "acknowledgement not in the ledger");
                }
                self.sent.remove(&id);
                Ok(())
            }
            coordinator_message::Kind::Cancel(cancel) => {
                let id = named(cancel.command.as_ref())?;
                info!(command = %id, "command cancelled");
                self.agent.running.cancel(&id);
                Ok(())
            }
        }
    }

    fn see_epoch(&self, epoch: u64) -> Result<(), SessionError> {
        self.agent.ledger.see_epoch(epoch).map_err(SessionError::Stale)
    }

    /// Sends what waits: answers, results not yet sent on this stream, broken holds.
    async fn flush(&mut self) -> Result<(), SessionError> {
        for (id, outcome) in self.agent.outbox.take_answers() {
            self.send(agent_message::Kind::Report(pb::Report::of(&id, &outcome)))
                .await?;
        }
        for (id, outcome) in self.agent.ledger.unacknowledged() {
            if self.sent.insert(id.clone()) {
                self.send(agent_message::Kind::Report(pb::Report::of(&id, &outcome)))
                    .await?;
            }
        }
        for broken in self.agent.outbox.take_broken() {
            let told = pb::HoldBroken {
                home: broken.home.to_string_lossy().into_owned(),
                pid: broken.pid,
                command: broken.command,
            };
            self.send(agent_message::Kind::HoldBroken(told)).await?;
        }
        Ok(())
    }

    async fn tell_progress(&mut self) -> Result<(), SessionError> {
        let now: BTreeMap<CommandId, [u64; 4]> = self.agent.running.progress().into_iter().collect();
        for (id, numbers) in &now {
            if *numbers == [0; 4] || self.told.get(id) == Some(numbers) {
                continue;
            }
            let [done_bytes, total_bytes, done_items, total_items] = *numbers;
            let progress = pb::Progress {
                command: Some(id.into()),
                done_bytes,
                total_bytes,
                done_items,
                total_items,
            };
            self.send(agent_message::Kind::Progress(progress)).await?;
        }
        self.told = now;
        Ok(())
    }
}

fn named(id: Option<&pb::CommandId>) -> Result<CommandId, WireError> {
    id.ok_or(WireError::Missing("command"))?.try_into()
}

fn ticker(period: Duration) -> Interval {
    let mut ticker = interval(period);
    ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticker
}
