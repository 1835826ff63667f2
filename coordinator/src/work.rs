//! The coordinator's own steps: work on production and staging, under the same rules as node steps. Every action
//! can be run twice.

mod alone;
mod backup;
mod catalog;
mod checkpoint;
mod copy;
mod definitions;
mod delta;
mod fence;
mod finalize;
mod hazards;
mod migrate;
mod probe;
mod progress;
mod rehearsal;
mod repair;
mod synchronise;
mod tablespaces;
mod verify;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use cutover_database::{DatabaseError, DatabaseFacts, Kind, OwnSessions, Target, compatible};
use cutover_proto::ids::{Direction, RunId, StepId};
use cutover_proto::plan::{
    DataMode, DatabaseAction, DatabaseAddress, DatabaseRole, Place, Plan, PlanDatabase, PlanStep, StepAction,
};
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};
use cutover_proto::step::SecretRef;
use secrecy::SecretString;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::blobs::Blobs;
use crate::engine::driver::Update;
use crate::engine::fold::Resolution;
use crate::secrets;
use crate::store::Store;

/// One try of one coordinator step.
#[derive(Debug, Clone)]
pub struct Job {
    /// The run.
    pub run: RunId,
    /// Its plan.
    pub plan: Plan,
    /// The step.
    pub step: PlanStep,
    /// Doing or undoing.
    pub direction: Direction,
    /// The try.
    pub attempt: u32,
    /// Whether an earlier try, or this one before a restart, may have left something behind.
    pub again: bool,
    /// Cancelled by abort, deadline or the coordinator's end.
    pub cancel: CancellationToken,
    /// Watchers of the run.
    pub updates: broadcast::Sender<Update>,
    /// Evidence of the steps before.
    pub receipts: BTreeMap<StepId, Receipt>,
    /// What operators decided about statements of its scripts.
    pub resolved: Vec<Resolution>,
}

/// Carries coordinator steps out.
#[derive(Debug)]
pub struct Worker {
    backup_dir: PathBuf,
    blobs: Blobs,
    store: Arc<dyn Store>,
    own: OwnSessions,
    /// Tables whose files are being copied: the lock lives as long as the connection that holds it.
    exports: tablespaces::Exports,
}

impl Worker {
    /// A worker that keeps database backups in this folder.
    #[must_use]
    pub fn new(backup_dir: PathBuf, blobs: Blobs, store: Arc<dyn Store>) -> Self {
        Self {
            backup_dir,
            blobs,
            store,
            own: OwnSessions::new(),
            exports: tablespaces::Exports::default(),
        }
    }

    /// Carries a step out, or takes it back.
    ///
    /// # Errors
    /// What failed, why, and what to do next.
    pub async fn carry_out(&self, job: Job) -> StepOutcome {
        let cancel = job.cancel.clone();
        let is_migration = matches!(
            job.step.action,
            StepAction::Database(DatabaseAction::Migrate { .. })
        ) && job.direction == Direction::Do;
        let work = Box::pin(self.act(&job));
        if is_migration {
            // A script stops between two statements by itself; dropping it inside one would leave its outcome open.
            return work.await;
        }
        tokio::select! {
            outcome = work => outcome,
            () = cancel.cancelled() => Err(StepError::new(
                ErrorCode::Cancelled,
                "the step was cancelled",
                "its deadline passed, the run is aborted, or the coordinator stops",
                "retry, or abort",
            )),
        }
    }

    async fn act(&self, job: &Job) -> StepOutcome {
        let action = match &job.step.action {
            StepAction::Finalize => return self.finalize(job).await,
            StepAction::Node(_) => return Err(defect("a node's step was given to the coordinator")),
            StepAction::Database(action) => action,
        };
        let Place::Database(name) = &job.step.place else {
            return Err(defect("a database step has no database"));
        };
        let database = job
            .plan
            .database(name)
            .ok_or_else(|| defect("a step names a database that the plan lacks"))?;
        match job.direction {
            Direction::Do => self.do_action(job, database, action).await,
            Direction::Undo => self.undo_action(job, database, action).await,
        }
    }

    async fn do_action(&self, job: &Job, database: &PlanDatabase, action: &DatabaseAction) -> StepOutcome {
        match action {
            DatabaseAction::Verify => self.verify(database).await,
            DatabaseAction::ProveAlone { role } => self.prove_alone(job, database, *role).await,
            DatabaseAction::Backup => self.back_up(job, database).await,
            DatabaseAction::Migrate { role } => self.migrate(job, database, *role).await,
            DatabaseAction::Copy { serving } => self.copy(job, database, *serving).await,
            DatabaseAction::ExportTables { tables } => self.export_tables(job, database, tables).await,
            DatabaseAction::CaptureManifest => tried(job, self.capture_manifest(job, database).await),
            DatabaseAction::BringDelta { fenced } => {
                tried(job, self.bring_delta(job, database, *fenced).await)
            }
            DatabaseAction::Compare { migrated: false } => self.compare(job, database).await,
            DatabaseAction::Compare { migrated: true } => {
                tried(job, self.compare_migrated(job, database).await)
            }
            DatabaseAction::Repair {
                role,
                checks,
                primary_domain,
            } => self.repair(job, database, *role, checks, primary_domain).await,
            DatabaseAction::Checkpoint { role, checks } => {
                self.checkpoint(job, database, *role, checks).await
            }
            DatabaseAction::ProveServing { nodes } => self.prove_serving(job, database, *nodes).await,
            DatabaseAction::Fence { accounts, proof } => {
                self.fence(job, database, accounts, proof.as_ref()).await
            }
            DatabaseAction::Synchronise { fenced } => self.synchronise(job, database, *fenced).await,
            DatabaseAction::MakeScratch { .. } => self.make_scratch(job, database).await,
            DatabaseAction::DropScratch => self.drop_scratch(job, database).await,
        }
    }

    async fn undo_action(&self, job: &Job, database: &PlanDatabase, action: &DatabaseAction) -> StepOutcome {
        match action {
            DatabaseAction::Migrate { role } => self.unmigrate(job, database, *role).await,
            DatabaseAction::Copy { .. } => self.empty_staging(job, database).await,
            DatabaseAction::ExportTables { .. } => self.give_up_export(job, database).await,
            DatabaseAction::Fence { .. } => self.unfence(job, database).await,
            DatabaseAction::MakeScratch { keep } => self.give_up_scratch(job, database, *keep).await,
            DatabaseAction::Verify
            | DatabaseAction::ProveAlone { .. }
            | DatabaseAction::Backup
            | DatabaseAction::CaptureManifest
            | DatabaseAction::BringDelta { .. }
            | DatabaseAction::Compare { .. }
            | DatabaseAction::Repair { .. }
            | DatabaseAction::Checkpoint { .. }
            | DatabaseAction::ProveServing { .. }
            | DatabaseAction::Synchronise { .. }
            | DatabaseAction::DropScratch => Ok(Receipt::new().with("undo", "nothing to undo")),
        }
    }
}

/// A rehearsal tries the way `delta` also for a plan that takes another: what fails of it is told, and fails nothing else.
fn tried(job: &Job, outcome: StepOutcome) -> StepOutcome {
    let takes_another = job
        .plan
        .data
        .as_ref()
        .is_some_and(|data| data.mode != DataMode::Delta);
    match outcome {
        Err(error) if job.plan.rehearses.is_some() && takes_another && error.code != ErrorCode::Cancelled => {
            Ok(Receipt::new().with(rehearsal::UNAVAILABLE, error))
        }
        outcome => outcome,
    }
}

fn defect(what: &str) -> StepError {
    StepError::new(
        ErrorCode::Internal,
        what,
        "this is a defect in Cutover",
        "report it with the run's audit export",
    )
}

/// The database that an address names, with its password.
fn target(address: &DatabaseAddress) -> Result<Target, StepError> {
    let password = secret(&address.password, &address.url)?;
    Target::parse(&address.url, password).map_err(|error| {
        StepError::new(
            ErrorCode::DatabaseRefused,
            "a database URL can't be read",
            error.to_string(),
            "plan again",
        )
    })
}

fn secret(reference: &SecretRef, of: &str) -> Result<SecretString, StepError> {
    secrets::resolve(reference).map_err(|error| {
        let source = std::error::Error::source(&error)
            .map(|s| format!(" ({s})"))
            .unwrap_or_default();
        StepError::new(
            ErrorCode::SecretUnavailable,
            format!("the password for {of} can't be read"),
            format!("{error}{source}"),
            "make it readable for the coordinator, then retry",
        )
    })
}

fn target_of(database: &PlanDatabase, role: DatabaseRole) -> Result<Target, StepError> {
    target(match role {
        DatabaseRole::Production => &database.production,
        DatabaseRole::Staging => &database.staging,
    })
}

/// A database error as a step's.
fn failed(error: &DatabaseError) -> StepError {
    let code = match error.kind() {
        Kind::Unreachable | Kind::WrongPassword | Kind::UnknownDatabase | Kind::Tls | Kind::Full => {
            ErrorCode::DatabaseUnavailable
        }
        Kind::Denied | Kind::Statement | Kind::Tool | Kind::Refused => ErrorCode::DatabaseRefused,
        Kind::SessionsHidden => ErrorCode::ForeignSessions,
        Kind::File => ErrorCode::Io,
        Kind::Integrity => ErrorCode::NotEqual,
    };
    let mut why = error.why().to_owned();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let text = cause.to_string();
        if !why.contains(&text) {
            why = format!("{why}: {text}");
        }
        source = cause.source();
    }
    StepError::new(
        code,
        format!("work on {} failed", error.target()),
        why,
        error.remedy(),
    )
}

/// What proves that a database is the one the plan was made for, whatever name it is reached by.
fn identity(facts: &DatabaseFacts) -> String {
    let server = &facts.server;
    let of = |part: &Option<String>| part.clone().unwrap_or_default();
    let server = match &server.unique {
        Some(unique) => unique.clone(),
        None => [
            of(&server.cluster),
            of(&server.host),
            of(&server.port),
            of(&server.data_directory),
        ]
        .join("|"),
    };
    format!("{}:{server}/{}", facts.engine, facts.database)
}

/// Refuses a staging that can't take production's place.
fn compatible_or_refused(
    database: &PlanDatabase,
    production: &DatabaseFacts,
    staging: &DatabaseFacts,
) -> Result<(), StepError> {
    let problems = compatible(production, staging);
    if problems.is_empty() {
        return Ok(());
    }
    let why: Vec<String> = problems.iter().map(|problem| problem.text.clone()).collect();
    let next: Vec<String> = problems.iter().map(|problem| problem.remedy.clone()).collect();
    Err(StepError::new(
        ErrorCode::DatabaseRefused,
        format!("staging of database {} can't become production", database.name),
        why.join("; "),
        format!("{}; then retry", next.join("; ")),
    ))
}

/// Refuses a database that is not the one the plan was made for.
fn same_identity(facts: &DatabaseFacts, planned: &str, role: DatabaseRole) -> Result<(), StepError> {
    let found = identity(facts);
    if found == planned {
        return Ok(());
    }
    Err(StepError::new(
        ErrorCode::DatabaseRefused,
        format!("the {role} database is another one than when the plan was made"),
        format!("found {found}, planned {planned}"),
        "find out which server answers at this address now; plan again if it is the right one",
    ))
}
