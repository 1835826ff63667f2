//! What tests ask of a run.

use anyhow::{Context as _, Result};
use cutover_proto::view::{RunStateView, RunStepView, RunView, StepStateView};

/// A phase of a run, as tests look at it.
pub trait Phase {
    /// The steps that hold the run.
    fn failed(&self) -> Vec<&RunStepView>;
    /// A step by its id.
    ///
    /// # Errors
    /// When the plan has no such step.
    fn step(&self, id: &str) -> Result<&RunStepView>;
}

impl Phase for RunView {
    fn failed(&self) -> Vec<&RunStepView> {
        self.phases
            .iter()
            .flat_map(|phase| &phase.steps)
            .filter(|step| matches!(step.state, StepStateView::Failed | StepStateView::Stuck))
            .collect()
    }

    fn step(&self, id: &str) -> Result<&RunStepView> {
        self.phases
            .iter()
            .flat_map(|phase| &phase.steps)
            .find(|step| step.id.to_string() == id)
            .with_context(|| format!("the plan has no step {id}"))
    }
}

/// Whether nothing more happens by itself.
#[must_use]
pub fn finished(state: RunStateView) -> bool {
    match state {
        RunStateView::Running | RunStateView::Aborting => false,
        RunStateView::Paused
        | RunStateView::Held
        | RunStateView::WaitingForApproval
        | RunStateView::Aborted
        | RunStateView::Stuck
        | RunStateView::Done => true,
    }
}
