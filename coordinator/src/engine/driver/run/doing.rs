//! Carrying steps out: commands to agents, work of our own.

use super::*;

impl Driver {
    pub(super) fn begin(&mut self, step: &PlanStep, direction: Direction, attempt: u32, again: bool) {
        let token = self.parts.stop.child_token();
        let deadline = Instant::now() + Duration::from_secs(deadline_secs(step, direction));
        let entry = InFlight {
            attempt,
            deadline,
            cancelled: false,
            away_since: None,
            token: token.clone(),
        };
        self.in_flight.insert((step.id.clone(), direction), entry);
        match &step.action {
            StepAction::Node(action) => {
                if let Place::Node(node) = &step.place {
                    self.send_command(&node.clone(), step, &action.clone(), direction, attempt);
                }
            }
            StepAction::Database(_) | StepAction::Finalize => {
                self.begin_work(step, direction, attempt, again, token)
            }
        }
    }

    pub(super) fn begin_work(
        &self,
        step: &PlanStep,
        direction: Direction,
        attempt: u32,
        again: bool,
        cancel: CancellationToken,
    ) {
        let job = Job {
            run: self.id,
            plan: self.plan.clone(),
            step: step.clone(),
            direction,
            attempt,
            again: again || attempt > 1 || direction == Direction::Undo,
            cancel,
            updates: self.updates.clone(),
            receipts: self.receipts(),
            resolved: self
                .state
                .steps
                .get(&step.id)
                .map(|progress| progress.resolved.clone())
                .unwrap_or_default(),
        };
        let worker = self.parts.worker.clone();
        let sender = self.sender.clone();
        let step = step.id.clone();
        self.parts.tasks.spawn(async move {
            let kind = job.step.action.kind();
            let outcome = Box::pin(worker.carry_out(job)).await;
            crash_point(direction, "after-effect", kind);
            // The receiver is gone only when the coordinator stops; the try is then taken up at its next start.
            sender
                .send(Message::WorkDone(WorkDone {
                    step,
                    direction,
                    attempt,
                    outcome,
                }))
                .await
                .ok();
        });
    }

    /// What earlier steps left as evidence: later ones are bound to it.
    pub(super) fn receipts(&self) -> BTreeMap<StepId, Receipt> {
        self.state
            .steps
            .iter()
            .filter_map(|(id, progress)| {
                let StepState::Succeeded(receipt) = &progress.state else {
                    return None;
                };
                Some((id.clone(), receipt.clone()))
            })
            .collect()
    }

    pub(super) fn send_command(
        &mut self,
        node: &NodeName,
        step: &PlanStep,
        action: &NodeAction,
        direction: Direction,
        attempt: u32,
    ) {
        let mut values = BTreeMap::new();
        for reference in action.secrets() {
            match secrets::resolve(reference) {
                Ok(value) => values.insert(reference.0.clone(), value.expose_secret().to_owned()),
                Err(error) => {
                    self.fail_later(step, direction, attempt, &secret_error(&error));
                    return;
                }
            };
        }
        let command = Command {
            id: CommandId {
                run: self.id,
                step: step.id.clone(),
                attempt,
                direction,
            },
            plan_hash: self.plan.hash(),
            epoch: self.parts.epoch,
            deadline_secs: deadline_secs(step, direction),
            action: action.clone(),
            secrets: values,
            reason: format!("{}: {}", self.plan.name, step.title),
        };
        let sent = self
            .parts
            .fleet
            .send(node, pb::coordinator_message::Kind::Command((&command).into()));
        if !sent {
            tracing::info!(run.id = %self.id, node.id = %node, step.id = %step.id, "node is away, command waits");
        }
    }

    /// Ends a try that could not begin; through the channel, as every other result comes.
    pub(super) fn fail_later(&self, step: &PlanStep, direction: Direction, attempt: u32, error: &StepError) {
        let done = WorkDone {
            step: step.id.clone(),
            direction,
            attempt,
            outcome: Err(error.clone()),
        };
        let sender = self.sender.clone();
        self.parts.tasks.spawn(async move {
            sender.send(Message::WorkDone(done)).await.ok();
        });
    }

    pub(super) fn resend_all(&mut self) {
        for node in self.plan.hosts() {
            self.resend(&node);
        }
    }

    /// Sends everything under way on a node again: its ledger answers what it knows and begins what it does not.
    pub(super) fn resend(&mut self, node: &NodeName) {
        let keys: Vec<(Key, u32, bool)> = self
            .in_flight
            .iter()
            .map(|(key, entry)| (key.clone(), entry.attempt, entry.cancelled))
            .collect();
        for ((id, direction), attempt, cancelled) in keys {
            let Some(step) = self.plan.step(&id).cloned() else {
                continue;
            };
            let (Place::Node(place), StepAction::Node(action)) = (&step.place, &step.action) else {
                continue;
            };
            if place != node {
                continue;
            }
            self.send_command(node, &step, action, direction, attempt);
            if cancelled {
                self.send_cancel(node, &id, direction, attempt);
            }
        }
    }
}

fn deadline_secs(step: &PlanStep, direction: Direction) -> u64 {
    match direction {
        Direction::Do => step.deadline_secs.max(1),
        Direction::Undo => step.deadline_secs.max(UNDO_DEADLINE_SECS),
    }
}

fn secret_error(error: &secrets::SecretError) -> StepError {
    let source = std::error::Error::source(error)
        .map(|s| format!(" ({s})"))
        .unwrap_or_default();
    StepError::new(
        ErrorCode::SecretUnavailable,
        "a secret that this step needs can't be read",
        format!("{error}{source}"),
        "make it readable for the coordinator, then retry",
    )
}
