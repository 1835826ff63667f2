//! Audit records of a run's events: who, what, when, on which evidence and with which result (promise 10).

use std::collections::BTreeMap;

use cutover_proto::audit::AuditEntry;
use cutover_proto::ids::{RunId, StepId};
use cutover_proto::plan::{Place, Plan, StepAction};
use cutover_proto::report::{Receipt, StepError};

use crate::engine::event::Event;

/// The record of one event.
pub(super) fn entry(run: RunId, plan: &Plan, event: &Event, millis: Option<u64>) -> AuditEntry {
    let base = AuditEntry {
        run: Some(run.to_string()),
        ..AuditEntry::default()
    };
    let by = |operator: &str, action: &str, reason: &str| AuditEntry {
        actor: format!("operator:{operator}"),
        action: action.to_owned(),
        arguments: if reason.is_empty() {
            BTreeMap::new()
        } else {
            [("reason".into(), reason.into())].into()
        },
        ..base.clone()
    };
    match event {
        Event::RunStarted { operator, .. } => by(operator, "run.started", ""),
        Event::PhaseApproved {
            phase,
            operator,
            reason,
        } => {
            let mut entry = by(operator, "phase.approved", reason);
            entry.arguments.insert("phase".into(), phase.clone());
            entry
        }
        Event::StepRetried {
            step,
            operator,
            reason,
        } => at_step(by(operator, "step.retried", reason), plan, step, None),
        Event::StepSkipped {
            step,
            operator,
            reason,
        } => at_step(by(operator, "step.skipped", reason), plan, step, None),
        Event::StatementResolved {
            step,
            script,
            decision,
            operator,
        } => {
            let mut entry = at_step(
                by(operator, "statement.resolved", &decision.reason),
                plan,
                step,
                None,
            );
            entry.arguments.extend([
                ("script".to_owned(), script.clone()),
                ("statement".to_owned(), decision.statement.to_string()),
                ("do".to_owned(), decision.action.as_str().to_owned()),
            ]);
            entry
                .arguments
                .extend(decision.with.clone().map(|sql| ("with".to_owned(), sql)));
            entry
                .evidence
                .insert("statement_sha256".to_owned(), decision.sha256.to_string());
            entry
        }
        Event::Paused { operator, reason } => by(operator, "run.paused", reason),
        Event::Resumed { operator, reason } => by(operator, "run.resumed", reason),
        Event::AbortRequested { operator, reason } => by(operator, "run.abort-requested", reason),
        Event::RunFinished => AuditEntry {
            actor: "coordinator".into(),
            action: "run.finished".into(),
            ..base
        },
        Event::RunAborted => AuditEntry {
            actor: "coordinator".into(),
            action: "run.aborted".into(),
            ..base
        },
        Event::StepStarted { step, attempt } => begun(base, "step.started", plan, step, *attempt),
        Event::UndoStarted { step, attempt } => begun(base, "undo.started", plan, step, *attempt),
        Event::StepSucceeded {
            step,
            attempt,
            receipt,
        } => done(base, "step.succeeded", plan, step, *attempt, receipt, millis),
        Event::UndoSucceeded {
            step,
            attempt,
            receipt,
        } => done(base, "undo.succeeded", plan, step, *attempt, receipt, millis),
        Event::StepFailed { step, attempt, error } => {
            failed(base, "step.failed", plan, step, *attempt, error, millis)
        }
        Event::UndoFailed { step, attempt, error } => {
            failed(base, "undo.failed", plan, step, *attempt, error, millis)
        }
    }
}

fn at_step(mut entry: AuditEntry, plan: &Plan, step: &StepId, attempt: Option<u32>) -> AuditEntry {
    entry.step = Some(step.to_string());
    entry.attempt = attempt;
    match plan.step(step).map(|planned| &planned.place) {
        Some(Place::Node(node)) => entry.node = Some(node.to_string()),
        Some(Place::Database(database)) => entry.database = Some(database.clone()),
        Some(Place::Coordinator) | None => {}
    }
    entry
}

/// The place does it: a node's agent, or the coordinator itself.
fn doer(entry: &AuditEntry) -> String {
    entry
        .node
        .as_ref()
        .map_or_else(|| "coordinator".to_owned(), |node| format!("node:{node}"))
}

fn begun(base: AuditEntry, action: &str, plan: &Plan, step: &StepId, attempt: u32) -> AuditEntry {
    let mut entry = at_step(base, plan, step, Some(attempt));
    entry.actor = "coordinator".into();
    entry.action = action.to_owned();
    entry.arguments = plan
        .step(step)
        .map(|planned| arguments(&planned.action))
        .unwrap_or_default();
    entry
}

fn done(
    base: AuditEntry,
    action: &str,
    plan: &Plan,
    step: &StepId,
    attempt: u32,
    receipt: &Receipt,
    millis: Option<u64>,
) -> AuditEntry {
    let mut entry = at_step(base, plan, step, Some(attempt));
    entry.actor = doer(&entry);
    entry.action = action.to_owned();
    entry.result = Some("ok".into());
    entry.millis = millis;
    entry.evidence.clone_from(&receipt.evidence);
    entry
}

fn failed(
    base: AuditEntry,
    action: &str,
    plan: &Plan,
    step: &StepId,
    attempt: u32,
    error: &StepError,
    millis: Option<u64>,
) -> AuditEntry {
    let mut entry = at_step(base, plan, step, Some(attempt));
    entry.actor = doer(&entry);
    entry.action = action.to_owned();
    entry.result = Some(format!("{}: {error}", error.code));
    entry.millis = millis;
    entry
}

/// The action's arguments as text. Secrets are references in it already.
fn arguments(action: &StepAction) -> BTreeMap<String, String> {
    let value = match action {
        StepAction::Node(action) => serde_json::to_value(action),
        StepAction::Database(action) => serde_json::to_value(action),
        StepAction::Finalize => Ok(serde_json::json!({ "action": "finalize" })),
    };
    let Ok(serde_json::Value::Object(fields)) = value else {
        return BTreeMap::new();
    };
    fields
        .into_iter()
        .map(|(key, value)| {
            let text = value.as_str().map(str::to_owned);
            (key, text.unwrap_or_else(|| value.to_string()))
        })
        .collect()
}
