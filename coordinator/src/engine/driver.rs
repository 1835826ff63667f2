//! Drives runs: the only part of the engine that acts. One task per run; every event is durable before its effect
//! begins, and every result before it is acknowledged.

mod audit;
mod control;
mod run;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cutover_proto::ids::{RunId, Sha256Hex, StepId};
use cutover_proto::plan::Plan;
use cutover_proto::view::{RunStepView, RunView};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use control::{Control, ControlError, ControlKind};

use crate::clock::Clock;
use crate::fleet::{Fleet, Report};
use crate::store::{Store, StoreError};
use crate::work::Worker;

/// What drivers need.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The agents.
    pub fleet: Fleet,
    /// Work on databases.
    pub worker: Arc<Worker>,
    /// The time.
    pub clock: Clock,
    /// This coordinator's epoch.
    pub epoch: u64,
    /// How long a node may be away before its running step counts as failed.
    pub node_grace: Duration,
    /// Where tasks live.
    pub tasks: TaskTracker,
    /// Cancelled when the coordinator stops.
    pub stop: CancellationToken,
}

/// What watchers of a run are told.
#[derive(Debug, Clone)]
pub enum Update {
    /// The run or a phase changed its state.
    Run(Box<RunView>),
    /// A step changed its state.
    Step(Box<RunStepView>),
    /// How far a step is.
    Progress(StepProgress),
}

/// How far a step is.
#[derive(Debug, Clone)]
pub struct StepProgress {
    /// The step.
    pub step: StepId,
    /// What it is at, for example a table.
    pub detail: String,
    /// Bytes done and in all (0: not known).
    pub bytes: (u64, u64),
    /// Items done and in all (0: not known).
    pub items: (u64, u64),
}

pub(crate) enum Message {
    Control(
        Control,
        tokio::sync::oneshot::Sender<Result<RunView, ControlError>>,
    ),
    Report(Report),
    WorkDone(run::WorkDone),
}

#[derive(Debug, Clone)]
struct Handle {
    plan: Arc<Plan>,
    sender: mpsc::Sender<Message>,
    view: watch::Receiver<RunView>,
    updates: broadcast::Sender<Update>,
}

/// Every open run.
#[derive(Debug)]
pub struct Engine {
    parts: Parts,
    runs: Mutex<BTreeMap<RunId, Handle>>,
}

/// Why a run can't be started or opened.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log does not fold.
    #[error("the log of run {run} is damaged")]
    Damaged {
        /// The run.
        run: RunId,
        /// Why.
        #[source]
        source: super::fold::IllegalTransition,
    },
    /// The plan is gone.
    #[error("plan {0} of an open run is not in the store")]
    PlanMissing(Sha256Hex),
}

impl Engine {
    /// An engine without runs; [`Engine::resume`] opens those of the store.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            runs: Mutex::default(),
        }
    }

    /// Goes on with every run that has not ended.
    ///
    /// # Errors
    /// [`EngineError`] when a log can't be read.
    pub async fn resume(&self) -> Result<usize, EngineError> {
        let mut open = 0;
        for row in self.parts.store.runs().await? {
            if row.ended {
                continue;
            }
            let plan = self
                .parts
                .store
                .plan(&row.plan_hash)
                .await?
                .ok_or_else(|| EngineError::PlanMissing(row.plan_hash.clone()))?;
            self.spawn(row.id, plan).await?;
            open += 1;
        }
        Ok(open)
    }

    /// Starts a run of a stored plan.
    ///
    /// # Errors
    /// [`EngineError`] when the store fails.
    pub async fn start(&self, id: RunId, plan: Plan, operator: String) -> Result<(), EngineError> {
        let hash = self.parts.store.put_plan(&plan).await?;
        self.parts.store.create_run(id, hash, operator).await?;
        self.spawn(id, plan).await
    }

    async fn spawn(&self, id: RunId, plan: Plan) -> Result<(), EngineError> {
        let log = self.parts.store.events(id).await?;
        let state = super::fold::RunState::fold(&plan, &log)
            .map_err(|source| EngineError::Damaged { run: id, source })?;
        let view = super::view::run_view(id, &plan, &state, self.parts.clock.now());
        let (sender, receiver) = mpsc::channel(256);
        let (view_sender, view) = watch::channel(view);
        let updates = broadcast::channel(4096).0;
        let handle = Handle {
            plan: Arc::new(plan.clone()),
            sender: sender.clone(),
            view,
            updates: updates.clone(),
        };
        self.with(|runs| runs.insert(id, handle));
        let driver = run::Driver::new(
            self.parts.clone(),
            id,
            plan,
            state,
            sender,
            receiver,
            view_sender,
            updates,
        );
        self.parts.tasks.spawn(driver.run());
        Ok(())
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<RunId, Handle>) -> T) -> T {
        act(&mut self.runs.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn handle(&self, id: RunId) -> Option<Handle> {
        self.with(|runs| runs.get(&id).cloned())
    }

    /// The run as it stands, if this coordinator opened it.
    #[must_use]
    pub fn view(&self, id: RunId) -> Option<RunView> {
        self.handle(id).map(|handle| handle.view.borrow().clone())
    }

    /// The run as it stands, and everything that happens from then on.
    #[must_use]
    pub fn watch(&self, id: RunId) -> Option<(RunView, broadcast::Receiver<Update>)> {
        let handle = self.handle(id)?;
        // Subscribe first: an update told twice does no harm, one that is missed would.
        let updates = handle.updates.subscribe();
        let view = handle.view.borrow().clone();
        Some((view, updates))
    }

    /// Runs that have not ended.
    #[must_use]
    pub fn open(&self) -> Vec<RunView> {
        let views = self.with(|runs| runs.values().map(|h| h.view.borrow().clone()).collect::<Vec<_>>());
        views.into_iter().filter(|view| !view.state.is_final()).collect()
    }

    /// The plans of the runs that have not ended.
    #[must_use]
    pub fn open_plans(&self) -> Vec<(RunId, Arc<Plan>)> {
        self.with(|runs| {
            let open = runs
                .iter()
                .filter(|(_, handle)| !handle.view.borrow().state.is_final());
            open.map(|(id, handle)| (*id, handle.plan.clone())).collect()
        })
    }

    /// Hands an operator's order to a run.
    ///
    /// # Errors
    /// [`ControlError`] says why the run can't do it now.
    pub async fn control(&self, id: RunId, control: Control) -> Result<RunView, ControlError> {
        let handle = self.handle(id).ok_or(ControlError::Ended)?;
        let gone = || {
            if handle.view.borrow().state.is_final() {
                ControlError::Ended
            } else {
                ControlError::Stopping
            }
        };
        let (reply, answer) = tokio::sync::oneshot::channel();
        handle
            .sender
            .send(Message::Control(control, reply))
            .await
            .map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Hands an agent's report to its run. The report's sender learns when it is durable; a report of a run that has
    /// ended is durable at once, as there is nothing left to decide by it.
    pub async fn report(&self, report: Report) {
        let Some(handle) = self.handle(report.id.run) else {
            tracing::warn!(run.id = %report.id.run, step.id = %report.id.step, "report of an unknown run");
            report.stored.send(()).ok();
            return;
        };
        let unsent = handle.sender.send(Message::Report(report)).await;
        if let Err(mpsc::error::SendError(Message::Report(report))) = unsent
            && handle.view.borrow().state.is_final()
        {
            // Not acknowledged while the run is open: its agent tells it again to the next coordinator.
            report.stored.send(()).ok();
        }
    }
}
