//! Backups of databases: listed, proven again, restored into an empty database.

use std::sync::{Arc, PoisonError};

use cutover_database::Target;
use cutover_proto::audit::AuditEntry;
use cutover_proto::convert::document;
use cutover_proto::ids::RunId;
use cutover_proto::pb;
use cutover_proto::pb::backup_work_response::Kind;
use cutover_proto::plan::{DatabaseAddress, Plan};
use cutover_proto::report::{ErrorCode, StepError};
use cutover_proto::step::SecretRef;
use cutover_proto::view::RestoreView;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::app::App;
use crate::rpc::status::RpcError;

/// What a client that follows is sent.
pub(super) type BackupWork = BoxStream<'static, Result<pb::BackupWorkResponse, Status>>;

/// Tells a client how far the work is, as fast as it listens.
struct Teller(mpsc::Sender<Result<pb::BackupWorkResponse, Status>>);

impl Teller {
    fn tell(&self, detail: &str, done: u64, total: Option<u64>) {
        let progress = pb::StepProgress {
            detail: detail.to_owned(),
            done_bytes: done,
            total_bytes: total.unwrap_or(0),
            ..pb::StepProgress::default()
        };
        let kind = Some(Kind::Progress(progress));
        // What does not go in now is superseded by what comes next.
        self.0.try_send(Ok(pb::BackupWorkResponse { kind })).ok();
    }
}

/// What is done with a backup, and for whom.
struct Work {
    action: &'static str,
    operator: String,
    run: RunId,
    name: String,
    arguments: Vec<(&'static str, String)>,
}

/// A backup's place among those that are worked on, left when dropped.
struct Busy {
    app: Arc<App>,
    key: String,
}

impl Busy {
    fn enter(app: Arc<App>, key: String) -> Option<Self> {
        let mut busy = app.busy_backups.lock().unwrap_or_else(PoisonError::into_inner);
        let entered = busy.insert(key.clone());
        drop(busy);
        entered.then_some(Busy { app, key })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut busy = self
            .app
            .busy_backups
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        busy.remove(&self.key);
    }
}

impl App {
    pub(super) async fn list_backups(&self) -> Result<pb::Document, RpcError> {
        let mut list = Vec::new();
        for run in self.store.runs().await? {
            let plan = self.store.plan(&run.plan_hash).await?;
            let name = plan.map(|plan| plan.name).unwrap_or_default();
            list.extend(self.worker.backups(run.id, &name).map_err(RpcError::Work)?);
        }
        Ok(document("backup-list/1", &list))
    }

    /// `RUN/DATABASE`, as the list shows it; the run may be named as elsewhere.
    async fn find_backup(&self, text: &str) -> Result<(RunId, String, Plan), RpcError> {
        let (run, name) = text.rsplit_once('/').ok_or_else(|| {
            RpcError::Invalid(format!(
                "`{text}` names no backup: write RUN/DATABASE as `cutover backup list` shows it"
            ))
        })?;
        let run = self.find_run(run).await?;
        let plan =
            self.store.plan(&run.plan_hash).await?.ok_or_else(|| {
                RpcError::NotFound(format!("the plan of run {} is not in the store", run.id))
            })?;
        Ok((run.id, name.to_owned(), plan))
    }

    pub(super) async fn verify_backup(
        self: Arc<Self>,
        text: &str,
        operator: String,
    ) -> Result<BackupWork, RpcError> {
        let (run, name, plan) = self.find_backup(text).await?;
        let database = plan
            .database(&name)
            .ok_or_else(|| RpcError::NotFound(format!("run {run} has no database `{name}`")))?
            .clone();
        let work = Work {
            action: "backup.verified",
            operator,
            run,
            name: name.clone(),
            arguments: Vec::new(),
        };
        let app = self.clone();
        self.backup_work(work, async move |teller: Teller| {
            let told = |done, total| teller.tell("restore drill", done, total);
            Box::pin(app.worker.verify_backup(run, &name, &database, &told)).await
        })
    }

    /// Work that a client follows. It goes on to its end, and into the audit trail, when the client leaves; when the
    /// coordinator stops, it is broken off, and that is in the trail.
    fn backup_work<F, Fut>(self: Arc<Self>, work: Work, begin: F) -> Result<BackupWork, RpcError>
    where
        F: FnOnce(Teller) -> Fut,
        Fut: Future<Output = Result<RestoreView, StepError>> + Send + 'static,
    {
        let key = format!("{}/{}", work.run, work.name);
        // A second one would drop the first one's scratch database under its hands.
        let busy = Busy::enter(self.clone(), key.clone()).ok_or_else(|| {
            RpcError::Refused(format!(
                "backup {key} is being verified or restored already; wait for its end, the audit trail says what came of it"
            ))
        })?;
        let (sender, receiver) = mpsc::channel(16);
        let doing = begin(Teller(sender.clone()));
        let app = self.clone();
        self.tasks.spawn(async move {
            let done = tokio::select! {
                done = doing => done,
                () = app.stop.cancelled() => Err(StepError::new(
                    ErrorCode::Cancelled,
                    format!("the work on backup {key} was broken off"),
                    "the coordinator stops",
                    "give the command again when it runs; a restored part must be removed first",
                )),
            };
            drop(busy);
            let told = app.told(&work, &done).await;
            let done = told.and_then(|()| done.map_err(RpcError::Work));
            let answer = done.map(|view| pb::BackupWorkResponse {
                kind: Some(Kind::Done(document("backup-restored/1", &view))),
            });
            // Nobody may be listening any more.
            sender.send(answer.map_err(Status::from)).await.ok();
        });
        Ok(ReceiverStream::new(receiver).boxed())
    }

    pub(super) async fn restore_backup(
        self: Arc<Self>,
        request: &pb::RestoreBackupRequest,
        operator: String,
    ) -> Result<BackupWork, RpcError> {
        let (run, name, _) = self.find_backup(&request.backup).await?;
        if request.reason.trim().is_empty() {
            return Err(RpcError::Invalid(
                "restoring a backup needs a reason; it is kept in the audit trail".into(),
            ));
        }
        if !crate::secrets::is_reference(&request.password) {
            return Err(RpcError::Invalid(
                "name the password by a reference such as file:/etc/cutover/db1.pw".into(),
            ));
        }
        let address = DatabaseAddress {
            url: request.url.clone(),
            password: SecretRef(request.password.clone()),
        };
        let (into, identity) = Box::pin(self.worker.restore_target(&address))
            .await
            .map_err(RpcError::Work)?;
        self.may_be_written(&into, &identity, &request.confirm)?;
        let arguments = [("into", into.to_string()), ("reason", request.reason.clone())];
        let work = Work {
            action: "backup.restored",
            operator,
            run,
            name: name.clone(),
            arguments: arguments.into(),
        };
        let app = self.clone();
        self.backup_work(work, async move |teller: Teller| {
            let told = |done, total| teller.tell("restore", done, total);
            Box::pin(app.worker.restore_backup(run, &name, &into, &told)).await
        })
    }

    /// The operator named the database a second time, and no open run works on it.
    fn may_be_written(&self, into: &Target, identity: &str, confirm: &str) -> Result<(), RpcError> {
        if confirm != into.database {
            return Err(RpcError::Invalid(format!(
                "the database is `{}`, `{confirm}` was confirmed: nothing was restored",
                into.database
            )));
        }
        for (id, plan) in self.engine.open_plans() {
            let used = plan
                .databases
                .iter()
                .any(|d| d.production_identity == identity || d.staging_identity == identity);
            if used {
                return Err(RpcError::Refused(format!(
                    "run {id} ({}) works on that database; finish or abort it first",
                    plan.name
                )));
            }
        }
        Ok(())
    }

    async fn told(&self, work: &Work, done: &Result<RestoreView, StepError>) -> Result<(), RpcError> {
        let evidence = match done {
            Ok(view) => vec![
                ("sha256".to_owned(), view.sha256.clone()),
                ("tables".to_owned(), view.tables.to_string()),
                ("rows".to_owned(), view.rows.to_string()),
            ],
            Err(_) => Vec::new(),
        };
        let entry = AuditEntry {
            actor: format!("operator:{}", work.operator),
            action: work.action.to_owned(),
            run: Some(work.run.to_string()),
            database: Some(work.name.clone()),
            arguments: work
                .arguments
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone()))
                .collect(),
            result: Some(match done {
                Ok(_) => "ok".to_owned(),
                Err(error) => format!("{}: {error}", error.code),
            }),
            millis: done.as_ref().ok().map(|view| view.millis),
            evidence: evidence.into_iter().collect(),
            ..AuditEntry::default()
        };
        self.store.audit(vec![entry]).await?;
        Ok(())
    }
}
