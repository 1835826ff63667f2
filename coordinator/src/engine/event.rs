//! What can happen in a run.

use cutover_proto::ids::{Direction, Sha256Hex, StepId};
use cutover_proto::plan::StatementOverride;
use cutover_proto::report::{Receipt, StepError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Something that happened. Stored as JSON; a variant is never changed, only added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// An operator applied a plan. Always the first event.
    RunStarted {
        /// The plan.
        plan_hash: Sha256Hex,
        /// Who.
        operator: String,
    },
    /// An operator approved a phase.
    PhaseApproved {
        /// The phase.
        phase: String,
        /// Who.
        operator: String,
        /// Why.
        reason: String,
    },
    /// A try of a step began. Written before anything is done.
    StepStarted {
        /// The step.
        step: StepId,
        /// The try, from 1.
        attempt: u32,
    },
    /// It ended well.
    StepSucceeded {
        /// The step.
        step: StepId,
        /// The try.
        attempt: u32,
        /// The evidence.
        receipt: Receipt,
    },
    /// It failed.
    StepFailed {
        /// The step.
        step: StepId,
        /// The try.
        attempt: u32,
        /// Why.
        error: StepError,
    },
    /// An operator wants a failed step, or a failed undo, tried again.
    StepRetried {
        /// The step.
        step: StepId,
        /// Who.
        operator: String,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// An operator left a step out, or gave up its undo.
    StepSkipped {
        /// The step.
        step: StepId,
        /// Who.
        operator: String,
        /// Why.
        reason: String,
    },
    /// An operator decided what becomes of a statement that holds a migration.
    StatementResolved {
        /// The step.
        step: StepId,
        /// The script.
        script: String,
        /// The statement, and what is done about it.
        decision: StatementOverride,
        /// Who.
        operator: String,
    },
    /// An operator wants nothing new to start.
    Paused {
        /// Who.
        operator: String,
        /// Why.
        reason: String,
    },
    /// An operator lets it go on.
    Resumed {
        /// Who.
        operator: String,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// An operator wants everything back as it was.
    AbortRequested {
        /// Who.
        operator: String,
        /// Why.
        reason: String,
    },
    /// A try to take a step back began. Written before anything is done.
    UndoStarted {
        /// The step.
        step: StepId,
        /// The try, from 1.
        attempt: u32,
    },
    /// The step is taken back.
    UndoSucceeded {
        /// The step.
        step: StepId,
        /// The try.
        attempt: u32,
        /// The evidence.
        receipt: Receipt,
    },
    /// It could not be taken back.
    UndoFailed {
        /// The step.
        step: StepId,
        /// The try.
        attempt: u32,
        /// Why.
        error: StepError,
    },
    /// Every step is done.
    RunFinished,
    /// Every step that had begun is taken back.
    RunAborted,
}

impl Event {
    /// The event that starts a try.
    #[must_use]
    pub fn started(direction: Direction, step: StepId, attempt: u32) -> Self {
        match direction {
            Direction::Do => Event::StepStarted { step, attempt },
            Direction::Undo => Event::UndoStarted { step, attempt },
        }
    }

    /// The event that ends a try.
    #[must_use]
    pub fn ended(
        direction: Direction,
        step: StepId,
        attempt: u32,
        outcome: Result<Receipt, StepError>,
    ) -> Self {
        match (direction, outcome) {
            (Direction::Do, Ok(receipt)) => Event::StepSucceeded {
                step,
                attempt,
                receipt,
            },
            (Direction::Do, Err(error)) => Event::StepFailed { step, attempt, error },
            (Direction::Undo, Ok(receipt)) => Event::UndoSucceeded {
                step,
                attempt,
                receipt,
            },
            (Direction::Undo, Err(error)) => Event::UndoFailed { step, attempt, error },
        }
    }
}

impl Event {
    /// The step it is about.
    #[must_use]
    pub fn step(&self) -> Option<&StepId> {
        match self {
            Event::StepStarted { step, .. }
            | Event::StepSucceeded { step, .. }
            | Event::StepFailed { step, .. }
            | Event::StepRetried { step, .. }
            | Event::StepSkipped { step, .. }
            | Event::StatementResolved { step, .. }
            | Event::UndoStarted { step, .. }
            | Event::UndoSucceeded { step, .. }
            | Event::UndoFailed { step, .. } => Some(step),
            Event::RunStarted { .. }
            | Event::PhaseApproved { .. }
            | Event::Paused { .. }
            | Event::Resumed { .. }
            | Event::AbortRequested { .. }
            | Event::RunFinished
            | Event::RunAborted => None,
        }
    }

    /// The try that it begins.
    #[must_use]
    pub fn begins(&self) -> Option<(&StepId, Direction, u32)> {
        if let Event::StepStarted { step, attempt } = self {
            return Some((step, Direction::Do, *attempt));
        }
        if let Event::UndoStarted { step, attempt } = self {
            return Some((step, Direction::Undo, *attempt));
        }
        None
    }

    /// Whether it ends a try.
    #[must_use]
    pub fn is_result(&self) -> bool {
        matches!(
            self,
            Event::StepSucceeded { .. }
                | Event::StepFailed { .. }
                | Event::UndoSucceeded { .. }
                | Event::UndoFailed { .. }
        )
    }
}

/// An event in its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// 1 for the first event of the run.
    pub seq: u64,
    /// When, by the coordinator's clock. For people; order is `seq`.
    pub at: Timestamp,
    /// What.
    pub event: Event,
}
