//! Runs: start, look, watch, order.

use std::collections::BTreeSet;

use cutover_proto::audit::AuditEntry;
use cutover_proto::convert::{document, from_document};
use cutover_proto::ids::{NodeName, RunId, StepId};
use cutover_proto::pb;
use cutover_proto::plan::{PLAN_SCHEMA, Plan, PlanDatabase};
use cutover_proto::step::NodeAction;
use cutover_proto::view::{RunSummary, RunView, StepStateView};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio_stream::wrappers::BroadcastStream;
use tonic::Status;

use super::rehearsals::Begins;
use crate::app::App;
use crate::engine::driver::{Control, ControlKind, StepProgress, Update};
use crate::engine::fold::RunState;
use crate::engine::view::run_view;
use crate::model::selector::Selector;
use crate::planner::{adhoc, window};
use crate::rpc::status::RpcError;
use crate::store::RunRow;

type Watch = BoxStream<'static, Result<pb::WatchRunResponse, Status>>;

impl App {
    pub(super) async fn get_plan(&self, text: &str) -> Result<pb::Document, RpcError> {
        Ok(document(PLAN_SCHEMA, &self.stored_plan(text).await?))
    }

    /// A plan by its hash, or an unambiguous beginning of it of eight digits or more.
    pub(super) async fn stored_plan(&self, text: &str) -> Result<Plan, RpcError> {
        let text = text.to_ascii_lowercase();
        if text.len() < 8 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(RpcError::Invalid(format!(
                "`{text}` is not the hash of a plan: write at least its first 8 hex digits, as `cutover plan` prints them"
            )));
        }
        let missing = || {
            RpcError::NotFound(format!(
                "there is no plan {text}; make it with `cutover plan FILE`"
            ))
        };
        match self.store.plan_hashes(&text).await?.as_slice() {
            [] => Err(missing()),
            [hash] => self.store.plan(hash).await?.ok_or_else(missing),
            several => Err(RpcError::Invalid(format!(
                "`{text}` is the beginning of {} plans; write more of it",
                several.len()
            ))),
        }
    }

    pub(super) async fn apply(
        &self,
        request: pb::ApplyRequest,
        operator: String,
    ) -> Result<pb::ApplyResponse, RpcError> {
        let plan = match request.source {
            Some(pb::apply_request::Source::PlanHash(text)) => self.stored_plan(&text).await?,
            Some(pb::apply_request::Source::Plan(sent)) => {
                let plan: Plan = from_document(PLAN_SCHEMA, &sent)
                    .map_err(|error| RpcError::Invalid(error.to_string()))?;
                // A plan of someone's own making was never checked against the fleet: only what this coordinator
                // compiled is applied.
                self.stored_plan(plan.hash().as_str()).await?
            }
            None => return Err(RpcError::Invalid("name a plan".into())),
        };
        let begins = if copies_online(&plan) {
            Begins::Later
        } else {
            self.window_is_open(&plan)?;
            Begins::Now
        };
        self.fits_the_rehearsal(&plan, begins, &request.window_anyway, &operator)
            .await?;
        self.start_run(plan, operator).await
    }

    fn window_is_open(&self, plan: &Plan) -> Result<(), RpcError> {
        let Some(wanted) = &plan.window else { return Ok(()) };
        window::check(&wanted.open, &wanted.length, self.clock.now()).map_err(|next| {
            RpcError::Refused(format!(
                "the maintenance window ({} for {}) is closed; it opens next at {next}",
                wanted.open, wanted.length
            ))
        })
    }

    /// The data may be copied at any time; the window is for the downtime, which an approval begins.
    async fn may_begin_downtime(&self, run: &RunRow, anyway: &str, operator: &str) -> Result<(), RpcError> {
        let Some(plan) = self.store.plan(&run.plan_hash).await? else {
            return Ok(());
        };
        let view = self.view_of(run).await?;
        let next = view.phases.iter().find(|phase| phase.approval_missing);
        if copies_online(&plan) && next.is_some_and(|phase| phase.name == QUIESCE) {
            self.window_is_open(&plan)?;
            self.fits_the_rehearsal(&plan, Begins::Now, anyway, operator)
                .await?;
        }
        Ok(())
    }

    pub(super) async fn start_run(
        &self,
        plan: Plan,
        operator: String,
    ) -> Result<pb::ApplyResponse, RpcError> {
        // One at a time: two that look at the open runs at once would not see each other.
        let _turn = self.starting.lock().await;
        for (id, open) in self.engine.open_plans() {
            if let Some(shared) = overlap(&plan, &open) {
                return Err(RpcError::Refused(format!(
                    "run {id} ({}) is still open on {shared}; finish or abort it first: cutover status {id}",
                    open.name
                )));
            }
        }
        let id = RunId::new(uuid::Uuid::now_v7());
        self.engine.start(id, plan, operator).await?;
        Ok(pb::ApplyResponse { run: id.to_string() })
    }

    /// A run by its id, an unambiguous beginning of it, or the upgrade's name (its newest run).
    pub(super) async fn find_run(&self, text: &str) -> Result<RunRow, RpcError> {
        let runs = self.store.runs().await?;
        if text.is_empty() {
            return Err(RpcError::Invalid("name a run".into()));
        }
        let by_id: Vec<&RunRow> = runs
            .iter()
            .filter(|run| run.id.to_string().starts_with(text))
            .collect();
        match by_id.as_slice() {
            [run] => return Ok((*run).clone()),
            [] => {}
            several => {
                return Err(RpcError::Invalid(format!(
                    "`{text}` is the beginning of {} runs; write more of it",
                    several.len()
                )));
            }
        }
        for run in runs.iter().rev() {
            if self
                .store
                .plan(&run.plan_hash)
                .await?
                .is_some_and(|plan| plan.name == text)
            {
                return Ok(run.clone());
            }
        }
        Err(RpcError::NotFound(format!(
            "there is no run `{text}`; `cutover status` lists them"
        )))
    }

    async fn view_of(&self, run: &RunRow) -> Result<RunView, RpcError> {
        if let Some(view) = self.engine.view(run.id) {
            return Ok(view);
        }
        let missing = || RpcError::NotFound(format!("the plan of run {} is not in the store", run.id));
        let plan = self.store.plan(&run.plan_hash).await?.ok_or_else(missing)?;
        let log = self.store.events(run.id).await?;
        let state = RunState::fold(&plan, &log)
            .map_err(|error| RpcError::Trust(format!("the log of run {} is damaged: {error}", run.id)))?;
        Ok(run_view(run.id, &plan, &state, self.clock.now()))
    }

    pub(super) async fn get_run(&self, text: &str) -> Result<pb::Document, RpcError> {
        let run = self.find_run(text).await?;
        Ok(document("run/1", &self.view_of(&run).await?))
    }

    pub(super) async fn list_runs(&self) -> Result<pb::Document, RpcError> {
        let mut list = Vec::new();
        for run in self.store.runs().await? {
            let view = self.view_of(&run).await?;
            let steps: Vec<StepStateView> = view
                .phases
                .iter()
                .flat_map(|phase| &phase.steps)
                .map(|step| step.state)
                .collect();
            let done = steps
                .iter()
                .filter(|s| matches!(s, StepStateView::Succeeded | StepStateView::Skipped))
                .count();
            list.push(RunSummary {
                id: view.id,
                name: view.name,
                guide: view.guide,
                state: view.state,
                started: view.started,
                done: u64::try_from(done).unwrap_or(0),
                steps: u64::try_from(steps.len()).unwrap_or(0),
            });
        }
        Ok(document("run-list/1", &list))
    }

    pub(super) async fn watch_run(&self, text: &str) -> Result<Watch, RpcError> {
        let run = self.find_run(text).await?;
        let Some((view, updates)) = self.engine.watch(run.id) else {
            let view = self.view_of(&run).await?;
            return Ok(stream::iter([Ok(run_message(&view))]).boxed());
        };
        let ended = view.state.is_final();
        let first = stream::iter([Ok(run_message(&view))]);
        if ended {
            return Ok(first.boxed());
        }
        let stop = self.stop.clone();
        let rest = BroadcastStream::new(updates)
            .map(|update| match update {
                Ok(update) => Ok((is_end(&update), message(update))),
                // Fell behind: the watcher asks again and gets the whole state.
                Err(_) => Err(Status::data_loss("too slow; watch again")),
            })
            .scan(false, |over, item| {
                if *over {
                    return futures::future::ready(None);
                }
                let (end, item) = match item {
                    Ok((end, message)) => (end, Ok(message)),
                    Err(status) => (true, Err(status)),
                };
                *over = end;
                futures::future::ready(Some(item))
            })
            .take_until(async move { stop.cancelled().await });
        Ok(first.chain(rest).boxed())
    }

    /// Rows that the run could not bring into a staging that was migrated first.
    pub(super) async fn list_dead_letters(
        &self,
        text: &str,
        operator: &str,
    ) -> Result<pb::Document, RpcError> {
        let run = self.find_run(text).await?;
        let missing = || RpcError::NotFound(format!("the plan of run {} is not in the store", run.id));
        let plan = self.store.plan(&run.plan_hash).await?.ok_or_else(missing)?;
        let letters = Box::pin(self.worker.dead_letters(&plan))
            .await
            .map_err(RpcError::Work)?;
        // Rows of production are read: who did is kept.
        let entry = AuditEntry {
            actor: format!("operator:{operator}"),
            action: "dead-letters.shown".into(),
            run: Some(run.id.to_string()),
            evidence: [("rows".to_owned(), letters.len().to_string())].into(),
            ..AuditEntry::default()
        };
        self.store.audit(vec![entry]).await?;
        Ok(document("dead-letters/1", &letters))
    }

    pub(super) async fn control_run(
        &self,
        request: pb::ControlRunRequest,
        operator: String,
    ) -> Result<pb::Document, RpcError> {
        let run = self.find_run(&request.run).await?;
        let kind = control_kind(&request)?;
        if kind == ControlKind::Approve {
            self.may_begin_downtime(&run, &request.window_anyway, &operator)
                .await?;
        }
        let control = Control {
            operator,
            reason: request.reason,
            kind,
        };
        let view = self.engine.control(run.id, control).await?;
        Ok(document("run/1", &view))
    }

    pub(super) async fn do_action(
        &self,
        request: pb::DoActionRequest,
        operator: String,
    ) -> Result<pb::ApplyResponse, RpcError> {
        let nodes: Vec<NodeName> = self
            .select(&Selector::parse(&request.selector)?)
            .await?
            .into_iter()
            .map(|node| node.name)
            .collect();
        if nodes.is_empty() {
            return Err(RpcError::NotFound(format!(
                "`{}` selects no node; `cutover node list` shows them",
                request.selector
            )));
        }
        let kind = pb::DoKind::try_from(request.kind).unwrap_or(pb::DoKind::Unspecified);
        if kind != pb::DoKind::Inspect && !request.home.starts_with('/') {
            return Err(RpcError::Invalid("name the home with --home /PATH".into()));
        }
        let home = request.home.clone();
        let grace_secs = if request.grace_secs == 0 {
            180
        } else {
            request.grace_secs
        };
        let (name, actions) = match kind {
            pb::DoKind::Inspect => (
                "do-inspect",
                vec![NodeAction::Inspect {
                    homes: Vec::from_iter((!home.is_empty()).then_some(home)),
                }],
            ),
            pb::DoKind::Stop => (
                "do-stop",
                vec![
                    NodeAction::StopServer {
                        home: home.clone(),
                        grace_secs,
                        kill: false,
                    },
                    NodeAction::ProveStopped { home },
                ],
            ),
            pb::DoKind::Start => (
                "do-start",
                vec![
                    NodeAction::ReleaseHold { home: home.clone() },
                    NodeAction::StartServer { home: home.clone() },
                    NodeAction::ProveReady {
                        home,
                        timeout_secs: 600,
                        admin: None,
                    },
                ],
            ),
            pb::DoKind::Backup => {
                let stamp = self.clock.now().strftime("%Y%m%dT%H%M%SZ").to_string();
                (
                    "do-backup",
                    vec![NodeAction::BackupHome {
                        home,
                        name: format!("manual-{stamp}"),
                    }],
                )
            }
            pb::DoKind::Release => ("do-release", vec![NodeAction::ReleaseHold { home }]),
            pb::DoKind::Unspecified => return Err(RpcError::Invalid("name an action".into())),
        };
        let plan = adhoc::plan(name, &nodes, &actions);
        self.start_run(plan, operator).await
    }
}

/// The phase that stops the servers.
const QUIESCE: &str = "quiesce";

/// Whether the plan copies while production serves, and stops the servers only when a person agrees.
fn copies_online(plan: &Plan) -> bool {
    plan.data.as_ref().is_some_and(|data| data.mode.is_online())
}

/// A node or a database that both plans work on. Databases are known by their identity: two files may call one by
/// different names, and one run's staging may be another one's production.
fn overlap(plan: &Plan, open: &Plan) -> Option<String> {
    let nodes = |plan: &Plan| -> BTreeSet<String> { plan.nodes.iter().map(ToString::to_string).collect() };
    let databases = |plan: &Plan| -> BTreeSet<String> {
        let of = |database: &PlanDatabase| {
            [
                database.production_identity.clone(),
                database.staging_identity.clone(),
            ]
        };
        plan.databases.iter().flat_map(of).collect()
    };
    let node = nodes(plan)
        .intersection(&nodes(open))
        .next()
        .map(|node| format!("node {node}"));
    node.or_else(|| {
        databases(plan)
            .intersection(&databases(open))
            .next()
            .map(|name| format!("database {name}"))
    })
}

fn control_kind(request: &pb::ControlRunRequest) -> Result<ControlKind, RpcError> {
    let step = || -> Result<Option<StepId>, RpcError> {
        if request.step.is_empty() {
            return Ok(None);
        }
        let parsed = request.step.parse();
        parsed
            .map(Some)
            .map_err(|e: cutover_proto::ids::InvalidId| RpcError::Invalid(e.to_string()))
    };
    match pb::ControlKind::try_from(request.kind).unwrap_or(pb::ControlKind::Unspecified) {
        pb::ControlKind::Pause => Ok(ControlKind::Pause),
        pb::ControlKind::Resume => Ok(ControlKind::Resume),
        pb::ControlKind::Retry => Ok(ControlKind::Retry(step()?)),
        pb::ControlKind::Skip => {
            let step =
                step()?.ok_or_else(|| RpcError::Invalid("name the step to leave out with --step".into()))?;
            Ok(ControlKind::Skip(step))
        }
        pb::ControlKind::Abort => Ok(ControlKind::Abort),
        pb::ControlKind::Approve => Ok(ControlKind::Approve),
        pb::ControlKind::Unspecified => Err(RpcError::Invalid("name what to do with the run".into())),
    }
}

fn is_end(update: &Update) -> bool {
    match update {
        Update::Run(view) => view.state.is_final(),
        Update::Step(_) | Update::Progress(_) => false,
    }
}

fn run_message(view: &RunView) -> pb::WatchRunResponse {
    pb::WatchRunResponse {
        kind: Some(pb::watch_run_response::Kind::Run(document("run/1", view))),
    }
}

fn message(update: Update) -> pb::WatchRunResponse {
    let kind = match update {
        Update::Run(view) => return run_message(&view),
        Update::Step(step) => pb::watch_run_response::Kind::Step(document("run-step/1", &step)),
        Update::Progress(progress) => pb::watch_run_response::Kind::Progress(progress_message(progress)),
    };
    pb::WatchRunResponse { kind: Some(kind) }
}

fn progress_message(progress: StepProgress) -> pb::StepProgress {
    pb::StepProgress {
        step: progress.step.to_string(),
        detail: progress.detail,
        done_bytes: progress.bytes.0,
        total_bytes: progress.bytes.1,
        done_items: progress.items.0,
        total_items: progress.items.1,
    }
}

#[cfg(test)]
mod tests {
    use cutover_proto::plan::DatabaseAddress;
    use cutover_proto::step::SecretRef;

    use super::*;
    use crate::engine::testing::plan;

    fn on(node: &str, production: &str, staging: &str) -> Plan {
        let address = || DatabaseAddress {
            url: String::new(),
            password: SecretRef(String::new()),
        };
        let database = PlanDatabase {
            may_lose: Vec::new(),
            delta: None,
            tablespaces: None,
            name: node.to_owned(),
            datasource: String::new(),
            engine: "mysql".into(),
            production: address(),
            staging: address(),
            application: None,
            scripts: Vec::new(),
            scripts_why: String::new(),
            production_identity: production.into(),
            staging_identity: staging.into(),
        };
        Plan {
            nodes: vec![node.parse().unwrap()],
            databases: vec![database],
            ..plan()
        }
    }

    #[test]
    fn runs_when_they_share_a_node_or_a_database_under_any_name_then_they_overlap() {
        let open = on("n1", "p", "s");
        assert_eq!(overlap(&on("n1", "a", "b"), &open).as_deref(), Some("node n1"));
        assert_eq!(overlap(&on("n2", "p", "b"), &open).as_deref(), Some("database p"));
        // The staging of one run is the production of the other.
        assert_eq!(overlap(&on("n2", "s", "b"), &open).as_deref(), Some("database s"));
        assert_eq!(overlap(&on("n2", "a", "b"), &open), None);
    }
}
