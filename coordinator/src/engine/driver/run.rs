//! One run's task.

mod doing;
mod results;
mod time;

use std::collections::BTreeMap;
use std::time::Duration;

use cutover_proto::audit::AuditEntry;
use cutover_proto::convert::Command;
use cutover_proto::crash;
use cutover_proto::ids::{CommandId, Direction, NodeName, RunId, Sha256Hex, StepId};
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
use crate::planner::{config, essentials};
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
                if let Some((step, direction, _)) = event.begins() {
                    crash_point(direction, "before-intent", self.kind(step));
                }
            }
            self.append(events.clone()).await?;
            for event in events {
                let Some((step, direction, attempt)) = event.begins() else {
                    continue;
                };
                crash_point(direction, "after-intent", self.kind(step));
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
        crash::point("after-order", order.kind.word());
        if order.kind == ControlKind::Abort {
            self.cancel_all();
        }
        self.advance().await?;
        reply.send(Ok(self.view.borrow().clone())).ok();
        Ok(())
    }
}

/// Where a test can make the coordinator die; undoing has places of its own.
fn crash_point(direction: Direction, place: &str, kind: &str) {
    match direction {
        Direction::Do => crash::point(place, kind),
        Direction::Undo => crash::point(&format!("undo-{place}"), kind),
    }
}
