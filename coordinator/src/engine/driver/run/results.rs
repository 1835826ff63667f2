//! What comes back.

use super::*;

impl Driver {
    pub(super) async fn report(&mut self, report: Report) -> Result<(), StoreError> {
        let Report {
            id,
            node,
            outcome,
            stored,
        } = report;
        let planned = self.plan.step(&id.step);
        if planned.is_none_or(|step| step.place != Place::Node(node.clone())) {
            tracing::warn!(run.id = %self.id, node.id = %node, step.id = %id.step, "report of a step that is not the node's");
            stored.send(()).ok();
            return Ok(());
        }
        crash::point("before-result", self.kind(&id.step));
        let outcome = self.judged(&id.step, &node, outcome);
        self.ended(&id.step, id.direction, id.attempt, outcome).await?;
        crash::point("after-result", self.kind(&id.step));
        stored.send(()).ok();
        Ok(())
    }

    /// A look at a node that finds something else than the plan was made from is a failure.
    pub(super) fn judged(&self, step: &StepId, node: &NodeName, outcome: StepOutcome) -> StepOutcome {
        let receipt = outcome?;
        let (Some(step), Some(planned)) = (self.plan.step(step), self.plan.inventory.get(node)) else {
            return Ok(receipt);
        };
        if let (Some(config), Some(planned)) = (&receipt.config, self.plan.configs.get(node)) {
            return match config::differences(planned, &config::prints(config)) {
                Some(what) => Err(changed_configuration(node, &what)),
                None => Ok(receipt),
            };
        }
        let (StepAction::Node(NodeAction::Inspect { homes }), Some(facts)) = (&step.action, &receipt.facts)
        else {
            return Ok(receipt);
        };
        if &essentials(facts, homes) == planned {
            return Ok(receipt);
        }
        Err(StepError::new(
            ErrorCode::NotEqual,
            format!("node {node} is not as it was when the plan was made"),
            format!(
                "product, version, data sources or tenants of {} have changed",
                homes.join(" or ")
            ),
            "abort, and plan again",
        ))
    }

    pub(super) async fn ended(
        &mut self,
        step: &StepId,
        direction: Direction,
        attempt: u32,
        outcome: StepOutcome,
    ) -> Result<(), StoreError> {
        let event = Event::ended(direction, step.clone(), attempt, outcome);
        let probe = EventRecord {
            seq: self.state.version + 1,
            at: self.parts.clock.now(),
            event: event.clone(),
        };
        // A report told twice, or of a try that was given up, changes nothing.
        if self.state.clone().apply(&self.plan, &probe).is_err() {
            return Ok(());
        }
        if let Some(entry) = self.in_flight.remove(&(step.clone(), direction)) {
            entry.token.cancel();
        }
        self.append(vec![event]).await
    }

    pub(super) fn node_progress(&self, id: &CommandId, progress: &pb::Progress) {
        if id.run != self.id {
            return;
        }
        self.updates
            .send(Update::Progress(StepProgress {
                step: id.step.clone(),
                detail: String::new(),
                bytes: (progress.done_bytes, progress.total_bytes),
                items: (progress.done_items, progress.total_items),
            }))
            .ok();
    }
}

fn changed_configuration(node: &NodeName, what: &str) -> StepError {
    StepError::new(
        ErrorCode::NotEqual,
        format!("the configuration of node {node} is not what the plan was made from"),
        what.to_owned(),
        "abort, look at `cutover config report`, and plan again",
    )
}
