//! What of a message is news.

use std::collections::BTreeSet;

use cutover_proto::ids::StepId;
use cutover_proto::view::{RunStepView, RunView, StepStateView};

use super::Message;

/// One piece of news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// Watching begins; so many steps had ended before and are not told.
    Joined(usize),
    /// A step is at work.
    Started(RunStepView),
    /// A step came to an end, good or bad.
    Ended(RunStepView),
}

type Seen = (StepId, u32, StepStateView);

/// The run as known so far, and what has been told of it. Messages may repeat after a reconnect.
#[derive(Debug)]
pub(super) struct Tracker {
    from_start: bool,
    run: Option<RunView>,
    told: BTreeSet<Seen>,
    heard: u64,
}

impl Tracker {
    pub(super) fn new(from_start: bool) -> Self {
        Self {
            from_start,
            run: None,
            told: BTreeSet::new(),
            heard: 0,
        }
    }

    /// The run, once the first message came.
    pub(super) fn run(&self) -> Option<&RunView> {
        self.run.as_ref()
    }

    /// How many messages came.
    pub(super) fn heard(&self) -> u64 {
        self.heard
    }

    /// Takes a message in; returns the news in the order of the plan.
    pub(super) fn apply(&mut self, message: &Message) -> Vec<Change> {
        self.heard += 1;
        match message {
            Message::Run(run) => self.whole(run),
            Message::Step(step) => self.single(step),
            Message::Progress(_) => Vec::new(),
        }
    }

    fn whole(&mut self, run: &RunView) -> Vec<Change> {
        let first = self.run.replace(run.clone()).is_none();
        let mut changes: Vec<Change> = run
            .phases
            .iter()
            .flat_map(|phase| &phase.steps)
            .filter_map(|step| self.news(step))
            .collect();
        if first && !self.from_start {
            let before = changes.len();
            // A failure is never old news: it is why somebody watches.
            changes.retain(|change| match change {
                Change::Ended(step) => matches!(step.state, StepStateView::Failed | StepStateView::Stuck),
                Change::Started(_) | Change::Joined(_) => true,
            });
            changes.insert(0, Change::Joined(before - changes.len()));
        }
        changes
    }

    fn single(&mut self, step: &RunStepView) -> Vec<Change> {
        let known = self
            .run
            .iter_mut()
            .flat_map(|run| &mut run.phases)
            .flat_map(|phase| &mut phase.steps);
        for known in known.filter(|known| known.id == step.id) {
            known.clone_from(step);
        }
        self.news(step).into_iter().collect()
    }

    fn news(&mut self, step: &RunStepView) -> Option<Change> {
        let change = match step.state {
            StepStateView::Pending => return None,
            StepStateView::Running | StepStateView::Undoing => Change::Started,
            StepStateView::Succeeded
            | StepStateView::Failed
            | StepStateView::Skipped
            | StepStateView::Undone
            | StepStateView::Stuck => Change::Ended,
        };
        let new = self.told.insert((step.id.clone(), step.attempt, step.state));
        new.then(|| change(step.clone()))
    }
}

#[cfg(test)]
mod tests {
    use cutover_proto::view::RunStateView;

    use super::*;
    use crate::runview::example::{run, step};

    fn whole(steps: Vec<RunStepView>) -> Message {
        Message::Run(Box::new(run(RunStateView::Running, steps)))
    }

    #[test]
    fn step_when_told_twice_then_news_once() {
        let mut tracker = Tracker::new(true);
        let running = step("dss-1", StepStateView::Running);
        let done = step("dss-1", StepStateView::Succeeded);
        assert_eq!(
            tracker.apply(&whole(vec![running.clone()])),
            [Change::Started(running)]
        );
        assert_eq!(
            tracker.apply(&Message::Step(Box::new(done.clone()))),
            [Change::Ended(done.clone())]
        );
        assert_eq!(tracker.apply(&Message::Step(Box::new(done.clone()))), []);
        assert_eq!(tracker.apply(&whole(vec![done.clone()])), []);
        assert_eq!(tracker.run().unwrap().phases[0].steps[0], done);
    }

    #[test]
    fn retried_step_is_news_again() {
        let mut tracker = Tracker::new(true);
        let failed = step("dss-1", StepStateView::Failed);
        let mut again = failed.clone();
        again.attempt += 1;
        tracker.apply(&whole(vec![failed]));
        assert_eq!(
            tracker.apply(&Message::Step(Box::new(again.clone()))),
            [Change::Ended(again)]
        );
    }

    #[test]
    fn joining_late_tells_failures_but_not_every_old_success() {
        let mut tracker = Tracker::new(false);
        let failed = step("dss-2", StepStateView::Failed);
        let steps = vec![
            step("dss-1", StepStateView::Succeeded),
            failed.clone(),
            step("dss-3", StepStateView::Pending),
        ];
        assert_eq!(
            tracker.apply(&whole(steps)),
            [Change::Joined(1), Change::Ended(failed)]
        );
    }
}
