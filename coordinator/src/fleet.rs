//! The agents that are connected: one session each, found by node.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cutover_proto::ids::{CommandId, NodeName, RunId};
use cutover_proto::pb::{self, coordinator_message::Kind};
use cutover_proto::report::StepOutcome;
use tokio::sync::{broadcast, mpsc, oneshot};

/// What the engine hears of the fleet.
#[derive(Debug, Clone)]
pub enum FleetEvent {
    /// An agent's session is open: whatever it should be doing is sent to it now.
    Connected(NodeName),
    /// How far a command is.
    Progress(CommandId, pb::Progress),
}

/// A report on its way to the run it belongs to. The agent keeps it until `stored` is answered.
#[derive(Debug)]
pub struct Report {
    /// Which try.
    pub id: CommandId,
    /// Who says so.
    pub node: NodeName,
    /// How it ended.
    pub outcome: StepOutcome,
    /// Answered when the result is durable.
    pub stored: oneshot::Sender<()>,
}

/// Channel to one session.
pub type SessionSender = mpsc::Sender<Result<pb::CoordinatorMessage, tonic::Status>>;

#[derive(Debug)]
struct Session {
    id: String,
    sender: SessionSender,
}

/// A command outside of any run that was not answered yet.
#[derive(Debug)]
struct Inquiry {
    node: NodeName,
    command: Kind,
    answer: oneshot::Sender<StepOutcome>,
}

/// The connected agents.
#[derive(Debug, Clone)]
pub struct Fleet {
    sessions: Arc<Mutex<BTreeMap<NodeName, Session>>>,
    inquiries: Arc<Mutex<BTreeMap<RunId, Inquiry>>>,
    events: broadcast::Sender<FleetEvent>,
}

impl Default for Fleet {
    fn default() -> Self {
        Self {
            sessions: Arc::default(),
            inquiries: Arc::default(),
            events: broadcast::channel(1024).0,
        }
    }
}

impl Fleet {
    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<NodeName, Session>) -> T) -> T {
        act(&mut self.sessions.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens a node's session; an older one of the same node is replaced and ends.
    pub fn open(&self, node: &NodeName, id: &str, sender: SessionSender) {
        self.with(|sessions| {
            sessions.insert(
                node.clone(),
                Session {
                    id: id.to_owned(),
                    sender,
                },
            )
        });
        self.tell(FleetEvent::Connected(node.clone()));
        // What the stream before it may have lost. An agent knows a command that it has got already by its id.
        let open: Vec<Kind> = self
            .inquiries()
            .values()
            .filter(|inquiry| inquiry.node == *node && !inquiry.answer.is_closed())
            .map(|inquiry| inquiry.command.clone())
            .collect();
        for command in open {
            if !self.send(node, command) {
                tracing::warn!(node.id = %node, "the node left again before it could be asked");
            }
        }
    }

    /// Ends a session, unless a newer one took its place.
    pub fn close(&self, node: &NodeName, id: &str) {
        self.with(|sessions| {
            if sessions.get(node).is_some_and(|session| session.id == id) {
                sessions.remove(node);
            }
        });
    }

    /// Ends whatever session a node has (its certificate was revoked).
    pub fn drop_node(&self, node: &NodeName) {
        self.with(|sessions| sessions.remove(node));
    }

    /// Whether this session is the node's current one.
    #[must_use]
    pub fn is_current(&self, node: &NodeName, id: &str) -> bool {
        self.with(|sessions| sessions.get(node).is_some_and(|session| session.id == id))
    }

    /// Whether a node's agent is connected.
    #[must_use]
    pub fn connected(&self, node: &NodeName) -> bool {
        self.with(|sessions| sessions.contains_key(node))
    }

    /// How many are connected.
    #[must_use]
    pub fn count(&self) -> usize {
        self.with(|sessions| sessions.len())
    }

    /// Sends to a node; `false` when it is not connected or does not take messages. What is not sent now is sent
    /// when it connects again.
    #[must_use]
    pub fn send(&self, node: &NodeName, kind: Kind) -> bool {
        let sender = self.with(|sessions| sessions.get(node).map(|session| session.sender.clone()));
        sender.is_some_and(|sender| {
            sender
                .try_send(Ok(pb::CoordinatorMessage { kind: Some(kind) }))
                .is_ok()
        })
    }

    /// Sends an inquiry: a command outside of any run, whose answer goes to the receiver. It is sent again when the node
    /// connects again. `None` when the node is not connected.
    #[must_use]
    pub fn inquire(
        &self,
        node: &NodeName,
        id: RunId,
        command: Kind,
    ) -> Option<oneshot::Receiver<StepOutcome>> {
        let (answer, receiver) = oneshot::channel();
        let inquiry = Inquiry {
            node: node.clone(),
            command: command.clone(),
            answer,
        };
        {
            let mut inquiries = self.inquiries();
            // Those that nobody waits for any more go with the next one.
            inquiries.retain(|_, waiting| !waiting.answer.is_closed());
            inquiries.insert(id, inquiry);
        }
        if self.send(node, command) {
            return Some(receiver);
        }
        self.inquiries().remove(&id);
        None
    }

    fn inquiries(&self) -> MutexGuard<'_, BTreeMap<RunId, Inquiry>> {
        self.inquiries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a report answers an inquiry; whoever waits for it gets it.
    #[must_use]
    pub fn answered(&self, id: RunId, outcome: &StepOutcome) -> bool {
        let waiting = self.inquiries().remove(&id);
        waiting
            .map(|waiting| waiting.answer.send(outcome.clone()).ok())
            .is_some()
    }

    /// Tells the engine.
    pub fn tell(&self, event: FleetEvent) {
        // Nobody listens when no run is open.
        self.events.send(event).ok();
    }

    /// Listens.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<FleetEvent> {
        self.events.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_when_replaced_then_the_old_one_can_not_close_the_new_one() {
        let fleet = Fleet::default();
        let node: NodeName = "n1".parse().unwrap();
        fleet.open(&node, "a", mpsc::channel(1).0);
        fleet.open(&node, "b", mpsc::channel(1).0);
        fleet.close(&node, "a");
        assert!(fleet.connected(&node));
        assert!(fleet.is_current(&node, "b"));
        fleet.close(&node, "b");
        assert!(!fleet.connected(&node));
    }

    #[test]
    fn inquiry_when_the_stream_is_lost_then_sent_again_until_it_is_answered() {
        let fleet = Fleet::default();
        let (node, other): (NodeName, NodeName) = ("n1".parse().unwrap(), "n2".parse().unwrap());
        let ask = || Kind::Heartbeat(pb::HeartbeatReply { counter: 7, epoch: 1 });
        let ids: Vec<RunId> = (0..3).map(|_| RunId::new(uuid::Uuid::now_v7())).collect();
        assert!(fleet.inquire(&node, ids[0], ask()).is_none(), "not connected");
        let (sender, mut first) = mpsc::channel(4);
        fleet.open(&node, "a", sender);
        assert!(first.try_recv().is_err(), "what was not sent is not open");
        let mut answer = fleet.inquire(&node, ids[1], ask()).unwrap();
        drop(fleet.inquire(&node, ids[2], ask()));
        let (sender, mut second) = mpsc::channel(4);
        fleet.open(&node, "b", sender);
        assert_eq!(second.try_recv().unwrap().unwrap().kind, Some(ask()));
        assert!(second.try_recv().is_err(), "nobody waits for the other one");
        let (sender, mut elsewhere) = mpsc::channel(4);
        fleet.open(&other, "c", sender);
        assert!(elsewhere.try_recv().is_err());
        let outcome: StepOutcome = Ok(cutover_proto::report::Receipt::new());
        assert!(fleet.answered(ids[1], &outcome));
        assert!(!fleet.answered(ids[1], &outcome));
        assert!(answer.try_recv().unwrap().is_ok());
        let (sender, mut third) = mpsc::channel(4);
        fleet.open(&node, "d", sender);
        assert!(third.try_recv().is_err());
    }
}
