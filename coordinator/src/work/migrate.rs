//! Migration scripts: one connection, statement by statement, journaled (promises 1 and 6).

use std::collections::BTreeMap;

use cutover_database::{
    Decided, DecidedAction, JournalRecord, JournalSink, JournalState, Override, OverrideAction, RunOptions,
    ScriptError, Target, facts, forget_journal, journal_begun, lapsed, restore_into, run_script,
};
use cutover_proto::audit::AuditEntry;
use cutover_proto::plan::{self, DatabaseRole, PlanDatabase, PlanScript, StatementOverride};
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};
use cutover_sqlscript::{Dialect, Script};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::progress::Teller;
use super::{Job, Worker, failed, same_identity, target_of};

impl Worker {
    pub(super) async fn migrate(
        &self,
        job: &Job,
        database: &PlanDatabase,
        role: DatabaseRole,
    ) -> StepOutcome {
        let target = target_of(database, role)?;
        let planned = match role {
            DatabaseRole::Production => &database.production_identity,
            DatabaseRole::Staging => &database.staging_identity,
        };
        same_identity(&facts(&target).await.map_err(|e| failed(&e))?, planned, role)?;
        self.ensure_alone(job, &target, role).await?;
        let renewed = self.bind_backup(job, database, role, &target).await?;
        if !journal_begun(&target).await.map_err(|e| failed(&e))? {
            self.ensure_nothing_is_lost(database, role).await?;
        }
        let mut receipt = Receipt::new()
            .with("database", &target)
            .with("role", role)
            .with("backup_renewed", renewed);
        for (number, planned) in database.scripts.iter().enumerate() {
            let script = self.script(database, planned).await?;
            let report = self.run_one(job, database, &target, planned, &script).await?;
            let name = |what: &str| format!("script{}_{what}", number + 1);
            receipt = receipt
                .with(&name("name"), &planned.blob.name)
                .with(&name("sha256"), &planned.blob.sha256)
                .with(&name("statements"), report.statements)
                .with(&name("executed_now"), report.executed)
                .with(&name("rows"), report.rows)
                .with(&name("warnings"), report.warnings.len())
                .with(&name("overrides"), report.overrides.len())
                .with(&name("millis"), report.millis);
            if let Some(at) = report.resumed_at {
                receipt = receipt.with(&name("resumed_at"), at + 1);
            }
        }
        if role == DatabaseRole::Staging {
            return self.hand_over(database, receipt).await;
        }
        Ok(receipt)
    }

    /// The backup must be of the very state that the migration starts from: rows written since, by a session that
    /// came and went while the run was held, would be lost by an abort. Then it is taken anew.
    async fn bind_backup(
        &self,
        job: &Job,
        database: &PlanDatabase,
        role: DatabaseRole,
        target: &Target,
    ) -> Result<bool, StepError> {
        let begun = journal_begun(target).await.map_err(|e| failed(&e))?;
        let mark = format!("{}.{role}-migration", database.name);
        if begun && !self.is_claimed(job, &mark) {
            return Err(StepError::new(
                ErrorCode::DatabaseRefused,
                format!("{target} holds the journal of another run's migration"),
                "a script was begun there before, and its journal was not removed by an abort or an end of that run",
                "make sure that the database is as it was before any migration, drop its table cutover_journal, then retry",
            ));
        }
        self.claim(job, &mark).await?;
        if role == DatabaseRole::Staging || begun {
            return Ok(false);
        }
        let receipt = self.backup_receipt(job.run, &database.name).await?;
        if lapsed(target, &receipt).await.map_err(|e| failed(&e))?.is_none() {
            return Ok(false);
        }
        self.back_up(job, database).await?;
        Ok(true)
    }

    pub(super) async fn script(
        &self,
        database: &PlanDatabase,
        planned: &PlanScript,
    ) -> Result<Script, StepError> {
        let unreadable = |why: String| {
            StepError::new(
                ErrorCode::NotFound,
                format!("script `{}` can't be read", planned.blob.name),
                why,
                "plan again with the script beside the upgrade file",
            )
        };
        let text = self
            .blobs
            .text(&planned.blob.sha256)
            .await
            .map_err(|e| unreadable(e.to_string()))?;
        if cutover_proto::ids::Sha256Hex::of(text.as_bytes()) != planned.blob.sha256 {
            return Err(unreadable(
                "its content is not what the plan's hash says, or it is not UTF-8".into(),
            ));
        }
        let dialect = if database.engine == "postgres" {
            Dialect::Postgres
        } else {
            Dialect::MySql
        };
        cutover_sqlscript::split(&text, dialect).map_err(|e| unreadable(e.to_string()))
    }

    async fn run_one(
        &self,
        job: &Job,
        database: &PlanDatabase,
        target: &Target,
        planned: &PlanScript,
        script: &Script,
    ) -> Result<cutover_database::ScriptReport, StepError> {
        let sink = Sink {
            worker: self,
            job,
            database: &database.name,
            script: &planned.blob.name,
        };
        let options = RunOptions {
            name: &planned.blob.name,
            sink: &sink,
            cancel: job.cancel.clone(),
            own: self.own.clone(),
            decisions: BTreeMap::new(),
            overrides: orders(job, planned),
        };
        Box::pin(run_script(target, script, &options))
            .await
            .map_err(|error| script_failed(&error))
    }

    /// Takes a migration of production back by restoring the backup that was taken right before it. Staging is
    /// emptied by the copy's undo.
    pub(super) async fn unmigrate(
        &self,
        job: &Job,
        database: &PlanDatabase,
        role: DatabaseRole,
    ) -> StepOutcome {
        if role == DatabaseRole::Staging {
            return Ok(Receipt::new().with("undo", "the copy's undo empties staging"));
        }
        let target = target_of(database, role)?;
        let found = facts(&target).await.map_err(|e| failed(&e))?;
        same_identity(&found, &database.production_identity, role)?;
        self.ensure_alone(job, &target, role).await?;
        let backup = self.backup_receipt(job.run, &database.name).await?;
        // A script that was refused before its first statement left nothing to restore.
        if lapsed(&target, &backup).await.map_err(|e| failed(&e))?.is_none() {
            forget_journal(&target).await.map_err(|e| failed(&e))?;
            return Ok(Receipt::new().with("undo", "production is as it was when it was backed up"));
        }
        let tools = self.tools(&target).await?;
        let teller = Teller::new(job);
        let told = |done, total| teller.bytes("restore production", done, total);
        let proof = Box::pin(restore_into(&target, &backup, &tools, &told))
            .await
            .map_err(|e| failed(&e))?;
        Ok(Receipt::new()
            .with("undo", "production restored from the verified backup")
            .with("backup_sha256", &proof.sha256)
            .with("tables", proof.tables)
            .with("rows", proof.rows)
            .with("millis", proof.millis))
    }
}

/// The overrides of the plan, and those that operators ordered since: the later one about a statement counts.
fn orders(job: &Job, script: &PlanScript) -> Vec<Override> {
    let order = |decision: &StatementOverride, by: &str| Override {
        script: script.blob.name.clone(),
        statement: decision.statement,
        statement_sha256: decision.sha256.to_string(),
        action: match decision.action {
            plan::OverrideAction::Skip => OverrideAction::Skip,
            plan::OverrideAction::Replace => {
                OverrideAction::Replace(decision.with.clone().unwrap_or_default())
            }
            plan::OverrideAction::DoneByHand => OverrideAction::DoneByHand,
        },
        reason: decision.reason.clone(),
        decided_by: by.to_owned(),
    };
    let resolved = || {
        job.resolved
            .iter()
            .filter(|resolution| resolution.script == script.blob.name)
    };
    let planned = script
        .overrides
        .iter()
        .filter(|known| resolved().all(|later| later.decision.statement != known.statement))
        .map(|decision| order(decision, "upgrade file"));
    planned
        .chain(resolved().map(|later| order(&later.decision, &later.operator)))
        .collect()
}

fn script_failed(error: &ScriptError) -> StepError {
    let place = error
        .at
        .as_ref()
        .map(|at| {
            format!(
                " at statement {} (line {}, column {}): {}",
                at.index + 1,
                at.line,
                at.column,
                at.first_line
            )
        })
        .unwrap_or_default();
    let code = error
        .code
        .as_ref()
        .map(|code| format!(" [{code}]"))
        .unwrap_or_default();
    let kind = match error.kind {
        cutover_database::script::ScriptErrorKind::NotAlone => ErrorCode::ForeignSessions,
        cutover_database::script::ScriptErrorKind::Cancelled => ErrorCode::Cancelled,
        cutover_database::script::ScriptErrorKind::Uncertain => ErrorCode::OutcomeUnknown,
        cutover_database::script::ScriptErrorKind::ConnectionLost
        | cutover_database::script::ScriptErrorKind::Database => ErrorCode::DatabaseUnavailable,
        cutover_database::script::ScriptErrorKind::Statement
        | cutover_database::script::ScriptErrorKind::Busy
        | cutover_database::script::ScriptErrorKind::Unsupported
        | cutover_database::script::ScriptErrorKind::HistoryChanged
        | cutover_database::script::ScriptErrorKind::SessionLost
        | cutover_database::script::ScriptErrorKind::Sink => ErrorCode::ScriptFailed,
    };
    StepError::new(
        kind,
        format!("script `{}` on {} stopped{place}", error.script, error.target),
        format!(
            "{}{code}; {} statement(s) before it took effect and stay so",
            error.why, error.done
        ),
        error.next.clone(),
    )
}

/// Who decided what about a statement that did not run as it stands in the script.
fn decided(decided: &Decided) -> [(String, String); 4] {
    let action = match decided.action {
        DecidedAction::Skip => "skip",
        DecidedAction::Replace => "replace",
        DecidedAction::DoneByHand => "done-by-hand",
        DecidedAction::Applied => "applied",
        DecidedAction::Run => "run",
    };
    [
        ("decided".to_owned(), action.to_owned()),
        ("decided_by".to_owned(), decided.by.clone()),
        ("decided_because".to_owned(), decided.reason.clone()),
        ("decided_for_sha256".to_owned(), decided.statement_sha256.clone()),
    ]
}

/// Every statement that took effect goes into the audit trail.
struct Sink<'a> {
    worker: &'a Worker,
    job: &'a Job,
    database: &'a str,
    script: &'a str,
}

impl JournalSink for Sink<'_> {
    fn record<'a>(
        &'a self,
        record: &'a JournalRecord,
    ) -> BoxFuture<'a, Result<(), Box<dyn std::error::Error + Send + Sync>>> {
        async move {
            if !matches!(record.state, JournalState::Done | JournalState::Skipped) {
                return Ok(());
            }
            let mut evidence = BTreeMap::from([
                ("script_sha256".to_owned(), record.script_sha256.clone()),
                ("statement_sha256".to_owned(), record.statement_sha256.clone()),
                ("rows".to_owned(), record.rows.to_string()),
                ("warnings".to_owned(), record.warnings.len().to_string()),
            ]);
            evidence.extend(record.decided_by.iter().flat_map(decided));
            let entry = AuditEntry {
                actor: "coordinator".into(),
                action: "statement.done".into(),
                run: Some(self.job.run.to_string()),
                database: Some(self.database.to_owned()),
                step: Some(self.job.step.id.to_string()),
                attempt: Some(self.job.attempt),
                arguments: [
                    ("script".to_owned(), self.script.to_owned()),
                    ("statement".to_owned(), (record.index + 1).to_string()),
                    ("line".to_owned(), record.line.to_string()),
                ]
                .into(),
                result: Some(
                    if record.state == JournalState::Done {
                        "ok"
                    } else {
                        "skipped"
                    }
                    .to_owned(),
                ),
                millis: Some(record.millis),
                evidence,
                ..AuditEntry::default()
            };
            self.worker.store.audit(vec![entry]).await.map_err(Into::into)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn override_when_obeyed_then_the_trail_says_who_decided_what_and_why() {
        let known = Decided {
            action: DecidedAction::DoneByHand,
            by: "upgrade file".into(),
            reason: "dropped in 2014".into(),
            statement_sha256: "4f0c".into(),
        };
        let told = decided(&known).map(|(name, value)| format!("{name}={value}"));
        let expected = [
            "decided=done-by-hand",
            "decided_by=upgrade file",
            "decided_because=dropped in 2014",
            "decided_for_sha256=4f0c",
        ];
        assert_eq!(told, expected);
    }
}
