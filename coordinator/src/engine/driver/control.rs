//! What an operator can order, and whether the run can do it now. Pure.

use cutover_proto::ids::StepId;
use cutover_proto::plan::{DatabaseAction, Plan, StatementOverride, StepAction};

use crate::engine::event::Event;
use crate::engine::fold::{RunState, StepState};
use crate::engine::next::{Wait, outlook};

/// An order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// Who.
    pub operator: String,
    /// Why.
    pub reason: String,
    /// What.
    pub kind: ControlKind,
}

/// What is ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlKind {
    /// Start nothing new.
    Pause,
    /// Go on.
    Resume,
    /// Try failed steps again; all when none is named.
    Retry(Option<StepId>),
    /// Leave a failed step out.
    Skip(StepId),
    /// Decide what becomes of a statement that holds a migration.
    Resolve {
        /// The step.
        step: StepId,
        /// The script; may be absent where the step runs one only.
        script: Option<String>,
        /// The statement, and what is done about it.
        decision: StatementOverride,
    },
    /// Take everything back.
    Abort,
    /// Let the next phase start.
    Approve,
}

impl ControlKind {
    /// The order in a word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            ControlKind::Pause => "pause",
            ControlKind::Resume => "resume",
            ControlKind::Retry(_) => "retry",
            ControlKind::Skip(_) => "skip",
            ControlKind::Abort => "abort",
            ControlKind::Approve => "approve",
            ControlKind::Resolve { .. } => "resolve",
        }
    }
}

/// Why an order can't be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The run has ended.
    #[error("the run has ended; nothing can be ordered any more")]
    Ended,
    /// The state forbids it.
    #[error("{0}")]
    Refused(String),
    /// The plan has no such step.
    #[error("the plan has no step `{0}`; `cutover status RUN` lists them")]
    NoSuchStep(StepId),
    /// The coordinator is stopping.
    #[error("the coordinator is stopping; the run goes on when it is started again, give the order then")]
    Stopping,
}

/// The events that carry an order out.
///
/// # Errors
/// Why it can't be done now, and what can.
pub(super) fn events(plan: &Plan, state: &RunState, control: &Control) -> Result<Vec<Event>, ControlError> {
    if state.end.is_some() {
        return Err(ControlError::Ended);
    }
    let operator = control.operator.clone();
    let reason = control.reason.clone();
    match &control.kind {
        ControlKind::Pause if state.paused => Err(refused("the run is paused already")),
        ControlKind::Pause => Ok(vec![Event::Paused { operator, reason }]),
        ControlKind::Resume if !state.paused => Err(refused("the run is not paused")),
        ControlKind::Resume => Ok(vec![Event::Resumed { operator, reason }]),
        ControlKind::Retry(step) => retry(plan, state, step.as_ref(), control),
        ControlKind::Skip(step) => skip(plan, state, step, operator, reason),
        ControlKind::Resolve {
            step,
            script,
            decision,
        } => resolve(plan, state, step, script.as_deref(), decision, operator),
        ControlKind::Abort if state.aborting => Err(refused("the run is being aborted already")),
        ControlKind::Abort if state.past_return => Err(refused(
            "the point of no return is behind this run: the new servers are in charge and abort is not offered",
        )),
        ControlKind::Abort => Ok(vec![Event::AbortRequested { operator, reason }]),
        ControlKind::Approve => match outlook(plan, state).wait {
            Wait::Approval(phase) => Ok(vec![Event::PhaseApproved {
                phase,
                operator,
                reason,
            }]),
            Wait::Steps | Wait::Paused | Wait::Held(_) | Wait::Stuck(_) | Wait::Ended(_) => {
                Err(refused("no phase is waiting for an approval"))
            }
        },
    }
}

fn refused(why: &str) -> ControlError {
    ControlError::Refused(why.to_owned())
}

fn can_retry(state: &RunState, step: &StepId) -> bool {
    match state.step(step) {
        StepState::Failed(_) => !state.aborting,
        StepState::Stuck(_) => state.aborting,
        StepState::Pending
        | StepState::Running
        | StepState::Succeeded(_)
        | StepState::Skipped
        | StepState::UndoPending
        | StepState::Undoing
        | StepState::Undone
        | StepState::GivenUp(_) => false,
    }
}

fn retry(
    plan: &Plan,
    state: &RunState,
    step: Option<&StepId>,
    control: &Control,
) -> Result<Vec<Event>, ControlError> {
    if let Some(step) = step {
        if plan.step(step).is_none() {
            return Err(ControlError::NoSuchStep(step.clone()));
        }
        if !can_retry(state, step) {
            return Err(refused(&format!("step {step} has not failed")));
        }
    }
    let events: Vec<Event> = plan
        .steps()
        .map(|planned| &planned.id)
        .filter(|id| step.is_none_or(|wanted| wanted == *id) && can_retry(state, id))
        .map(|id| Event::StepRetried {
            step: id.clone(),
            operator: control.operator.clone(),
            reason: control.reason.clone(),
        })
        .collect();
    if events.is_empty() {
        Err(refused("no step has failed"))
    } else {
        Ok(events)
    }
}

fn skip(
    plan: &Plan,
    state: &RunState,
    step: &StepId,
    operator: String,
    reason: String,
) -> Result<Vec<Event>, ControlError> {
    let planned = plan
        .step(step)
        .ok_or_else(|| ControlError::NoSuchStep(step.clone()))?;
    // An undo that can't be done must not keep everything before it down for ever: a person may take it over.
    let gives_up = state.aborting && matches!(state.step(step), StepState::Stuck(_));
    if !planned.skippable && !gives_up {
        return Err(refused(&format!(
            "step {step} can't be left out: the guide does not let it; retry or abort"
        )));
    }
    if reason.trim().is_empty() {
        return Err(refused("skipping needs a reason; it is kept in the audit trail"));
    }
    let waits = matches!(state.step(step), StepState::Failed(_) | StepState::Pending) && !state.aborting;
    if !waits && !gives_up {
        return Err(refused(&format!("step {step} is neither failed nor waiting")));
    }
    Ok(vec![Event::StepSkipped {
        step: step.clone(),
        operator,
        reason,
    }])
}

fn resolve(
    plan: &Plan,
    state: &RunState,
    step: &StepId,
    script: Option<&str>,
    decision: &StatementOverride,
    operator: String,
) -> Result<Vec<Event>, ControlError> {
    let planned = plan
        .step(step)
        .ok_or_else(|| ControlError::NoSuchStep(step.clone()))?;
    let migrates = matches!(
        planned.action,
        StepAction::Database(DatabaseAction::Migrate { .. })
    );
    if !migrates || !matches!(state.step(step), StepState::Failed(_)) || state.aborting {
        return Err(refused(&format!(
            "step {step} is not a migration that has failed: there is no statement to decide about"
        )));
    }
    if decision.reason.trim().is_empty() {
        return Err(refused(
            "a decision about a statement needs a reason; it is kept in the audit trail",
        ));
    }
    let scripts: Vec<&str> = plan
        .databases
        .iter()
        .filter(|database| planned.place == cutover_proto::plan::Place::Database(database.name.clone()))
        .flat_map(|database| &database.scripts)
        .filter(|known| decision.statement >= 1 && decision.statement <= known.statements)
        .map(|known| known.blob.name.as_str())
        .filter(|name| script.is_none_or(|wanted| wanted == *name))
        .collect();
    match scripts.as_slice() {
        [script] => Ok(vec![Event::StatementResolved {
            step: step.clone(),
            script: (*script).to_owned(),
            decision: decision.clone(),
            operator,
        }]),
        [] => Err(refused(&format!(
            "step {step} runs no script of that name with a statement {}",
            decision.statement
        ))),
        several => Err(refused(&format!(
            "step {step} runs several scripts; name one of {}",
            several.join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use cutover_proto::report::{ErrorCode, StepError};

    use super::*;
    use crate::engine::testing::{at, plan, sid};

    fn order(kind: ControlKind) -> Control {
        Control {
            operator: "o".into(),
            reason: "r".into(),
            kind,
        }
    }

    fn started() -> (Plan, RunState) {
        let plan = plan();
        let event = Event::RunStarted {
            plan_hash: plan.hash(),
            operator: "o".into(),
        };
        let state = RunState::fold(&plan, &[at(1, event)]).unwrap();
        (plan, state)
    }

    #[test]
    fn retry_when_nothing_failed_then_refused() {
        let (plan, state) = started();
        assert!(matches!(
            events(&plan, &state, &order(ControlKind::Retry(None))),
            Err(ControlError::Refused(_))
        ));
        let unknown = ControlKind::Retry(Some(sid("no.such@step")));
        assert!(matches!(
            events(&plan, &state, &order(unknown)),
            Err(ControlError::NoSuchStep(_))
        ));
    }

    #[test]
    fn retry_when_a_step_failed_then_that_one() {
        let (plan, mut state) = started();
        let step = sid("quiesce.stop@n1");
        state
            .apply(
                &plan,
                &at(
                    2,
                    Event::StepStarted {
                        step: step.clone(),
                        attempt: 1,
                    },
                ),
            )
            .unwrap();
        let error = StepError::new(ErrorCode::Io, "w", "y", "n");
        state
            .apply(
                &plan,
                &at(
                    3,
                    Event::StepFailed {
                        step: step.clone(),
                        attempt: 1,
                        error,
                    },
                ),
            )
            .unwrap();
        let found = events(&plan, &state, &order(ControlKind::Retry(None))).unwrap();
        assert_eq!(
            found,
            [Event::StepRetried {
                step: step.clone(),
                operator: "o".into(),
                reason: "r".into()
            }]
        );
        let skip = events(&plan, &state, &order(ControlKind::Skip(step)));
        assert!(
            matches!(skip, Err(ControlError::Refused(_))),
            "the guide does not let it"
        );
    }

    #[test]
    fn resolve_when_the_step_is_no_failed_migration_then_refused() {
        let (plan, state) = started();
        let decision = StatementOverride {
            statement: 1,
            sha256: cutover_proto::ids::Sha256Hex::of(b"x"),
            action: cutover_proto::plan::OverrideAction::Skip,
            with: None,
            reason: "r".into(),
        };
        let order = order(ControlKind::Resolve {
            step: sid("data.copy@db"),
            script: None,
            decision,
        });
        assert!(matches!(
            events(&plan, &state, &order),
            Err(ControlError::Refused(_))
        ));
    }

    #[test]
    fn abort_when_past_return_then_refused() {
        let (plan, mut state) = started();
        state.past_return = true;
        assert!(matches!(
            events(&plan, &state, &order(ControlKind::Abort)),
            Err(ControlError::Refused(_))
        ));
    }

    #[test]
    fn approve_when_nothing_waits_then_refused() {
        let (plan, state) = started();
        assert!(matches!(
            events(&plan, &state, &order(ControlKind::Approve)),
            Err(ControlError::Refused(_))
        ));
    }
}
