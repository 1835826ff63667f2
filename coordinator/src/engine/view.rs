//! State to what an operator is shown.

use cutover_proto::ids::{RunId, StepId};
use cutover_proto::plan::{Plan, PlanStep, StepAction};
use cutover_proto::step::NodeAction;
use cutover_proto::view::{
    DowntimeView, PhaseView, RunStateView, RunStepView, RunView, StepStateView, WaitingView,
};
use jiff::Timestamp;

use super::fold::{End, RunState, StepProgress, StepState};
use super::next::{Wait, outlook};

/// The whole run.
#[must_use]
pub fn run_view(id: RunId, plan: &Plan, state: &RunState, now: Timestamp) -> RunView {
    let wait = outlook(plan, state).wait;
    RunView {
        id,
        plan_hash: state.plan_hash.clone().unwrap_or_else(|| plan.hash()),
        name: plan.name.clone(),
        guide: plan.guide.clone(),
        operator: state.operator.clone(),
        state: run_state(state, &wait),
        started: state.started.map(|at| at.to_string()).unwrap_or_default(),
        ended: state.ended.map(|at| at.to_string()),
        phases: plan
            .phases
            .iter()
            .map(|phase| PhaseView {
                name: phase.name.clone(),
                approval_missing: phase.approval && !state.approved.contains(&phase.name),
                steps: phase
                    .steps
                    .iter()
                    .map(|step| step_view(plan, step, state))
                    .collect(),
            })
            .collect(),
        waiting: waiting(id, plan, state, &wait),
        downtime: downtime(plan, state, now),
        version: state.version,
    }
}

fn run_state(state: &RunState, wait: &Wait) -> RunStateView {
    match wait {
        Wait::Ended(End::Done) => RunStateView::Done,
        Wait::Ended(End::Aborted) => RunStateView::Aborted,
        Wait::Stuck(_) => RunStateView::Stuck,
        Wait::Paused => RunStateView::Paused,
        Wait::Steps if state.aborting => RunStateView::Aborting,
        Wait::Steps => RunStateView::Running,
        Wait::Held(_) => RunStateView::Held,
        Wait::Approval(_) => RunStateView::WaitingForApproval,
    }
}

/// One step.
#[must_use]
pub fn step_view(plan: &Plan, step: &PlanStep, state: &RunState) -> RunStepView {
    let progress = state.steps.get(&step.id);
    let (step_state, error, receipt) = match progress.map(|p| &p.state) {
        None | Some(StepState::Pending) => (StepStateView::Pending, None, None),
        Some(StepState::Running) => (StepStateView::Running, None, None),
        Some(StepState::Succeeded(receipt)) => (StepStateView::Succeeded, None, Some(receipt.clone())),
        Some(StepState::Failed(error)) => (StepStateView::Failed, Some(error.clone()), None),
        Some(StepState::Skipped) => (StepStateView::Skipped, None, None),
        Some(StepState::UndoPending | StepState::Undoing) => (StepStateView::Undoing, None, None),
        Some(StepState::Undone) => (StepStateView::Undone, None, None),
        Some(StepState::Stuck(error)) => (StepStateView::Stuck, Some(error.clone()), None),
        Some(StepState::GivenUp(error)) => (StepStateView::Skipped, Some(error.clone()), None),
    };
    let phase = plan
        .phases
        .iter()
        .find(|phase| phase.steps.iter().any(|s| s.id == step.id));
    RunStepView {
        id: step.id.clone(),
        phase: phase.map(|phase| phase.name.clone()).unwrap_or_default(),
        title: step.title.clone(),
        place: step.place.clone(),
        state: step_state,
        attempt: progress.map_or(0, |p| p.attempts),
        started: progress.and_then(|p| p.started).map(|at| at.to_string()),
        millis: progress.and_then(millis),
        error,
        // What an agent saw of its host is asked for with `cutover node facts`; here it would only be long.
        receipt: receipt.map(|mut receipt| {
            receipt.facts = None;
            receipt
        }),
    }
}

fn millis(progress: &StepProgress) -> Option<u64> {
    let span = progress.ended?.as_millisecond() - progress.started?.as_millisecond();
    u64::try_from(span).ok()
}

fn waiting(id: RunId, plan: &Plan, state: &RunState, wait: &Wait) -> Option<WaitingView> {
    let run = id.to_string();
    let abort = (!state.past_return && !state.aborting).then(|| format!("cutover abort {run}"));
    let (reason, mut commands) = match wait {
        Wait::Steps | Wait::Ended(_) => return None,
        Wait::Paused => (
            "an operator paused it".to_owned(),
            vec![format!("cutover resume {run}")],
        ),
        Wait::Approval(phase) => (
            format!("phase {phase} needs an approval{}", no_return_note(plan, phase)),
            vec![format!("cutover approve {run}")],
        ),
        Wait::Held(failed) => {
            let mut commands = vec![format!("cutover retry {run}")];
            for step in failed
                .iter()
                .filter_map(|id| plan.step(id))
                .filter(|step| step.skippable)
            {
                commands.push(format!("cutover skip {run} --step {} --reason WHY", step.id));
            }
            (failure_text(state, failed), commands)
        }
        Wait::Stuck(stuck) => {
            let mut commands = vec![format!("cutover retry {run}")];
            commands.extend(
                stuck
                    .iter()
                    .map(|step| format!("cutover skip {run} --step {step} --reason WHY")),
            );
            (failure_text(state, stuck), commands)
        }
    };
    commands.extend(abort);
    Some(WaitingView {
        reason,
        owner: "an operator".to_owned(),
        commands,
    })
}

fn no_return_note(plan: &Plan, phase: &str) -> &'static str {
    let holds_it = plan.phases.iter().filter(|p| p.name == phase).any(|p| {
        p.steps
            .iter()
            .any(|step| Some(&step.id) == plan.point_of_no_return.as_ref())
    });
    if holds_it {
        "; after it abort is not offered"
    } else {
        ""
    }
}

fn failure_text(state: &RunState, steps: &[StepId]) -> String {
    let texts: Vec<String> = steps
        .iter()
        .filter_map(|id| match state.step(id) {
            StepState::Failed(error) => Some(format!("{id} failed: {error}")),
            StepState::Stuck(error) => Some(format!("{id} could not be taken back: {error}")),
            StepState::Pending
            | StepState::Running
            | StepState::Succeeded(_)
            | StepState::Skipped
            | StepState::UndoPending
            | StepState::Undoing
            | StepState::Undone
            | StepState::GivenUp(_) => None,
        })
        .collect();
    texts.join("; ")
}

/// From the first server told to stop to the last one proven ready again, and after an abort of servers that were up
/// from the first of them stopped to the last old one back. Absent before the first stop, and for a plan that starts
/// nothing.
fn downtime(plan: &Plan, state: &RunState, now: Timestamp) -> Option<DowntimeView> {
    let of = |wanted: fn(&NodeAction) -> bool| -> Vec<&StepProgress> {
        plan.steps()
            .filter(|step| matches!(&step.action, StepAction::Node(action) if wanted(action)))
            .filter_map(|step| state.steps.get(&step.id))
            .collect()
    };
    let stops = of(|action| matches!(action, NodeAction::StopServer { .. }));
    let starts = of(|action| matches!(action, NodeAction::StartServer { .. }));
    let readies = of(|action| matches!(action, NodeAction::ProveReady { .. }));
    if readies.is_empty() {
        return None;
    }
    let from = stops.iter().filter_map(|p| p.first_started).min()?;
    let up = |p: &&StepProgress| matches!(p.state, StepState::Succeeded(_) | StepState::Skipped);
    let served = if readies.iter().all(up) {
        readies.iter().filter_map(|p| p.ended).max()
    } else {
        None
    };
    let settled =
        |p: &&&StepProgress| !p.touched() || matches!(p.state, StepState::Undone | StepState::GivenUp(_));
    let back = (state.aborting && stops.iter().filter(settled).count() == stops.len())
        .then(|| stops.iter().filter(|p| p.touched()).filter_map(|p| p.ended).max())
        .flatten();
    let away = starts
        .iter()
        .filter(|p| p.undo_attempts > 0)
        .filter_map(|p| p.started)
        .min();
    let mut spans = Vec::new();
    match (served, away) {
        (Some(served), Some(away)) => spans.extend([(from, Some(served)), (away, back)]),
        (Some(served), None) => spans.push((from, Some(served))),
        (None, _) => spans.push((from, back)),
    }
    let end = state.ended.unwrap_or(now);
    let millis: i64 = spans
        .iter()
        .map(|(from, until)| until.unwrap_or(end).as_millisecond() - from.as_millisecond())
        .sum();
    let until = spans.last().and_then(|(_, until)| *until).or(state.ended);
    Some(DowntimeView {
        from: from.to_string(),
        until: until.map(|at| at.to_string()),
        millis: u64::try_from(millis).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests;
