//! Log to state: which events are legal in which state, and what they make of it.

use std::collections::{BTreeMap, BTreeSet};

use cutover_proto::ids::{Sha256Hex, StepId};
use cutover_proto::plan::{Plan, Reversal, StatementOverride};
use cutover_proto::report::{ErrorCode, Receipt, StepError};
use jiff::Timestamp;

use super::event::{Event, EventRecord};

/// State of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepState {
    /// Not started, or to be tried again.
    Pending,
    /// At work.
    Running,
    /// Done.
    Succeeded(Receipt),
    /// Failed; it holds its phase.
    Failed(StepError),
    /// Left out by an operator.
    Skipped,
    /// To be taken back again after a failed undo.
    UndoPending,
    /// Being taken back.
    Undoing,
    /// Taken back.
    Undone,
    /// Its undo failed.
    Stuck(StepError),
    /// Its undo failed, and an operator gave it up.
    GivenUp(StepError),
}

/// What an operator decided about a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The script.
    pub script: String,
    /// The statement, and what is done about it.
    pub decision: StatementOverride,
    /// Who.
    pub operator: String,
}

/// A step with its tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepProgress {
    /// Its state.
    pub state: StepState,
    /// Tries of doing it.
    pub attempts: u32,
    /// Tries of undoing it.
    pub undo_attempts: u32,
    /// When the first try started: downtime is counted from there.
    pub first_started: Option<Timestamp>,
    /// When the last try started.
    pub started: Option<Timestamp>,
    /// When the last try ended.
    pub ended: Option<Timestamp>,
    /// What operators decided about statements of its scripts.
    pub resolved: Vec<Resolution>,
}

impl StepProgress {
    fn new() -> Self {
        Self {
            state: StepState::Pending,
            attempts: 0,
            undo_attempts: 0,
            first_started: None,
            started: None,
            ended: None,
            resolved: Vec::new(),
        }
    }

    /// Whether anything may have been done that an abort must take back.
    #[must_use]
    pub fn touched(&self) -> bool {
        self.attempts > 0
    }

    fn apply(&self, event: &Event) -> Option<StepState> {
        use StepState::{
            Failed, GivenUp, Pending, Running, Skipped, Stuck, Succeeded, UndoPending, Undoing, Undone,
        };
        match (&self.state, event) {
            (Pending, Event::StepStarted { attempt, .. }) if *attempt == self.attempts + 1 => Some(Running),
            (Running, Event::StepSucceeded { attempt, receipt, .. }) if *attempt == self.attempts => {
                Some(Succeeded(receipt.clone()))
            }
            (Running, Event::StepFailed { attempt, error, .. }) if *attempt == self.attempts => {
                Some(Failed(error.clone()))
            }
            // A node that was away comes back and tells how it ended after all.
            (Failed(error), Event::StepSucceeded { attempt, receipt, .. })
                if *attempt == self.attempts && error.code == ErrorCode::NodeUnreachable =>
            {
                Some(Succeeded(receipt.clone()))
            }
            (Failed(_), Event::StepRetried { .. }) => Some(Pending),
            (Failed(_) | Pending, Event::StepSkipped { .. }) => Some(Skipped),
            // It stays failed until it is tried again; what was decided counts from then on.
            (Failed(error), Event::StatementResolved { .. }) => Some(Failed(error.clone())),
            (
                Succeeded(_) | Failed(_) | Skipped | Pending | UndoPending,
                Event::UndoStarted { attempt, .. },
            ) if *attempt == self.undo_attempts + 1 => Some(Undoing),
            (Undoing, Event::UndoSucceeded { attempt, .. }) if *attempt == self.undo_attempts => Some(Undone),
            (Undoing, Event::UndoFailed { attempt, error, .. }) if *attempt == self.undo_attempts => {
                Some(Stuck(error.clone()))
            }
            (Stuck(error), Event::UndoSucceeded { attempt, .. })
                if *attempt == self.undo_attempts && error.code == ErrorCode::NodeUnreachable =>
            {
                Some(Undone)
            }
            (Stuck(_), Event::StepRetried { .. }) => Some(UndoPending),
            (Stuck(error), Event::StepSkipped { .. }) => Some(GivenUp(error.clone())),
            (
                Pending | Running | Succeeded(_) | Failed(_) | Skipped | UndoPending | Undoing | Undone
                | Stuck(_) | GivenUp(_),
                _,
            ) => None,
        }
    }
}

/// An event that can't happen in the state the run is in: the log is damaged, or the caller has a stale state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {event} is not possible now: {why}")]
pub struct IllegalTransition {
    /// The event.
    pub event: String,
    /// Why.
    pub why: String,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Every step is done.
    Done,
    /// Everything is taken back.
    Aborted,
}

/// State of a run: what the log says, folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunState {
    /// Number of the last event.
    pub version: u64,
    /// The plan.
    pub plan_hash: Option<Sha256Hex>,
    /// Who applied it.
    pub operator: String,
    /// When it started.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The steps.
    pub steps: BTreeMap<StepId, StepProgress>,
    /// Phases approved.
    pub approved: BTreeSet<String>,
    /// Whether it is paused.
    pub paused: bool,
    /// Whether it is being taken back.
    pub aborting: bool,
    /// Whether and how it ended.
    pub end: Option<End>,
    /// The point of no return is behind us.
    pub past_return: bool,
}

impl RunState {
    /// The state before the first event.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self {
            version: 0,
            plan_hash: None,
            operator: String::new(),
            started: None,
            ended: None,
            steps: plan
                .steps()
                .map(|step| (step.id.clone(), StepProgress::new()))
                .collect(),
            approved: BTreeSet::new(),
            paused: false,
            aborting: false,
            end: None,
            past_return: false,
        }
    }

    /// Folds a whole log.
    ///
    /// # Errors
    /// The first event that can't follow the ones before it.
    pub fn fold(plan: &Plan, log: &[EventRecord]) -> Result<Self, IllegalTransition> {
        let mut state = Self::new(plan);
        for record in log {
            state.apply(plan, record)?;
        }
        Ok(state)
    }

    /// State of a step; a step the plan does not have is pending for ever.
    #[must_use]
    pub fn step(&self, id: &StepId) -> &StepState {
        self.steps
            .get(id)
            .map_or(&StepState::Pending, |progress| &progress.state)
    }

    /// Takes one event in.
    ///
    /// # Errors
    /// [`IllegalTransition`]; the state is unchanged then.
    pub fn apply(&mut self, plan: &Plan, record: &EventRecord) -> Result<(), IllegalTransition> {
        let event = &record.event;
        if record.seq != self.version + 1 {
            return Err(illegal(
                event,
                format!("it has number {} after {}", record.seq, self.version),
            ));
        }
        if self.end.is_some() {
            return Err(illegal(event, "the run has ended"));
        }
        if self.version == 0 && !matches!(event, Event::RunStarted { .. }) {
            return Err(illegal(event, "the run has not started"));
        }
        match event {
            Event::RunStarted { plan_hash, operator } => {
                if self.version != 0 {
                    return Err(illegal(event, "the run has started already"));
                }
                self.plan_hash = Some(plan_hash.clone());
                self.operator.clone_from(operator);
                self.started = Some(record.at);
            }
            Event::PhaseApproved { phase, .. } => {
                self.approved.insert(phase.clone());
            }
            Event::Paused { .. } => self.paused = true,
            Event::Resumed { .. } => self.paused = false,
            Event::AbortRequested { .. } => {
                if self.past_return {
                    return Err(illegal(event, "the point of no return is behind us"));
                }
                self.aborting = true;
                self.paused = false;
            }
            Event::RunFinished => self.finish(End::Done, record.at),
            Event::RunAborted => self.finish(End::Aborted, record.at),
            Event::StepStarted { step, .. }
            | Event::StepSucceeded { step, .. }
            | Event::StepFailed { step, .. }
            | Event::StepRetried { step, .. }
            | Event::StepSkipped { step, .. }
            | Event::StatementResolved { step, .. }
            | Event::UndoStarted { step, .. }
            | Event::UndoSucceeded { step, .. }
            | Event::UndoFailed { step, .. } => self.apply_to_step(plan, step, record)?,
        }
        self.version = record.seq;
        Ok(())
    }

    fn finish(&mut self, end: End, at: Timestamp) {
        self.end = Some(end);
        self.ended = Some(at);
    }

    fn apply_to_step(
        &mut self,
        plan: &Plan,
        id: &StepId,
        record: &EventRecord,
    ) -> Result<(), IllegalTransition> {
        let event = &record.event;
        let (Some(progress), Some(step)) = (self.steps.get_mut(id), plan.step(id)) else {
            return Err(illegal(event, format!("the plan has no step {id}")));
        };
        let next = progress
            .apply(event)
            .ok_or_else(|| illegal(event, format!("step {id} is {:?}", name(&progress.state))))?;
        match event {
            Event::StepStarted { attempt, .. } => {
                progress.attempts = *attempt;
                progress.first_started = progress.first_started.or(Some(record.at));
                progress.started = Some(record.at);
                progress.ended = None;
                self.past_return |= step.reversal == Reversal::PointOfNoReturn;
            }
            Event::UndoStarted { attempt, .. } => {
                progress.undo_attempts = *attempt;
                progress.started = Some(record.at);
                progress.ended = None;
            }
            Event::StepSucceeded { .. }
            | Event::StepFailed { .. }
            | Event::StepSkipped { .. }
            | Event::UndoSucceeded { .. }
            | Event::UndoFailed { .. } => progress.ended = Some(record.at),
            Event::StatementResolved {
                script,
                decision,
                operator,
                ..
            } => {
                // The later decision about a statement takes the place of the earlier one.
                progress.resolved.retain(|known| {
                    &known.script != script || known.decision.statement != decision.statement
                });
                progress.resolved.push(Resolution {
                    script: script.clone(),
                    decision: decision.clone(),
                    operator: operator.clone(),
                });
            }
            Event::StepRetried { .. }
            | Event::RunStarted { .. }
            | Event::PhaseApproved { .. }
            | Event::Paused { .. }
            | Event::Resumed { .. }
            | Event::AbortRequested { .. }
            | Event::RunFinished
            | Event::RunAborted => {}
        }
        progress.state = next;
        Ok(())
    }
}

fn name(state: &StepState) -> &'static str {
    match state {
        StepState::Pending => "pending",
        StepState::Running => "running",
        StepState::Succeeded(_) => "succeeded",
        StepState::Failed(_) => "failed",
        StepState::Skipped => "skipped",
        StepState::UndoPending => "undo-pending",
        StepState::Undoing => "undoing",
        StepState::Undone => "undone",
        StepState::Stuck(_) => "stuck",
        StepState::GivenUp(_) => "given-up",
    }
}

fn illegal(event: &Event, why: impl Into<String>) -> IllegalTransition {
    let text = serde_json::to_value(event).ok();
    let event = text
        .and_then(|v| v.get("event").and_then(|e| e.as_str()).map(str::to_owned))
        .unwrap_or_default();
    IllegalTransition {
        event,
        why: why.into(),
    }
}

#[cfg(test)]
mod tests;
