//! Agents' sessions, blobs and certificate renewals.

use std::sync::Arc;
use std::time::Duration;

use cutover_proto::convert::from_document;
use cutover_proto::facts::NodeFacts;
use cutover_proto::ids::{CommandId, NodeName, Sha256Hex};
use cutover_proto::pb::agent_gateway_server::AgentGateway;
use cutover_proto::pb::{self, agent_message::Kind, coordinator_message};
use cutover_proto::{PROTOCOL_MAX, PROTOCOL_MIN, audit::AuditEntry};
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::io::AsyncReadExt;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::enrol::NODE_CERTIFICATE_LIFE;
use super::node_of;
use super::status::RpcError;
use crate::app::App;
use crate::fleet::{FleetEvent, Report};
use crate::store::NodeChange;

const FETCH_CHUNK: usize = 256 * 1024;

/// The service.
#[derive(Debug, Clone)]
pub struct AgentService(pub Arc<App>);

#[tonic::async_trait]
impl AgentGateway for AgentService {
    type SessionStream = ReceiverStream<Result<pb::CoordinatorMessage, Status>>;
    type FetchBlobStream = BoxStream<'static, Result<pb::FetchBlobResponse, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<pb::AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let (node, serial) = node_of(request.extensions())?;
        self.admit(&node, &serial).await?;
        let mut incoming = request.into_inner();
        let first = tokio::time::timeout(Duration::from_secs(10), incoming.message())
            .await
            .map_err(|_| Status::deadline_exceeded("no hello came within 10 s"))??;
        let Some(Kind::Hello(hello)) = first.and_then(|message| message.kind) else {
            return Err(Status::invalid_argument("the first message must be hello"));
        };
        let protocol = agree(&hello)?;
        if hello.last_epoch > self.0.epoch {
            tracing::error!(
                node.id = %node, seen = hello.last_epoch, epoch = self.0.epoch,
                "the agent has obeyed a newer coordinator; if this one was restored from a backup and no other runs, \
                 start it with --epoch-above"
            );
        }
        if hello.node != node.as_str() {
            let text = format!("the certificate is of node {node}, hello says {}", hello.node);
            return Err(Status::permission_denied(text));
        }
        let (sender, receiver) = mpsc::channel(512);
        let welcome = pb::Welcome {
            protocol,
            epoch: self.0.epoch,
            heartbeat_secs: self.0.config.heartbeat_secs,
        };
        let welcome = pb::CoordinatorMessage {
            kind: Some(coordinator_message::Kind::Welcome(welcome)),
        };
        sender
            .try_send(Ok(welcome))
            .map_err(|_| Status::internal("a new channel is full"))?;
        self.note_facts(&node, hello.facts.as_ref()).await?;
        tracing::info!(node.id = %node, session = hello.session, "agent connected");
        let session = Session {
            app: self.0.clone(),
            node,
            id: hello.session,
        };
        self.0.fleet.open(&session.node, &session.id, sender.clone());
        self.0.tasks.spawn(session.serve(incoming, sender));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn fetch_blob(
        &self,
        request: Request<pb::FetchBlobRequest>,
    ) -> Result<Response<Self::FetchBlobStream>, Status> {
        let (node, serial) = node_of(request.extensions())?;
        self.admit(&node, &serial).await?;
        let request = request.into_inner();
        let hash: Sha256Hex = request
            .sha256
            .parse()
            .map_err(|e: cutover_proto::ids::InvalidId| RpcError::Invalid(e.to_string()))?;
        let (file, total) = self
            .0
            .blobs
            .read_from(&hash, request.offset)
            .await
            .map_err(RpcError::from)?;
        let chunks = futures::stream::try_unfold(file, move |mut file| async move {
            let mut data = vec![0; FETCH_CHUNK];
            let read = file
                .read(&mut data)
                .await
                .map_err(|e| Status::unavailable(e.to_string()))?;
            data.truncate(read);
            Ok((read > 0).then_some((pb::FetchBlobResponse { data, total }, file)))
        });
        Ok(Response::new(chunks.boxed()))
    }

    async fn renew_certificate(
        &self,
        request: Request<pb::RenewCertificateRequest>,
    ) -> Result<Response<pb::RenewCertificateResponse>, Status> {
        let (node, serial) = node_of(request.extensions())?;
        self.admit(&node, &serial).await?;
        let cert = self
            .0
            .ca
            .sign_node_csr(
                &request.get_ref().csr_pem,
                node.as_str(),
                self.0.clock.now().into(),
                NODE_CERTIFICATE_LIFE,
            )
            .map_err(|e| RpcError::Invalid(format!("the certificate request is refused: {e}")))?;
        let audit = node_audit(&node, "node.certificate-renewed", &cert.serial_hex);
        let change = NodeChange::Renewed {
            from: serial,
            to: cert.serial_hex,
        };
        // Revoked in the meantime: the signed certificate is thrown away and never admitted.
        if !self
            .0
            .store
            .change_node(&node, change, audit)
            .await
            .map_err(RpcError::from)?
        {
            return Err(Status::permission_denied(format!("node {node} is revoked")));
        }
        let ca_pem = self.0.ca.cert_pem().to_owned();
        Ok(Response::new(pb::RenewCertificateResponse {
            certificate_pem: cert.cert_pem,
            ca_pem,
        }))
    }
}

fn node_audit(node: &NodeName, action: &str, serial: &str) -> AuditEntry {
    AuditEntry {
        actor: format!("node:{node}"),
        action: action.to_owned(),
        node: Some(node.to_string()),
        evidence: [("serial".to_owned(), serial.to_owned())].into(),
        ..AuditEntry::default()
    }
}

fn agree(hello: &pb::Hello) -> Result<u32, Status> {
    let newest = hello.protocol_max.min(PROTOCOL_MAX);
    if newest < hello.protocol_min.max(PROTOCOL_MIN) {
        return Err(Status::failed_precondition(format!(
            "the agent speaks protocol {} to {}, the coordinator {PROTOCOL_MIN} to {PROTOCOL_MAX}: upgrade the older one",
            hello.protocol_min, hello.protocol_max
        )));
    }
    Ok(newest)
}

impl AgentService {
    /// A node that is enrolled and not revoked, with the certificate that it has now.
    async fn admit(&self, node: &NodeName, serial: &str) -> Result<(), Status> {
        let nodes = self.0.store.nodes().await.map_err(RpcError::from)?;
        let Some(row) = nodes.into_iter().find(|row| &row.name == node) else {
            return Err(Status::permission_denied(format!(
                "node {node} is not enrolled here"
            )));
        };
        if !row.admits(serial) {
            tracing::warn!(node.id = %node, serial, "certificate refused: revoked or replaced");
            return Err(Status::permission_denied(format!(
                "this certificate of node {node} is revoked or was replaced; enrol the node again with a new token"
            )));
        }
        if row.serial == serial && row.replaced_serial.is_some() {
            let audit = node_audit(node, "node.certificate-confirmed", serial);
            self.0
                .store
                .change_node(node, NodeChange::Confirmed, audit)
                .await
                .map_err(RpcError::from)?;
        }
        Ok(())
    }

    async fn note_facts(&self, node: &NodeName, facts: Option<&pb::Document>) -> Result<(), Status> {
        let facts: Option<NodeFacts> = facts
            .map(|document| from_document("node-facts/1", document))
            .transpose()
            .map_err(|e| RpcError::Invalid(format!("the inventory is not readable: {e}")))?;
        self.0
            .store
            .node_seen(node, self.0.clock.now(), facts.as_ref())
            .await
            .map_err(RpcError::from)?;
        Ok(())
    }
}

/// One agent's stream, until it ends.
struct Session {
    app: Arc<App>,
    node: NodeName,
    id: String,
}

impl Session {
    async fn serve(
        self,
        mut incoming: Streaming<pb::AgentMessage>,
        sender: mpsc::Sender<Result<pb::CoordinatorMessage, Status>>,
    ) {
        // An agent that says nothing for three heartbeats is as good as gone, whatever TCP thinks.
        let patience = Duration::from_secs(u64::from(self.app.config.heartbeat_secs) * 3);
        loop {
            let message = tokio::select! {
                () = self.app.stop.cancelled() => break,
                () = sender.closed() => break,
                message = tokio::time::timeout(patience, incoming.message()) => message,
            };
            let kind = match message {
                Ok(Ok(Some(message))) => message.kind,
                Ok(Ok(None) | Err(_)) => break,
                Err(_) => {
                    tracing::warn!(node.id = %self.node, "agent is silent, session ended");
                    break;
                }
            };
            if !self.app.fleet.is_current(&self.node, &self.id) {
                break;
            }
            if let Some(kind) = kind
                && let Err(error) = self.take(kind, &sender).await
            {
                tracing::warn!(node.id = %self.node, error, "message refused");
            }
        }
        self.app.fleet.close(&self.node, &self.id);
        tracing::info!(node.id = %self.node, "agent disconnected");
    }

    async fn take(
        &self,
        kind: Kind,
        sender: &mpsc::Sender<Result<pb::CoordinatorMessage, Status>>,
    ) -> Result<(), String> {
        match kind {
            Kind::Hello(_) => Err("hello came twice".into()),
            Kind::Heartbeat(heartbeat) => {
                let reply = pb::HeartbeatReply {
                    counter: heartbeat.counter,
                    epoch: self.app.epoch,
                };
                // Before it is noted: a disk that is slow for seconds must not look like a coordinator that is gone.
                self.answer(sender, coordinator_message::Kind::Heartbeat(reply))
                    .await?;
                self.app
                    .store
                    .node_seen(&self.node, self.app.clock.now(), None)
                    .await
                    .map_err(|error| error.to_string())
            }
            Kind::Progress(progress) => {
                let id = progress.command.as_ref().ok_or("progress of no command")?;
                let id = CommandId::try_from(id).map_err(|error| error.to_string())?;
                self.app.fleet.tell(FleetEvent::Progress(id, progress));
                Ok(())
            }
            Kind::Report(report) => self.report(report, sender).await,
            Kind::HoldBroken(broken) => self.hold_broken(broken).await,
        }
    }

    async fn report(
        &self,
        report: pb::Report,
        sender: &mpsc::Sender<Result<pb::CoordinatorMessage, Status>>,
    ) -> Result<(), String> {
        let (id, outcome) = report.read().map_err(|error| error.to_string())?;
        if let Some(facts) = outcome.as_ref().ok().and_then(|receipt| receipt.facts.as_deref()) {
            let now = self.app.clock.now();
            self.app
                .store
                .node_seen(&self.node, now, Some(facts))
                .await
                .map_err(|error| error.to_string())?;
        }
        let command = pb::CommandId::from(&id);
        if self.app.fleet.answered(id.run, &outcome) {
            let acknowledge = pb::Acknowledge {
                command: Some(command),
            };
            return self
                .answer(sender, coordinator_message::Kind::Acknowledge(acknowledge))
                .await;
        }
        let (stored, durable) = oneshot::channel();
        self.app
            .engine
            .report(Report {
                id,
                node: self.node.clone(),
                outcome,
                stored,
            })
            .await;
        // Not acknowledged when the run could not store it: the agent tells it again at its next session.
        if durable.await.is_ok() {
            let acknowledge = pb::Acknowledge {
                command: Some(command),
            };
            return self
                .answer(sender, coordinator_message::Kind::Acknowledge(acknowledge))
                .await;
        }
        Ok(())
    }

    async fn hold_broken(&self, broken: pb::HoldBroken) -> Result<(), String> {
        tracing::warn!(node.id = %self.node, home = broken.home, pid = broken.pid, "a held server came back and was stopped");
        let entry = AuditEntry {
            actor: format!("node:{}", self.node),
            action: "hold.broken".into(),
            node: Some(self.node.to_string()),
            arguments: [
                ("home".to_owned(), broken.home),
                ("pid".to_owned(), broken.pid.to_string()),
                ("command".to_owned(), broken.command),
            ]
            .into(),
            result: Some("stopped again".into()),
            ..AuditEntry::default()
        };
        self.app
            .store
            .audit(vec![entry])
            .await
            .map_err(|error| error.to_string())
    }

    async fn answer(
        &self,
        sender: &mpsc::Sender<Result<pb::CoordinatorMessage, Status>>,
        kind: coordinator_message::Kind,
    ) -> Result<(), String> {
        let message = pb::CoordinatorMessage { kind: Some(kind) };
        sender
            .send(Ok(message))
            .await
            .map_err(|_| "the session has ended".into())
    }
}
