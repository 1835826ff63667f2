//! The scratch databases of a rehearsal, and what it measured.

use cutover_database::{Target, drop_scratch, facts, make_scratch, scratch_exists};
use cutover_proto::audit::AuditEntry;
use cutover_proto::ids::Sha256Hex;
use cutover_proto::plan::{DatabaseAction, DatabaseRole, Plan, PlanDatabase, StepAction};
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};
use cutover_proto::view::{RehearsalView, RehearsedStep};

use super::fence::store_failed;
use super::{Job, Worker, compatible_or_refused, defect, failed, same_identity, target, target_of};
use crate::engine::event::{Event, EventRecord};
use crate::planner::forecast::{self, FleetSize};

/// Notes of scratch databases: a name that stands here was made by this coordinator and may be dropped.
const SCOPE: &str = "scratch";

impl Worker {
    pub(super) async fn make_scratch(&self, job: &Job, database: &PlanDatabase) -> StepOutcome {
        let original = self.rehearsed(job).await?;
        let production = facts(&target_of(database, DatabaseRole::Production)?)
            .await
            .map_err(|e| failed(&e))?;
        same_identity(
            &production,
            &database.production_identity,
            DatabaseRole::Production,
        )?;
        let scratch = target_of(database, DatabaseRole::Staging)?;
        let server = server_of(&original, database)?;
        let staging = facts(&server).await.map_err(|e| failed(&e))?;
        let planned = original
            .database(&database.name)
            .ok_or_else(|| defect("the rehearsed plan lacks a database"))?;
        same_identity(&staging, &planned.staging_identity, DatabaseRole::Staging)?;
        let left = self.remove_left(&server, database, &scratch).await?;
        let entry = AuditEntry {
            actor: "coordinator".into(),
            action: "scratch.made".into(),
            run: Some(job.run.to_string()),
            database: Some(database.name.clone()),
            step: Some(job.step.id.to_string()),
            arguments: [("name".to_owned(), scratch.database.clone())].into(),
            ..AuditEntry::default()
        };
        // Written down before it is made: a database without this note is never dropped.
        self.store
            .put_note(
                SCOPE,
                &database.staging_identity,
                serde_json::json!({ "run": job.run }),
                vec![entry],
            )
            .await
            .map_err(|e| store_failed(&e))?;
        make_scratch(&server, &production, &scratch.database)
            .await
            .map_err(|e| failed(&e))?;
        let made = facts(&scratch).await.map_err(|e| failed(&e))?;
        same_identity(&made, &database.staging_identity, DatabaseRole::Staging)?;
        compatible_or_refused(database, &production, &made)?;
        Ok(Receipt::new()
            .with("scratch", &scratch)
            .with("removed_first", left)
            .with("bytes", production.data_bytes))
    }

    /// Removes what an earlier rehearsal, or this one before a crash, left under the same name.
    async fn remove_left(
        &self,
        server: &Target,
        database: &PlanDatabase,
        scratch: &Target,
    ) -> Result<bool, StepError> {
        if !scratch_exists(server, &scratch.database)
            .await
            .map_err(|e| failed(&e))?
        {
            return Ok(false);
        }
        let ours = self
            .store
            .note(SCOPE, &database.staging_identity)
            .await
            .map_err(|e| store_failed(&e))?;
        if ours.is_none() {
            return Err(StepError::new(
                ErrorCode::DatabaseRefused,
                format!(
                    "the scratch database can't be made: `{}` exists",
                    scratch.database
                ),
                "this coordinator did not make it, so it does not drop it",
                "find out whose it is and drop it by hand, then rehearse again",
            ));
        }
        drop_scratch(server, &scratch.database)
            .await
            .map_err(|e| failed(&e))?;
        Ok(true)
    }

    pub(super) async fn drop_scratch(&self, job: &Job, database: &PlanDatabase) -> StepOutcome {
        let original = self.rehearsed(job).await?;
        let scratch = target_of(database, DatabaseRole::Staging)?;
        let server = server_of(&original, database)?;
        let removed = self.remove_left(&server, database, &scratch).await?;
        self.store
            .drop_note(SCOPE, &database.staging_identity)
            .await
            .map_err(|e| store_failed(&e))?;
        Ok(Receipt::new().with("scratch", &scratch).with("removed", removed))
    }

    /// A rehearsal that failed is taken back: it says where, and its scratch goes.
    pub(super) async fn give_up_scratch(
        &self,
        job: &Job,
        database: &PlanDatabase,
        keep: bool,
    ) -> StepOutcome {
        self.record_rehearsal(job).await?;
        if keep {
            return Ok(Receipt::new().with("undo", "the scratch database stays, as asked for"));
        }
        self.drop_scratch(job, database).await
    }

    async fn rehearsed(&self, job: &Job) -> Result<Plan, StepError> {
        let hash = job
            .plan
            .rehearses
            .as_ref()
            .ok_or_else(|| defect("a rehearsal's step outside of a rehearsal"))?;
        self.store
            .plan(hash)
            .await
            .map_err(|e| store_failed(&e))?
            .ok_or_else(|| defect("the plan that is rehearsed is not in the store"))
    }

    /// Writes down how long everything took, or where it failed.
    pub(super) async fn record_rehearsal(&self, job: &Job) -> StepOutcome {
        let original = self.rehearsed(job).await?;
        let log = self.store.events(job.run).await.map_err(|e| store_failed(&e))?;
        let delta_held = delta_held(&log);
        let mut steps = durations(&job.plan, &log);
        if delta_held.is_some() {
            // Nothing is predicted of a way that does not work.
            steps.retain(|step| step.kind != "bring-delta");
        }
        let (failed, broken_off) = failure(&log);
        let forecasts = match (&failed, &original.data) {
            (None, Some(data)) => {
                let fleet = FleetSize {
                    nodes: original.nodes.len(),
                    parallel: original.parallel,
                };
                forecast::all(
                    &forecast::measured(&steps, data.directories_secs, original.parallel),
                    fleet,
                )
            }
            (Some(_), _) | (None, None) => Vec::new(),
        };
        let view = RehearsalView {
            upgrade: original.name.clone(),
            run: job.run,
            plan_hash: job.plan.rehearses.clone().unwrap_or_else(|| Sha256Hex::of(b"")),
            at: log.last().map(|record| record.at.to_string()).unwrap_or_default(),
            failed,
            broken_off,
            delta_held,
            steps,
            forecasts,
            kept: kept(&job.plan),
        };
        self.store
            .put_rehearsal(&view)
            .await
            .map_err(|e| store_failed(&e))?;
        // Dumps of production were only made to time them.
        let folder = self.folder(job.run);
        match tokio::fs::remove_dir_all(&folder).await {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(StepError::new(
                    ErrorCode::Io,
                    format!("{} can't be removed", folder.display()),
                    error.to_string(),
                    "remove it by hand, then retry: it holds a dump of the scratch database",
                ));
            }
        }
        let mut receipt = Receipt::new().with("steps", view.steps.len());
        for forecast in &view.forecasts {
            receipt = receipt.with(&format!("downtime_{}", forecast.mode), forecast.downtime.secs);
        }
        Ok(receipt)
    }
}

/// Evidence of a step of the way `delta` that failed in the rehearsal of a plan that takes another way.
pub(super) const UNAVAILABLE: &str = "delta_unavailable";

/// What would hold a run that migrates first: rows that the migrated scratch did not take or that the migration made
/// different, and steps that could not be done.
fn delta_held(log: &[EventRecord]) -> Option<String> {
    let told = log.iter().filter_map(|record| {
        let Event::StepSucceeded { step, receipt, .. } = &record.event else {
            return None;
        };
        let text = |name: &str| receipt.evidence.get(name).filter(|text| !text.is_empty());
        if let Some(why) = text(UNAVAILABLE) {
            return Some(format!("{step}: {why}"));
        }
        if let Some(tables) = text("converted") {
            return Some(format!("{step}: the migration makes {tables} different"));
        }
        let rows: u64 = text("dead_letters")?.parse().ok()?;
        let tables = receipt
            .evidence
            .iter()
            .filter(|(name, text)| name.starts_with("table_") && text.contains("refused"))
            .map(|(name, text)| format!("{}: {text}", name.trim_start_matches("table_")));
        let tables: Vec<String> = tables.collect();
        (rows > 0).then(|| format!("{step}: {rows} row(s) were refused ({})", tables.join("; ")))
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| told.join("; "))
}

fn server_of(original: &Plan, database: &PlanDatabase) -> Result<Target, StepError> {
    let planned = original
        .database(&database.name)
        .ok_or_else(|| defect("the rehearsed plan lacks a database"))?;
    target(&planned.staging)
}

fn kept(plan: &Plan) -> Vec<String> {
    let keeps = plan.steps().any(|step| {
        matches!(
            step.action,
            StepAction::Database(DatabaseAction::MakeScratch { keep: true })
        )
    });
    if !keeps {
        return Vec::new();
    }
    plan.databases
        .iter()
        .map(|database| database.staging.url.clone())
        .collect()
}

/// How long each step that ended well took, from its last start.
fn durations(plan: &Plan, log: &[EventRecord]) -> Vec<RehearsedStep> {
    let mut started = std::collections::BTreeMap::new();
    let mut steps = Vec::new();
    for record in log {
        if let Event::StepStarted { step, .. } = &record.event {
            started.insert(step, record.at);
        }
        if let Event::StepSucceeded { step, .. } = &record.event
            && let (Some(from), Some(planned)) = (started.get(step), plan.step(step))
        {
            steps.push(RehearsedStep {
                id: step.clone(),
                kind: planned.action.kind().to_owned(),
                place: planned.place.clone(),
                millis: u64::try_from(record.at.as_millisecond() - from.as_millisecond()).unwrap_or(0),
            });
        }
    }
    steps
}

/// Why it failed, or that an operator broke it off, and whether it is the latter.
fn failure(log: &[EventRecord]) -> (Option<String>, bool) {
    let failed = log.iter().find_map(|record| match &record.event {
        Event::StepFailed { step, error, .. } => Some(format!("{step}: {error}")),
        Event::RunStarted { .. }
        | Event::PhaseApproved { .. }
        | Event::StepStarted { .. }
        | Event::StepSucceeded { .. }
        | Event::StepRetried { .. }
        | Event::StepSkipped { .. }
        | Event::StatementResolved { .. }
        | Event::Paused { .. }
        | Event::Resumed { .. }
        | Event::AbortRequested { .. }
        | Event::UndoStarted { .. }
        | Event::UndoSucceeded { .. }
        | Event::UndoFailed { .. }
        | Event::RunFinished
        | Event::RunAborted => None,
    });
    let broken_off = log.iter().find_map(|record| {
        if let Event::AbortRequested { operator, reason } = &record.event {
            return Some(format!("broken off by {operator}: {reason}"));
        }
        None
    });
    // Failures before an abort only: a step that failed and was tried again with success is no failure.
    match (failed, broken_off) {
        (_, None) => (None, false),
        (Some(failed), Some(_)) => (Some(failed), false),
        (None, Some(text)) => (Some(text), true),
    }
}
