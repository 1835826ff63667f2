//! State to what to do: a pure function, so that a restarted coordinator decides exactly as the one before.

use std::collections::BTreeSet;

use cutover_proto::ids::{Direction, StepId};
use cutover_proto::plan::{Place, Plan, PlanPhase, PlanStep, Reversal};

use super::event::Event;
use super::fold::{End, RunState, StepState};

/// Why nothing new starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// Steps are at work.
    Steps,
    /// An operator paused the run.
    Paused,
    /// These steps failed.
    Held(Vec<StepId>),
    /// This phase needs an approval.
    Approval(String),
    /// These steps could not be taken back.
    Stuck(Vec<StepId>),
    /// The run has ended.
    Ended(End),
}

/// What to do now, and what is waited for if nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// Events to append; a started step or undo is then carried out.
    pub events: Vec<Event>,
    /// What the run waits for once they are appended.
    pub wait: Wait,
}

impl Outlook {
    fn wait(wait: Wait) -> Self {
        Self {
            events: Vec::new(),
            wait,
        }
    }
}

/// What to do in this state.
#[must_use]
pub fn outlook(plan: &Plan, state: &RunState) -> Outlook {
    if let Some(end) = state.end {
        return Outlook::wait(Wait::Ended(end));
    }
    if state.aborting {
        undo(plan, state)
    } else {
        forward(plan, state)
    }
}

fn forward(plan: &Plan, state: &RunState) -> Outlook {
    let Some(phase) = plan.phases.iter().find(|phase| !complete(phase, state)) else {
        return Outlook {
            events: vec![Event::RunFinished],
            wait: Wait::Ended(End::Done),
        };
    };
    let running = phase
        .steps
        .iter()
        .filter(|s| matches!(state.step(&s.id), StepState::Running))
        .count();
    if state.paused {
        return Outlook::wait(if running > 0 { Wait::Steps } else { Wait::Paused });
    }
    if phase.approval && !state.approved.contains(&phase.name) {
        return Outlook::wait(Wait::Approval(phase.name.clone()));
    }
    let failed = failed_steps(phase, state);
    let places: BTreeSet<&Place> = failed.iter().map(|step| &step.place).collect();
    let hold = places.len() > plan.failures as usize
        || failed.iter().any(|step| !matches!(step.place, Place::Node(_)));
    let ready: Vec<&PlanStep> = if hold {
        Vec::new()
    } else {
        phase.steps.iter().filter(|step| can_start(step, state)).collect()
    };
    let free = (plan.parallel as usize).saturating_sub(running);
    let events: Vec<Event> = ready
        .iter()
        .take(free)
        .map(|step| {
            Event::started(
                Direction::Do,
                step.id.clone(),
                attempts(state, &step.id, Direction::Do) + 1,
            )
        })
        .collect();
    if events.is_empty() && running == 0 && !failed.is_empty() {
        if plan.rehearses.is_some() {
            return give_up(&failed, state);
        }
        return Outlook::wait(Wait::Held(failed.iter().map(|step| step.id.clone()).collect()));
    }
    Outlook {
        events,
        wait: Wait::Steps,
    }
}

/// A rehearsal that fails has told what it can: it removes its scratch by itself.
fn give_up(failed: &[&PlanStep], state: &RunState) -> Outlook {
    let why: Vec<String> = failed
        .iter()
        .filter_map(|step| match state.step(&step.id) {
            StepState::Failed(error) => Some(format!("{}: {error}", step.id)),
            StepState::Pending
            | StepState::Running
            | StepState::Succeeded(_)
            | StepState::Skipped
            | StepState::UndoPending
            | StepState::Undoing
            | StepState::Undone
            | StepState::Stuck(_)
            | StepState::GivenUp(_) => None,
        })
        .collect();
    Outlook {
        events: vec![Event::AbortRequested {
            operator: "coordinator".to_owned(),
            reason: format!("the rehearsal failed: {}", why.join("; ")),
        }],
        wait: Wait::Steps,
    }
}

fn complete(phase: &PlanPhase, state: &RunState) -> bool {
    phase.steps.iter().all(|step| done(state.step(&step.id)))
}

fn done(state: &StepState) -> bool {
    matches!(state, StepState::Succeeded(_) | StepState::Skipped)
}

fn failed_steps<'a>(phase: &'a PlanPhase, state: &RunState) -> Vec<&'a PlanStep> {
    phase
        .steps
        .iter()
        .filter(|step| matches!(state.step(&step.id), StepState::Failed(_)))
        .collect()
}

fn can_start(step: &PlanStep, state: &RunState) -> bool {
    matches!(state.step(&step.id), StepState::Pending) && step.after.iter().all(|id| done(state.step(id)))
}

fn attempts(state: &RunState, id: &StepId, direction: Direction) -> u32 {
    state.steps.get(id).map_or(0, |progress| match direction {
        Direction::Do => progress.attempts,
        Direction::Undo => progress.undo_attempts,
    })
}

/// Takes back what was begun: phases from last to first, and within one a step only after those that came after it.
fn undo(plan: &Plan, state: &RunState) -> Outlook {
    let any = |wanted: fn(&StepState) -> bool| plan.steps().any(|step| wanted(state.step(&step.id)));
    // What is under way must end before its undo can begin.
    if any(|state| matches!(state, StepState::Running)) {
        return Outlook::wait(Wait::Steps);
    }
    let undoing = plan
        .steps()
        .filter(|s| matches!(state.step(&s.id), StepState::Undoing))
        .count();
    if state.paused {
        return Outlook::wait(if undoing > 0 { Wait::Steps } else { Wait::Paused });
    }
    let Some(phase) = plan
        .phases
        .iter()
        .rev()
        .find(|phase| phase.steps.iter().any(|step| owes_undo(step, state)))
    else {
        return Outlook {
            events: vec![Event::RunAborted],
            wait: Wait::Ended(End::Aborted),
        };
    };
    let free = (plan.parallel as usize).saturating_sub(undoing);
    let events: Vec<Event> = phase
        .steps
        .iter()
        .rev()
        .filter(|step| can_undo(step, phase, state))
        .take(free)
        .map(|step| {
            Event::started(
                Direction::Undo,
                step.id.clone(),
                attempts(state, &step.id, Direction::Undo) + 1,
            )
        })
        .collect();
    if events.is_empty() && undoing == 0 {
        let stuck = phase
            .steps
            .iter()
            .filter(|s| matches!(state.step(&s.id), StepState::Stuck(_)));
        return Outlook::wait(Wait::Stuck(stuck.map(|step| step.id.clone()).collect()));
    }
    Outlook {
        events,
        wait: Wait::Steps,
    }
}

/// Whether an abort still has to take this step back.
fn owes_undo(step: &PlanStep, state: &RunState) -> bool {
    let touched = state
        .steps
        .get(&step.id)
        .is_some_and(super::fold::StepProgress::touched);
    let settled = matches!(state.step(&step.id), StepState::Undone | StepState::GivenUp(_));
    touched && step.reversal == Reversal::Undo && !settled
}

fn can_undo(step: &PlanStep, phase: &PlanPhase, state: &RunState) -> bool {
    let waiting = !matches!(state.step(&step.id), StepState::Undoing | StepState::Stuck(_));
    let followers_done = phase
        .steps
        .iter()
        .filter(|other| other.after.contains(&step.id))
        .all(|other| !owes_undo_chain(other, phase, state));
    owes_undo(step, state) && waiting && followers_done
}

/// Whether this step or one that follows it is still to be taken back. A step without an undo of its own passes
/// the question on.
fn owes_undo_chain(step: &PlanStep, phase: &PlanPhase, state: &RunState) -> bool {
    owes_undo(step, state)
        || phase
            .steps
            .iter()
            .filter(|other| other.after.contains(&step.id))
            .any(|other| owes_undo_chain(other, phase, state))
}

#[cfg(test)]
mod tests;
