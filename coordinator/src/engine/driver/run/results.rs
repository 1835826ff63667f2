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
        crash_point(id.direction, "before-result", self.kind(&id.step));
        let outcome = self.judged(&id.step, &node, outcome);
        self.ended(&id.step, id.direction, id.attempt, outcome).await?;
        crash_point(id.direction, "after-result", self.kind(&id.step));
        stored.send(()).ok();
        Ok(())
    }

    /// A look at a node that finds something else than the plan was made from is a failure.
    pub(super) fn judged(&self, step: &StepId, node: &NodeName, outcome: StepOutcome) -> StepOutcome {
        judge(&self.plan, step, node, outcome?)
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

fn judge(plan: &Plan, step: &StepId, node: &NodeName, receipt: Receipt) -> StepOutcome {
    let Some(PlanStep {
        action: StepAction::Node(action),
        ..
    }) = plan.step(step)
    else {
        return Ok(receipt);
    };
    let what = if let NodeAction::CompareConfig { .. } = action {
        let now = receipt.config.as_ref().map(|found| config::prints(found));
        match (plan.configs.get(node), now) {
            (None, _) => None,
            (Some(_), None) => Some("its agent sent no comparison of the configuration".to_owned()),
            (Some(planned), Some(now)) => config::differences(planned, &now),
        }
    } else if let NodeAction::Inspect { homes } = action {
        let same = |planned: &Sha256Hex| {
            receipt
                .facts
                .as_ref()
                .is_none_or(|facts| essentials(facts, homes) == *planned)
        };
        plan.inventory
            .get(node)
            .filter(|planned| !same(planned))
            .map(|_| {
                format!(
                    "product, version, data sources, tenants or key stores of {} have changed",
                    homes.join(" or ")
                )
            })
    } else {
        None
    };
    let Some(what) = what else {
        return Ok(receipt);
    };
    Err(StepError::new(
        ErrorCode::NotEqual,
        format!("node {node} is not as it was when the plan was made"),
        what,
        "abort, look at `cutover config report`, and plan again",
    ))
}

#[cfg(test)]
mod tests {
    use cutover_proto::config::{ConfigComparison, FileComparison, FileState};
    use cutover_proto::plan::Reversal;

    use super::*;

    fn comparison(state: FileState) -> ConfigComparison {
        let file = FileComparison {
            file: "repository/conf/carbon.xml".into(),
            sha256: Sha256Hex::of(b"x"),
            state,
            changes: Vec::new(),
        };
        ConfigComparison {
            files: vec![file],
            ..ConfigComparison::default()
        }
    }

    #[test]
    fn configuration_when_another_than_planned_then_the_step_fails_and_names_the_file() {
        let node: NodeName = "n1".parse().unwrap();
        let mut plan = crate::engine::testing::plan();
        let planned = comparison(FileState::Edited);
        plan.configs = [(node.clone(), config::prints(&planned))].into();
        let id: StepId = "preflight.compare-config@n1".parse().unwrap();
        plan.phases[0].steps.push(PlanStep {
            id: id.clone(),
            title: String::new(),
            place: Place::Node(node.clone()),
            action: StepAction::Node(NodeAction::CompareConfig {
                old: "/opt/old".into(),
                old_stock: None,
                new: "/opt/new".into(),
                new_stock: None,
            }),
            reversal: Reversal::Nothing,
            undo: String::new(),
            skippable: false,
            deadline_secs: 1,
            after: Vec::new(),
            sentences: Vec::new(),
        });
        let told = |config: Option<ConfigComparison>| {
            let receipt = Receipt {
                config: config.map(Box::new),
                ..Receipt::new()
            };
            judge(&plan, &id, &node, receipt)
        };
        assert!(told(Some(planned)).is_ok());
        let error = told(Some(comparison(FileState::Opaque))).unwrap_err();
        assert_eq!(error.code, ErrorCode::NotEqual);
        assert!(
            error.why.contains("repository/conf/carbon.xml is another one"),
            "{error:?}"
        );
        assert!(told(None).unwrap_err().why.contains("sent no comparison"));
    }
}
