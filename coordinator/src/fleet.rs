//! The agents that are connected: one session each, found by node.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cutover_proto::ids::{CommandId, NodeName, RunId};
use cutover_proto::pb;
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

/// The connected agents.
#[derive(Debug, Clone)]
pub struct Fleet {
    sessions: Arc<Mutex<BTreeMap<NodeName, Session>>>,
    inquiries: Arc<Mutex<BTreeMap<RunId, oneshot::Sender<StepOutcome>>>>,
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
    pub fn send(&self, node: &NodeName, kind: pb::coordinator_message::Kind) -> bool {
        let sender = self.with(|sessions| sessions.get(node).map(|session| session.sender.clone()));
        sender.is_some_and(|sender| {
            sender
                .try_send(Ok(pb::CoordinatorMessage { kind: Some(kind) }))
                .is_ok()
        })
    }

    /// Opens an inquiry: a command outside of any run, whose answer goes to the receiver.
    #[must_use]
    pub fn inquire(&self, id: RunId) -> oneshot::Receiver<StepOutcome> {
        let (sender, receiver) = oneshot::channel();
        let mut inquiries = self.inquiries.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody waits for any more go with the next one.
        inquiries.retain(|_, waiting| !waiting.is_closed());
        inquiries.insert(id, sender);
        receiver
    }

    /// Whether a report answers an inquiry; whoever waits for it gets it.
    #[must_use]
    pub fn answered(&self, id: RunId, outcome: &StepOutcome) -> bool {
        let waiting = self
            .inquiries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
        waiting
            .map(|waiting| waiting.send(outcome.clone()).ok())
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
}
