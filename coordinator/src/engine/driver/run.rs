//! One run's task.

use std::collections::BTreeMap;
use std::time::Duration;

use cutover_proto::audit::AuditEntry;
use cutover_proto::convert::Command;
use cutover_proto::crash;
use cutover_proto::ids::{CommandId, Direction, NodeName, RunId, StepId};
use cutover_proto::pb;
use cutover_proto::plan::{Place, Plan, PlanStep, StepAction};
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};
use cutover_proto::step::NodeAction;
use cutover_proto::view::{RunStateView, RunView};
use secrecy::ExposeSecret;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::control::{self, Control, ControlError, ControlKind};
use super::{Message, Parts, StepProgress, Update, audit};
use crate::engine::event::{Event, EventRecord};
use crate::engine::fold::{RunState, StepState};
use crate::engine::next::outlook;
use crate::engine::view;
use crate::fleet::{FleetEvent, Report};
use crate::planner::essentials;
use crate::secrets;
use crate::store::StoreError;
use crate::work::Job;

/// A cancelled command gets this long to say how it ended.
const CANCEL_GRACE: Duration = Duration::from_secs(60);
/// Taking a stop back starts a server and waits until it is ready, which may take longer than the stop was given.
const UNDO_DEADLINE_SECS: u64 = 1200;
const STORE_PAUSE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(500);

/// A piece of coordinator work that ended.
pub(crate) struct WorkDone {
    pub(super) step: StepId,
    pub(super) direction: Direction,
    pub(super) attempt: u32,
    pub(super) outcome: StepOutcome,
}

/// A try that is under way.
struct InFlight {
    attempt: u32,
    deadline: Instant,
    cancelled: bool,
    away_since: Option<Instant>,
    token: CancellationToken,
}

type Key = (StepId, Direction);

pub(super) struct Driver {
    parts: Parts,
    id: RunId,
    plan: Plan,
    state: RunState,
    sender: mpsc::Sender<Message>,
    receiver: mpsc::Receiver<Message>,
    view: watch::Sender<RunView>,
    updates: broadcast::Sender<Update>,
    in_flight: BTreeMap<Key, InFlight>,
}

impl Driver {
    #[expect(
        clippy::too_many_arguments,
        reason = "made in one place, of what the engine just made"
    )]
    pub(super) fn new(
        parts: Parts,
        id: RunId,
        plan: Plan,
        state: RunState,
        sender: mpsc::Sender<Message>,
        receiver: mpsc::Receiver<Message>,
        view: watch::Sender<RunView>,
        updates: broadcast::Sender<Update>,
    ) -> Self {
        Self {
            parts,
            id,
            plan,
            state,
            sender,
            receiver,
            view,
            updates,
            in_flight: BTreeMap::new(),
        }
    }

    /// Until the run ends or the coordinator stops.
    pub(super) async fn run(mut self) {
        let stop = self.parts.stop.clone();
        if let Err(error) = self.drive(&stop).await {
            // Without its store the coordinator can't prove anything; the run goes on at the next start.
            tracing::error!(run.id = %self.id, error = &error as &dyn std::error::Error, "run stopped");
        }
        for entry in self.in_flight.values() {
            entry.token.cancel();
        }
    }

    async fn drive(&mut self, stop: &CancellationToken) -> Result<(), StoreError> {
        let mut fleet = self.parts.fleet.listen();
        let mut tick = tokio::time::interval(TICK);
        self.take_up();
        if self.state.aborting {
            // The order to abort is durable; what it cancelled must not go on because we were killed.
            self.cancel_all();
        }
        self.advance().await?;
        while self.state.end.is_none() {
            tokio::select! {
                // First of all: work that ends because we stop has not failed, it is taken up at the next start.
                biased;
                () = stop.cancelled() => return Ok(()),
                message = self.receiver.recv() => match message {
                    Some(Message::Control(order, reply)) => self.control(order, reply).await?,
                    Some(Message::Report(report)) => self.report(report).await?,
                    Some(Message::WorkDone(done)) => {
                        self.ended(&done.step, done.direction, done.attempt, done.outcome).await?;
                    }
                    None => return Ok(()),
                },
                event = fleet.recv() => match event {
                    Ok(FleetEvent::Connected(node)) => self.resend(&node),
                    Ok(FleetEvent::Progress(id, progress)) => self.node_progress(&id, &progress),
                    // Missed progress does no harm; a missed connection is made good by sending everything again.
                    Err(broadcast::error::RecvError::Lagged(_)) => self.resend_all(),
                    Err(broadcast::error::RecvError::Closed) => return Ok(()),
                },
                _ = tick.tick() => self.check_deadlines().await?,
            }
            self.advance().await?;
        }
        // Reports that are on their way still want their acknowledgement.
        while let Ok(message) = self.receiver.try_recv() {
            if let Message::Report(report) = message {
                report.stored.send(()).ok();
            }
        }
        Ok(())
    }

    /// After a restart: what was under way goes on under the same try, so that no effect happens twice.
    fn take_up(&mut self) {
        let under_way: Vec<(PlanStep, Direction, u32)> = self
            .plan
            .steps()
            .filter_map(|step| {
                let progress = self.state.steps.get(&step.id)?;
                match progress.state {
                    StepState::Running => Some((step.clone(), Direction::Do, progress.attempts)),
                    StepState::Undoing => Some((step.clone(), Direction::Undo, progress.undo_attempts)),
                    StepState::Pending
                    | StepState::Succeeded(_)
                    | StepState::Failed(_)
                    | StepState::Skipped
                    | StepState::UndoPending
                    | StepState::Undone
                    | StepState::Stuck(_)
                    | StepState::GivenUp(_) => None,
                }
            })
            .collect();
        for (step, direction, attempt) in under_way {
            tracing::info!(run.id = %self.id, step.id = %step.id, attempt, "step taken up again");
            self.begin(&step, direction, attempt, true);
        }
    }

    /// Appends what follows from the state, and carries it out, until nothing follows.
    async fn advance(&mut self) -> Result<(), StoreError> {
        loop {
            let events = outlook(&self.plan, &self.state).events;
            if events.is_empty() {
                return Ok(());
            }
            for event in &events {
                if let Some((step, ..)) = event.begins() {
                    crash::point("before-intent", self.kind(step));
                }
            }
            self.append(events.clone()).await?;
            for event in events {
                let Some((step, direction, attempt)) = event.begins() else {
                    continue;
                };
                crash::point("after-intent", self.kind(step));
                if let Some(step) = self.plan.step(step).cloned() {
                    self.begin(&step, direction, attempt, false);
                }
            }
        }
    }

    fn kind(&self, step: &StepId) -> &'static str {
        self.plan.step(step).map_or("", |step| step.action.kind())
    }

    async fn append(&mut self, events: Vec<Event>) -> Result<(), StoreError> {
        let entries: Vec<AuditEntry> = events
            .iter()
            .map(|event| audit::entry(self.id, &self.plan, event, self.millis_of(event)))
            .collect();
        let records = self.store_events(&events, &entries).await?;
        let before = self.view.borrow().clone();
        for record in &records {
            if let Err(error) = self.state.apply(&self.plan, record) {
                // `outlook` and `control` only make legal events; this would be a defect, and going on would hide it.
                tracing::error!(run.id = %self.id, error = &error as &dyn std::error::Error, "illegal event appended");
            }
        }
        self.publish(&before, &records);
        Ok(())
    }

    /// Stores events, however long that takes: a full disk or a busy file must not end the run, and nothing is done
    /// before it is stored.
    async fn store_events(
        &self,
        events: &[Event],
        entries: &[AuditEntry],
    ) -> Result<Vec<EventRecord>, StoreError> {
        let version = self.state.version;
        loop {
            let stored = self
                .parts
                .store
                .append(self.id, version, events.to_vec(), entries.to_vec())
                .await;
            let error = match stored {
                Err(error @ StoreError::Sql { .. }) => error,
                // A commit whose answer was lost may have been made all the same.
                Err(error @ StoreError::VersionMoved { .. }) => match self.stored_before(events).await? {
                    Some(records) => return Ok(records),
                    None => return Err(error),
                },
                other => return other,
            };
            tracing::error!(
                run.id = %self.id, error = &error as &dyn std::error::Error,
                "event not stored, trying again; make room for the coordinator's data_dir"
            );
            tokio::select! {
                () = self.parts.stop.cancelled() => return Err(error),
                () = tokio::time::sleep(STORE_PAUSE) => {}
            }
        }
    }

    async fn stored_before(&self, events: &[Event]) -> Result<Option<Vec<EventRecord>>, StoreError> {
        let log = self.parts.store.events(self.id).await?;
        let newer: Vec<EventRecord> = log
            .into_iter()
            .filter(|record| record.seq > self.state.version)
            .collect();
        let same = newer.len() == events.len()
            && newer
                .iter()
                .zip(events)
                .all(|(record, event)| &record.event == event);
        Ok(same.then_some(newer))
    }

    fn millis_of(&self, event: &Event) -> Option<u64> {
        let step = event.step().filter(|_| event.is_result())?;
        let started = self.state.steps.get(step)?.started?;
        u64::try_from(self.parts.clock.now().as_millisecond() - started.as_millisecond()).ok()
    }

    fn publish(&self, before: &RunView, records: &[EventRecord]) {
        let now = view::run_view(self.id, &self.plan, &self.state, self.parts.clock.now());
        for record in records {
            let Some(step) = record.event.step() else { continue };
            if let Some(step) = self.plan.step(step) {
                let view = view::step_view(&self.plan, step, &self.state);
                self.updates.send(Update::Step(Box::new(view))).ok();
            }
        }
        let changed = before.state != now.state || before.waiting != now.waiting;
        self.view.send_replace(now.clone());
        if changed {
            if now.state == RunStateView::Held || now.state == RunStateView::Stuck {
                let reason = now.waiting.as_ref().map(|w| w.reason.clone()).unwrap_or_default();
                tracing::warn!(run.id = %self.id, reason, "run is held");
            }
            self.updates.send(Update::Run(Box::new(now))).ok();
        }
    }

    async fn control(
        &mut self,
        order: Control,
        reply: oneshot::Sender<Result<RunView, ControlError>>,
    ) -> Result<(), StoreError> {
        let events = match control::events(&self.plan, &self.state, &order) {
            Ok(events) => events,
            Err(refusal) => {
                reply.send(Err(refusal)).ok();
                return Ok(());
            }
        };
        self.append(events).await?;
        if order.kind == ControlKind::Abort {
            self.cancel_all();
        }
        self.advance().await?;
        reply.send(Ok(self.view.borrow().clone())).ok();
        Ok(())
    }

    // === doing ===

    fn begin(&mut self, step: &PlanStep, direction: Direction, attempt: u32, again: bool) {
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

    fn begin_work(
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
        };
        let worker = self.parts.worker.clone();
        let sender = self.sender.clone();
        let step = step.id.clone();
        self.parts.tasks.spawn(async move {
            let kind = job.step.action.kind();
            let outcome = Box::pin(worker.carry_out(job)).await;
            crash::point("after-effect", kind);
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
    fn receipts(&self) -> BTreeMap<StepId, Receipt> {
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

    fn send_command(
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
    fn fail_later(&self, step: &PlanStep, direction: Direction, attempt: u32, error: &StepError) {
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

    fn resend_all(&mut self) {
        for node in self.plan.nodes.clone() {
            self.resend(&node);
        }
    }

    /// Sends everything under way on a node again: its ledger answers what it knows and begins what it does not.
    fn resend(&mut self, node: &NodeName) {
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

    // === results ===

    async fn report(&mut self, report: Report) -> Result<(), StoreError> {
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
    fn judged(&self, step: &StepId, node: &NodeName, outcome: StepOutcome) -> StepOutcome {
        let receipt = outcome?;
        let (Some(step), Some(planned)) = (self.plan.step(step), self.plan.inventory.get(node)) else {
            return Ok(receipt);
        };
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

    async fn ended(
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

    fn node_progress(&self, id: &CommandId, progress: &pb::Progress) {
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

    // === time ===

    fn cancel_all(&mut self) {
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

    fn cancel(&mut self, key: &Key) {
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

    fn send_cancel(&self, node: &NodeName, step: &StepId, direction: Direction, attempt: u32) {
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

    async fn check_deadlines(&mut self) -> Result<(), StoreError> {
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
