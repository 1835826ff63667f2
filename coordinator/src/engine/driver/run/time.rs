//! Deadlines, nodes that are away, and cancelling.

use super::*;

impl Driver {
    pub(super) fn cancel_all(&mut self) {
        let keys: Vec<Key> = self
            .in_flight
            .keys()
            .filter(|(_, d)| *d == Direction::Do)
            .cloned()
            .collect();
        for key in keys {
            self.cancel(&key);
        }
    }

    pub(super) fn cancel(&mut self, key: &Key) {
        let Some(entry) = self.in_flight.get_mut(key) else {
            return;
        };
        entry.cancelled = true;
        entry.deadline = Instant::now() + CANCEL_GRACE;
        entry.token.cancel();
        let attempt = entry.attempt;
        if let Some(Place::Node(node)) = self.plan.step(&key.0).map(|step| step.place.clone()) {
            self.send_cancel(&node, &key.0, key.1, attempt);
        }
    }

    pub(super) fn send_cancel(&self, node: &NodeName, step: &StepId, direction: Direction, attempt: u32) {
        let id = CommandId {
            run: self.id,
            step: step.clone(),
            attempt,
            direction,
        };
        let cancel = pb::Cancel {
            command: Some((&id).into()),
        };
        if !self
            .parts
            .fleet
            .send(node, pb::coordinator_message::Kind::Cancel(cancel))
        {
            tracing::info!(run.id = %self.id, node.id = %node, "node is away, cancel waits");
        }
    }

    pub(super) async fn check_deadlines(&mut self) -> Result<(), StoreError> {
        let now = Instant::now();
        let mut over = Vec::new();
        for (key, entry) in &mut self.in_flight {
            let node = match self.plan.step(&key.0).map(|step| &step.place) {
                Some(Place::Node(node)) => Some(node),
                Some(Place::Database(_) | Place::Coordinator) | None => None,
            };
            let away = node.is_some_and(|node| !self.parts.fleet.connected(node));
            entry.away_since = if away {
                entry.away_since.or(Some(now))
            } else {
                None
            };
            let lost = entry
                .away_since
                .is_some_and(|since| now - since > self.parts.node_grace);
            if lost || now > entry.deadline {
                over.push((key.clone(), entry.attempt, lost, entry.cancelled, node.cloned()));
            }
        }
        for (key, attempt, lost, cancelled, node) in over {
            match node {
                Some(node) if lost => self.ended(&key.0, key.1, attempt, Err(away(&node))).await?,
                Some(node) if cancelled => self.ended(&key.0, key.1, attempt, Err(silent(&node))).await?,
                // Work of our own ends by itself once it is cancelled: it is never left running behind our back.
                Some(_) | None if !cancelled => self.cancel(&key),
                Some(_) | None => {}
            }
        }
        Ok(())
    }
}

fn away(node: &NodeName) -> StepError {
    StepError::new(
        ErrorCode::NodeUnreachable,
        format!("node {node} does not answer"),
        "its agent is not connected; what it was doing goes on there, and its ledger tells when it is back",
        format!("look at cutover-agent on {node}; the run goes on by itself when it reports, or retry"),
    )
}

fn silent(node: &NodeName) -> StepError {
    StepError::new(
        ErrorCode::NodeUnreachable,
        format!("node {node} did not finish in time and did not answer when cancelled"),
        "its agent is connected but says nothing of this step",
        format!("look at the log of cutover-agent on {node}, then retry"),
    )
}
