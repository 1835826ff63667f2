//! The fence: production refuses the application from the moment its servers have stopped. What will be taken away is
//! written down before it is taken, so that it can be given back whatever happens in between.

use cutover_database::{FencePlan, FenceProof, Session, Target, facts};
use cutover_proto::audit::AuditEntry;
use cutover_proto::ids::RunId;
use cutover_proto::plan::{DatabaseRole, Plan, PlanDatabase};
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};
use cutover_proto::step::AdminAccess;
use serde::{Deserialize, Serialize};

use super::{Job, Worker, defect, failed, same_identity, secret, target_of};
use crate::planner::fence as planner;
use crate::store::StoreError;

/// What a run knows of its fence around a database.
#[derive(Debug, Serialize, Deserialize)]
struct Noted {
    plan: FencePlan,
    lifted: bool,
}

fn name(database: &str) -> String {
    format!("fence/{database}")
}

impl Worker {
    pub(super) async fn fence(
        &self,
        job: &Job,
        database: &PlanDatabase,
        accounts: &[String],
        proof: Option<&AdminAccess>,
    ) -> StepOutcome {
        let production = target_of(database, DatabaseRole::Production)?;
        let found = facts(&production).await.map_err(|e| failed(&e))?;
        same_identity(&found, &database.production_identity, DatabaseRole::Production)?;
        let plan = self.fence_plan(job, database, &production, accounts).await?;
        let report = plan.apply(&production, &self.own).await.map_err(|e| failed(&e))?;
        let mut receipt = Receipt::new()
            .with("accounts", plan.accounts.join(", "))
            .with("sessions_ended", report.ended.len())
            .with("lift", lift_note(job.run));
        for (number, sentence) in plan.does.iter().enumerate() {
            receipt = receipt.with(&format!("done{:02}", number + 1), sentence);
        }
        for (number, sentence) in plan.undoes.iter().enumerate() {
            receipt = receipt.with(&format!("undo{:02}", number + 1), sentence);
        }
        let Some(access) = proof else {
            self.ensure_fenced(job, database, &production).await?;
            self.ensure_alone(job, &production, DatabaseRole::Production)
                .await?;
            return Ok(receipt.with(
                "proof",
                "the server's catalog; no password of the application is known",
            ));
        };
        let application = Target {
            user: access.user.clone(),
            password: secret(&access.password, &database.production.url)?,
            ..production.clone()
        };
        let proven = plan
            .prove(&production, &application, &self.own)
            .await
            .map_err(|e| failed(&e))?;
        self.nobody_left(&production, &proven).await?;
        Ok(receipt.with(
            "proof",
            format!("{} was refused with {}", proven.account, proven.code),
        ))
    }

    /// The fence as it was planned first: a repeated try must not take its own work for the earlier state.
    async fn fence_plan(
        &self,
        job: &Job,
        database: &PlanDatabase,
        production: &Target,
        accounts: &[String],
    ) -> Result<FencePlan, StepError> {
        if let Some(noted) = self.noted_fence(job.run, &database.name).await? {
            return Ok(noted.plan);
        }
        let plan = FencePlan::prepare(production, accounts)
            .await
            .map_err(|e| failed(&e))?;
        let locked_out = planner::locked_out(&plan);
        if let Some((other, account)) =
            planner::shuts_out(&database.production_identity, &locked_out, &job.plan.databases)
        {
            return Err(StepError::new(
                ErrorCode::DatabaseRefused,
                format!("the fence around production ({production}) would shut the new servers out"),
                format!(
                    "it keeps `{account}` out of the whole server, and the new servers use it for the staging of {other}"
                ),
                format!("{}; then abort, plan and apply again", planner::OWN_ACCOUNT),
            ));
        }
        let evidence = |prefix: &str, sentences: &[String]| -> Vec<(String, String)> {
            sentences
                .iter()
                .enumerate()
                .map(|(number, text)| (format!("{prefix}{:02}", number + 1), text.clone()))
                .collect()
        };
        let entry = AuditEntry {
            actor: "coordinator".into(),
            action: "fence.planned".into(),
            run: Some(job.run.to_string()),
            database: Some(database.name.clone()),
            step: Some(job.step.id.to_string()),
            attempt: Some(job.attempt),
            evidence: evidence("does", &plan.does)
                .into_iter()
                .chain(evidence("undoes", &plan.undoes))
                .collect(),
            ..AuditEntry::default()
        };
        self.note_fence(job.run, &database.name, &plan, false, vec![entry])
            .await?;
        Ok(plan)
    }

    async fn noted_fence(&self, run: RunId, database: &str) -> Result<Option<Noted>, StepError> {
        let note = self
            .store
            .note(&run.to_string(), &name(database))
            .await
            .map_err(|e| store_failed(&e))?;
        note.map(serde_json::from_value)
            .transpose()
            .map_err(|e| defect(&format!("what was noted of the fence can't be read: {e}")))
    }

    async fn note_fence(
        &self,
        run: RunId,
        database: &str,
        plan: &FencePlan,
        lifted: bool,
        audit: Vec<AuditEntry>,
    ) -> Result<(), StepError> {
        let noted = Noted {
            plan: plan.clone(),
            lifted,
        };
        let value = serde_json::to_value(noted)
            .map_err(|e| defect(&format!("the fence can't be written down: {e}")))?;
        self.store
            .put_note(&run.to_string(), &name(database), value, audit)
            .await
            .map_err(|e| store_failed(&e))
    }

    async fn nobody_left(&self, production: &Target, proof: &FenceProof) -> Result<(), StepError> {
        if proof.is_alone() {
            return Ok(());
        }
        let left: Vec<Session> = proof.remaining.iter().chain(&proof.prepared).cloned().collect();
        Err(self
            .not_alone(&production.to_string(), DatabaseRole::Production, &left)
            .await)
    }

    /// The fence of this run, where it has one, is up. Looked at again before everything that rests on it.
    pub(super) async fn ensure_fenced(
        &self,
        job: &Job,
        database: &PlanDatabase,
        production: &Target,
    ) -> Result<(), StepError> {
        let Some(noted) = self.noted_fence(job.run, &database.name).await? else {
            return Ok(());
        };
        if noted.lifted {
            return Ok(());
        }
        let gaps = noted.plan.gaps(production).await.map_err(|e| failed(&e))?;
        if gaps.is_empty() {
            return Ok(());
        }
        Err(StepError::new(
            ErrorCode::ForeignSessions,
            format!("the fence around production ({production}) has gaps"),
            gaps.join("; "),
            "find out who gave the account its rights back: what it wrote is not in staging; abort and apply again",
        ))
    }

    pub(super) async fn unfence(&self, job: &Job, database: &PlanDatabase) -> StepOutcome {
        let Some(noted) = self.noted_fence(job.run, &database.name).await? else {
            return Ok(Receipt::new().with("undo", "no fence was put up"));
        };
        let production = target_of(database, DatabaseRole::Production)?;
        noted.plan.lift(&production).await.map_err(|e| failed(&e))?;
        self.note_fence(job.run, &database.name, &noted.plan, true, Vec::new())
            .await?;
        Ok(Receipt::new()
            .with("undo", "every account has what it had before")
            .with("accounts", noted.plan.accounts.join(", ")))
    }

    /// Takes the fences of a run that has ended down: its old production can be used again.
    ///
    /// # Errors
    /// A database can't be reached or refuses.
    pub async fn lift_fences(
        &self,
        run: RunId,
        plan: &Plan,
        operator: &str,
        reason: &str,
    ) -> Result<Vec<String>, StepError> {
        let mut lifted = Vec::new();
        for database in &plan.databases {
            let Some(noted) = self.noted_fence(run, &database.name).await? else {
                continue;
            };
            if noted.lifted {
                continue;
            }
            let production = target_of(database, DatabaseRole::Production)?;
            noted.plan.lift(&production).await.map_err(|e| failed(&e))?;
            let entry = AuditEntry {
                actor: format!("operator:{operator}"),
                action: "fence.lifted".into(),
                run: Some(run.to_string()),
                database: Some(database.name.clone()),
                arguments: [("reason".to_owned(), reason.to_owned())].into(),
                result: Some("ok".into()),
                ..AuditEntry::default()
            };
            self.note_fence(run, &database.name, &noted.plan, true, vec![entry])
                .await?;
            lifted.push(database.name.clone());
        }
        Ok(lifted)
    }
}

fn lift_note(run: RunId) -> String {
    format!("`cutover abort` lifts it; after the end of the run `cutover unfence {run} --reason WHY` does")
}

pub(super) fn store_failed(error: &StoreError) -> StepError {
    StepError::new(
        ErrorCode::Io,
        "the coordinator's store could not be used",
        error.to_string(),
        "check the disk that holds its data_dir, then retry",
    )
}
