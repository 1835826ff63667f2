//! What an operator ordered for single statements of a script: pass over, run another in its place, done by hand.

use std::collections::BTreeMap;

use cutover_sqlscript::{Script, Statement, StatementKind, split};

use super::error::Reporter;
use super::{Decision, ScriptError, ScriptErrorKind};
use crate::journal::Entry;

/// An order for one statement of one script. It holds for that very text only.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// The script: its name, or the SHA-256 of the file.
    pub script: String,
    /// The statement, from 1, as `cutover sql split` shows it.
    pub statement: u32,
    /// SHA-256 of the statement, or at least the first 12 digits of it, as `cutover sql split` shows them.
    pub statement_sha256: String,
    /// What to do with it.
    pub action: OverrideAction,
    /// Why, for whoever reads the audit trail.
    pub reason: String,
    /// Who ordered it: the upgrade file, or the person whose command was approved.
    #[serde(default)]
    pub decided_by: String,
}

/// What to do with a statement.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverrideAction {
    /// Do not run it: its effect is not wanted.
    Skip,
    /// Run this one statement in its place.
    Replace(String),
    /// Do not run it: a person has brought its effect about.
    DoneByHand,
}

/// What was decided about a statement that did not run as it stands in the script.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Decided {
    /// What.
    pub action: DecidedAction,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// SHA-256 of the statement as it stands in the script.
    pub statement_sha256: String,
}

/// What a person can decide about a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecidedAction {
    /// It was passed over.
    Skip,
    /// Another ran in its place.
    Replace,
    /// A person brought its effect about.
    DoneByHand,
    /// It was interrupted, and a person found that it had taken effect.
    Applied,
    /// It was interrupted, and a person found that it had taken no effect.
    Run,
}

impl Override {
    /// Whether it is for this script.
    #[must_use]
    pub fn is_for(&self, script: &Script, name: &str) -> bool {
        self.script == name || self.script.eq_ignore_ascii_case(&script.sha256)
    }

    fn decided(&self) -> Decided {
        Decided {
            action: match self.action {
                OverrideAction::Skip => DecidedAction::Skip,
                OverrideAction::Replace(_) => DecidedAction::Replace,
                OverrideAction::DoneByHand => DecidedAction::DoneByHand,
            },
            by: self.decided_by.clone(),
            reason: self.reason.clone(),
            statement_sha256: self.statement_sha256.clone(),
        }
    }

    fn runs(&self) -> bool {
        matches!(self.action, OverrideAction::Replace(_))
    }
}

/// The orders of a run, checked, by statement.
#[derive(Debug, Default)]
pub(super) struct Orders(BTreeMap<usize, Override>);

impl Orders {
    /// Checks every order against the script, and gives the script as it will be run.
    pub(super) fn check(
        reporter: &Reporter<'_>,
        overrides: &[Override],
    ) -> Result<(Orders, Script), ScriptError> {
        let mut script = reporter.script.clone();
        let mut orders = BTreeMap::new();
        for order in overrides {
            let statement = find(reporter, order)?;
            let index = statement.index;
            match &order.action {
                OverrideAction::Replace(sql) => {
                    let replacement = one_statement(reporter, order, sql)?;
                    script.replace(index, replacement);
                }
                OverrideAction::DoneByHand if statement.kind == StatementKind::Session => {
                    return Err(refuse(
                        reporter,
                        order,
                        "it sets something in the connection, which nobody can do by hand",
                        "replace it by a statement that sets the value",
                    ));
                }
                OverrideAction::Skip | OverrideAction::DoneByHand => script.pass_over(index),
            }
            let whole = Override {
                statement_sha256: statement.sha256.clone(),
                ..order.clone()
            };
            if orders.insert(index, whole).is_some() {
                return Err(refuse(
                    reporter,
                    order,
                    "the statement has two overrides",
                    "keep one of them",
                ));
            }
        }
        Ok((Orders(orders), script))
    }

    /// Whether the statement is not to be sent to the server.
    pub(super) fn passes_over(&self, index: usize) -> bool {
        self.0.get(&index).is_some_and(|order| !order.runs())
    }

    pub(super) fn replaces(&self, index: usize) -> bool {
        self.0.get(&index).is_some_and(Override::runs)
    }

    pub(super) fn decided(&self, index: usize) -> Option<Decided> {
        self.0.get(&index).map(Override::decided)
    }

    pub(super) fn all(&self) -> Vec<Override> {
        self.0.values().cloned().collect()
    }

    /// What ran before must have run under the same orders: neither can be taken back.
    pub(super) fn contradiction(&self, entry: &Entry, finished: bool) -> Option<&'static str> {
        let now = self.decided(entry.index).map(|decided| decided.action);
        let then = entry.decided_by.as_ref().map(|decided| decided.action);
        let by_order = |action: &DecidedAction| match action {
            DecidedAction::Skip | DecidedAction::Replace | DecidedAction::DoneByHand => true,
            DecidedAction::Applied | DecidedAction::Run => false,
        };
        match (then.filter(by_order), now) {
            (None, Some(_)) if finished => Some("it has run already, so an override comes too late"),
            (Some(_), None) => Some("an earlier run obeyed an override for it that is missing now"),
            (Some(then), Some(now)) if finished && then != now => {
                Some("an earlier run obeyed another override for it")
            }
            (None | Some(_), None | Some(_)) => None,
        }
    }
}

/// A decision about an interrupted statement, as it is recorded.
pub(super) fn decision(statement: &Statement, decision: Decision) -> Decided {
    Decided {
        action: match decision {
            Decision::Applied => DecidedAction::Applied,
            Decision::Run => DecidedAction::Run,
        },
        by: "operator".to_owned(),
        reason: "the run before was interrupted in this statement".to_owned(),
        statement_sha256: statement.sha256.clone(),
    }
}

fn find<'s>(reporter: &Reporter<'s>, order: &Override) -> Result<&'s Statement, ScriptError> {
    let refused = |why: &str, next: &str| Err(refuse(reporter, order, why, next));
    if !order.is_for(reporter.script, reporter.name) {
        return refused("it is for another script", "name this script, or its SHA-256");
    }
    if order.reason.trim().is_empty() {
        return refused("it gives no reason", "say why; the audit trail keeps it");
    }
    let index = usize::try_from(order.statement)
        .unwrap_or(usize::MAX)
        .checked_sub(1);
    let statement = index.and_then(|index| reporter.script.statements.get(index));
    match statement {
        None => refused(
            "the script has no statement of that number",
            "count from 1, as `cutover sql split` shows the statements",
        ),
        Some(statement) if !fits(&statement.sha256, &order.statement_sha256) => refused(
            "the statement is not the one that it was decided for: its SHA-256 differs",
            "look at the script again, and decide again",
        ),
        Some(statement) => Ok(statement),
    }
}

/// With the statement's number beside it, so many digits leave no doubt.
const DIGITS: usize = 12;

fn fits(sha256: &str, given: &str) -> bool {
    given.len() >= DIGITS && sha256.starts_with(&given.to_ascii_lowercase())
}

fn one_statement(reporter: &Reporter<'_>, order: &Override, sql: &str) -> Result<Statement, ScriptError> {
    let cut = split(sql, reporter.script.dialect).map_err(|error| {
        refuse(
            reporter,
            order,
            &format!("its replacement cannot be read: {error}"),
            "correct it",
        )
    })?;
    let mut statements = cut.statements.into_iter();
    match (statements.next(), statements.next()) {
        (Some(statement), None) => Ok(statement),
        _ => Err(refuse(
            reporter,
            order,
            "its replacement is not exactly one statement",
            "write one statement, or do the work by hand and say do = \"done-by-hand\"",
        )),
    }
}

fn refuse(reporter: &Reporter<'_>, order: &Override, why: &str, next: &str) -> ScriptError {
    reporter.error(
        ScriptErrorKind::Unsupported,
        format!("the override of statement {} is refused: {why}", order.statement),
        next,
    )
}
