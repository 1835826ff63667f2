//! A coordinator that does what the test says, over plain HTTP/2 on loopback.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cutover_agent::session::{Dial, DialFailed};
use cutover_proto::convert::Command;
use cutover_proto::ids::CommandId;
use cutover_proto::pb::agent_gateway_server::{AgentGateway, AgentGatewayServer};
use cutover_proto::pb::{self, agent_message, coordinator_message};
use cutover_proto::report::StepOutcome;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

/// Longest wait of a test for anything; a command's own limits are shorter.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

type Outbound = Result<pb::CoordinatorMessage, Status>;

/// One stream of the agent.
pub(crate) struct Session {
    pub(crate) hello: pb::Hello,
    epoch: u64,
    inbound: Streaming<pb::AgentMessage>,
    outbound: mpsc::Sender<Outbound>,
}

#[derive(Clone)]
struct Gateway {
    sessions: mpsc::Sender<Session>,
    blobs: Arc<Mutex<Blobs>>,
}

#[derive(Default)]
pub(crate) struct Blobs {
    pub(crate) content: BTreeMap<String, Vec<u8>>,
    /// Bytes after which the next stream breaks.
    pub(crate) break_after: Option<usize>,
    /// The offsets asked for.
    pub(crate) offsets: Vec<u64>,
}

pub(crate) struct Coordinator {
    address: SocketAddr,
    sessions: mpsc::Receiver<Session>,
    pub(crate) blobs: Arc<Mutex<Blobs>>,
}

impl Coordinator {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, sessions) = mpsc::channel(16);
        let blobs = Arc::<Mutex<Blobs>>::default();
        let gateway = Gateway {
            sessions: sender,
            blobs: Arc::clone(&blobs),
        };
        tokio::spawn(
            Server::builder()
                .add_service(AgentGatewayServer::new(gateway))
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        Self {
            address,
            sessions,
            blobs,
        }
    }

    pub(crate) fn dial(&self) -> Arc<dyn Dial> {
        Arc::new(Plain(self.address))
    }

    /// The agent's next stream, not welcomed yet.
    pub(crate) async fn greeted(&mut self) -> Session {
        tokio::time::timeout(PATIENCE, self.sessions.recv())
            .await
            .expect("no session in time")
            .unwrap()
    }

    /// The agent's next stream, welcomed.
    pub(crate) async fn session(&mut self, epoch: u64) -> Session {
        let mut session = self.greeted().await;
        session.epoch = epoch;
        session.welcome(epoch).await;
        session
    }
}

impl Session {
    pub(crate) async fn welcome(&self, epoch: u64) {
        // Silence ends a stream, and a test answers only while it waits for a message.
        self.welcome_with(epoch, 60).await;
    }

    pub(crate) async fn welcome_with(&self, epoch: u64, heartbeat_secs: u32) {
        let welcome = pb::Welcome {
            protocol: 1,
            epoch,
            heartbeat_secs,
        };
        self.send(coordinator_message::Kind::Welcome(welcome)).await;
    }

    /// Waits for a heartbeat and leaves it to the test to answer it.
    pub(crate) async fn heartbeat(&mut self) -> Option<u64> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.inbound.message());
            let message = message.await.expect("nothing in time").ok()??;
            if let Some(agent_message::Kind::Heartbeat(pb::Heartbeat { counter })) = message.kind {
                return Some(counter);
            }
        }
    }

    /// Answers a heartbeat; whether the agent was still there.
    pub(crate) async fn answer(&self, counter: u64, epoch: u64) -> bool {
        self.offer(coordinator_message::Kind::Heartbeat(pb::HeartbeatReply {
            counter,
            epoch,
        }))
        .await
    }

    pub(crate) async fn send(&self, kind: coordinator_message::Kind) {
        assert!(self.offer(kind).await, "the agent left");
    }

    /// Sends to an agent that may be leaving; whether it was still there.
    pub(crate) async fn offer(&self, kind: coordinator_message::Kind) -> bool {
        let message = pb::CoordinatorMessage { kind: Some(kind) };
        self.outbound.send(Ok(message)).await.is_ok()
    }

    pub(crate) async fn command(&self, command: &Command) {
        self.send(coordinator_message::Kind::Command(command.into()))
            .await;
    }

    pub(crate) async fn acknowledge(&self, id: &CommandId) {
        let command = Some(id.into());
        self.send(coordinator_message::Kind::Acknowledge(pb::Acknowledge {
            command,
        }))
        .await;
    }

    pub(crate) async fn cancel(&self, id: &CommandId) {
        let command = Some(id.into());
        self.send(coordinator_message::Kind::Cancel(pb::Cancel { command }))
            .await;
    }

    /// The agent's next message that `pick` takes; heartbeats are answered.
    pub(crate) async fn next<T>(&mut self, pick: impl Fn(agent_message::Kind) -> Option<T>) -> Option<T> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let message = tokio::time::timeout_at(deadline, self.inbound.message())
                .await
                .expect("nothing in time");
            let kind = message.ok()??.kind.unwrap();
            if let agent_message::Kind::Heartbeat(pb::Heartbeat { counter }) = kind {
                self.answer(counter, self.epoch).await;
                continue;
            }
            if let Some(picked) = pick(kind) {
                return Some(picked);
            }
        }
    }

    pub(crate) async fn report(&mut self) -> (CommandId, StepOutcome) {
        let report = self.next(|kind| match kind {
            agent_message::Kind::Report(report) => Some(report),
            _ => None,
        });
        report.await.expect("the agent left").read().unwrap()
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&mut self, command: &Command) -> StepOutcome {
        self.command(command).await;
        loop {
            let (id, outcome) = self.report().await;
            self.acknowledge(&id).await;
            if id == command.id {
                return outcome;
            }
        }
    }
}

struct Plain(SocketAddr);

impl Dial for Plain {
    fn dial(&self) -> BoxFuture<'_, Result<Channel, DialFailed>> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.0)).unwrap();
        async move {
            endpoint
                .connect()
                .await
                .map_err(|error| DialFailed(Box::new(error)))
        }
        .boxed()
    }
}

#[tonic::async_trait]
impl AgentGateway for Gateway {
    type SessionStream = ReceiverStream<Outbound>;
    type FetchBlobStream = ReceiverStream<Result<pb::FetchBlobResponse, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<pb::AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let mut inbound = request.into_inner();
        let (outbound, stream) = mpsc::channel(64);
        let sessions = self.sessions.clone();
        tokio::spawn(async move {
            let Some(Ok(first)) = inbound.next().await else {
                return;
            };
            let Some(agent_message::Kind::Hello(hello)) = first.kind else {
                panic!("no hello")
            };
            sessions
                .send(Session {
                    hello,
                    epoch: 0,
                    inbound,
                    outbound,
                })
                .await
                .ok();
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn fetch_blob(
        &self,
        request: Request<pb::FetchBlobRequest>,
    ) -> Result<Response<Self::FetchBlobStream>, Status> {
        let request = request.into_inner();
        let (content, break_after) = {
            let mut blobs = self.blobs.lock().unwrap();
            blobs.offsets.push(request.offset);
            let content = blobs.content.get(&request.sha256).cloned();
            (
                content.ok_or_else(|| Status::not_found("no such blob"))?,
                blobs.break_after.take(),
            )
        };
        let (sender, stream) = mpsc::channel(4);
        tokio::spawn(async move {
            let from = usize::try_from(request.offset).unwrap();
            let mut sent = 0;
            for chunk in content[from..].chunks(1000) {
                if break_after.is_some_and(|limit| sent >= limit) {
                    sender.send(Err(Status::unavailable("cut"))).await.ok();
                    return;
                }
                sent += chunk.len();
                let total = content.len() as u64;
                sender
                    .send(Ok(pb::FetchBlobResponse {
                        data: chunk.to_vec(),
                        total,
                    }))
                    .await
                    .ok();
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn renew_certificate(
        &self,
        _request: Request<pb::RenewCertificateRequest>,
    ) -> Result<Response<pb::RenewCertificateResponse>, Status> {
        Err(Status::unimplemented("not in this test"))
    }
}
