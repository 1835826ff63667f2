//! The inventory as it is now: what agents reported when they connected may be hours old.

use std::time::Duration;

use cutover_proto::audit::AuditEntry;
use cutover_proto::convert::Command;
use cutover_proto::ids::{CommandId, Direction, NodeName, RunId, Sha256Hex};
use cutover_proto::pb::coordinator_message::Kind;
use cutover_proto::step::NodeAction;

use crate::app::App;
use crate::planner::adhoc::known_id;
use crate::rpc::status::RpcError;

const PATIENCE: Duration = Duration::from_secs(20);

impl App {
    /// Has these nodes look at their homes again. One that is away or does not answer keeps what it reported last;
    /// a plan checks every node again before it changes anything.
    pub(super) async fn refresh_inventory(&self, nodes: &[NodeName], operator: &str) -> Result<(), RpcError> {
        let connected: Vec<&NodeName> = nodes.iter().filter(|node| self.fleet.connected(node)).collect();
        let mut answers = Vec::new();
        for node in &connected {
            let id = RunId::new(uuid::Uuid::now_v7());
            let command = Kind::Command((&self.look(id, node)).into());
            answers.extend(self.fleet.inquire(node, id, command));
        }
        if answers.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = connected.iter().map(|node| node.as_str()).collect();
        let entry = AuditEntry {
            actor: format!("operator:{operator}"),
            action: "inventory.refreshed".into(),
            arguments: [("nodes".to_owned(), names.join(", "))].into(),
            ..AuditEntry::default()
        };
        self.store.audit(vec![entry]).await?;
        if tokio::time::timeout(PATIENCE, futures::future::join_all(answers))
            .await
            .is_err()
        {
            tracing::warn!("a node did not look at its homes in time; its last report is used");
        }
        Ok(())
    }

    fn look(&self, run: RunId, node: &NodeName) -> Command {
        let action = NodeAction::Inspect { homes: Vec::new() };
        Command {
            id: CommandId {
                run,
                step: known_id(&format!("inventory.inspect@{node}")),
                attempt: 1,
                direction: Direction::Do,
            },
            plan_hash: Sha256Hex::of(b"inventory"),
            epoch: self.epoch,
            deadline_secs: PATIENCE.as_secs(),
            action,
            secrets: std::collections::BTreeMap::new(),
            reason: "inventory".to_owned(),
        }
    }
}
