//! Running a migration script: one connection from first to last statement, each statement journaled, so that
//! a run that died half-way goes on exactly where it was and no statement takes effect twice.

mod error;
mod mysql;
mod overrides;
mod postgres;
mod session;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use cutover_sqlscript::{Dialect, Script, Statement};
use tokio_util::sync::CancellationToken;

use crate::connection::Connection;
use crate::journal::{Entry, JournalRecord, JournalSink, JournalState, Warning};
use crate::sessions::{OwnSessions, settled_sessions};
use crate::target::{Engine, Target};

use error::Reporter;
pub use error::{Place, ScriptError, ScriptErrorKind, ScriptFailure};
use overrides::Orders;
pub use overrides::{Decided, DecidedAction, Override, OverrideAction};

/// What an operator decided about a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Its effect is there already, or was brought about by hand: do not run it.
    Applied,
    /// It took no effect: run it.
    Run,
}

/// How to run a script.
pub struct RunOptions<'a> {
    /// Name of the script for messages.
    pub name: &'a str,
    /// The coordinator's store of records.
    pub sink: &'a dyn JournalSink,
    /// Stops the run between two statements.
    pub cancel: CancellationToken,
    /// Connections of Cutover that may stay open beside the run.
    pub own: OwnSessions,
    /// What an operator decided, by statement, after a [`ScriptErrorKind::Uncertain`] or a refused statement.
    pub decisions: BTreeMap<usize, Decision>,
    /// What to do with single statements instead of running them as they stand. Every one of them must be for
    /// this script and fit it, or nothing is run; on resume they must be the same for what ran before.
    pub overrides: Vec<Override>,
}

impl fmt::Debug for RunOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunOptions")
            .field("name", &self.name)
            .field("decisions", &self.decisions)
            .field("overrides", &self.overrides)
            .finish_non_exhaustive()
    }
}

/// A script that ran to its end.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ScriptReport {
    /// SHA-256 of the script.
    pub sha256: String,
    /// Statements of the script.
    pub statements: usize,
    /// Statements run now.
    pub executed: usize,
    /// Statement it went on at; `None` when it began at the first.
    pub resumed_at: Option<usize>,
    /// Rows changed or returned, by all runs together.
    pub rows: u64,
    /// What the server warned of, in all runs together.
    pub warnings: Vec<Warning>,
    /// Duration of this run.
    pub millis: u64,
    /// The overrides that were obeyed, in all runs together.
    #[serde(default)]
    pub overrides: Vec<Override>,
}

/// Runs a script to its end, or goes on with it where an earlier run stopped.
///
/// # Errors
/// [`ScriptError`] names the statement, the reason, how much is done, and what to do.
pub async fn run_script(
    target: &Target,
    script: &Script,
    options: &RunOptions<'_>,
) -> Result<ScriptReport, ScriptError> {
    let reporter = Reporter {
        name: options.name,
        script,
        target,
    };
    let dialect = match target.engine {
        Engine::MySql => Dialect::MySql,
        Engine::Postgres => Dialect::Postgres,
    };
    if script.dialect != dialect && script.dialect != Dialect::Wso2Compat {
        return Err(reporter.error(
            ScriptErrorKind::Unsupported,
            format!(
                "the script is written for {} and the database is {}",
                script.dialect, target.engine
            ),
            "name the script for this engine",
        ));
    }
    let (orders, script) = Orders::check(&reporter, &options.overrides)?;
    let reporter = Reporter {
        script: &script,
        ..reporter
    };
    let started = Instant::now();
    let mut connection = Connection::open(target)
        .await
        .map_err(|error| reporter.database(error))?;
    let entered = options.own.enter(target, connection.id());
    let run = Run {
        reporter,
        options,
        orders,
        session: connection.id().to_owned(),
    };
    let result = match run.require_alone().await {
        Err(error) => Err(error),
        Ok(()) => match target.engine {
            Engine::MySql => Box::pin(mysql::run(&run, &mut connection)).await,
            Engine::Postgres => Box::pin(postgres::run(&run, &mut connection)).await,
        },
    };
    connection.close().await;
    drop(entered);
    result.map(|report| ScriptReport {
        millis: millis(started),
        ..report
    })
}

/// What is common to the whole run.
pub(crate) struct Run<'a> {
    reporter: Reporter<'a>,
    options: &'a RunOptions<'a>,
    orders: Orders,
    session: String,
}

impl<'a> Run<'a> {
    fn script(&self) -> &'a Script {
        self.reporter.script
    }

    /// Promise 1: the session list is the proof, asked in the moment before the first statement.
    async fn require_alone(&self) -> Result<(), ScriptError> {
        let sessions = settled_sessions(self.reporter.target, &self.options.own)
            .await
            .map_err(|error| self.reporter.database(error))?;
        if sessions.is_empty() {
            Ok(())
        } else {
            Err(self.reporter.not_alone(&sessions))
        }
    }

    fn check_cancelled(&self, statement: &Statement) -> Result<(), ScriptError> {
        if !self.options.cancel.is_cancelled() {
            return Ok(());
        }
        Err(self.reporter.at(
            statement,
            ScriptErrorKind::Cancelled,
            "it was cancelled before this statement",
            "resume it, or restore the backup",
        ))
    }

    /// Tells the coordinator.
    async fn tell(
        &self,
        statement: &Statement,
        state: JournalState,
        entry: &Entry,
    ) -> Result<(), ScriptError> {
        let record = JournalRecord {
            script_sha256: self.script().sha256.clone(),
            index: statement.index,
            statement_sha256: statement.sha256.clone(),
            kind: statement.kind,
            state,
            line: statement.line,
            column: statement.column,
            session: self.session.clone(),
            rows: entry.rows,
            millis: entry.millis,
            warnings: entry.warnings.clone(),
            decided_by: entry.decided_by.clone(),
        };
        let stored = self.options.sink.record(&record).await;
        stored.map_err(|error| self.reporter.sink(statement, error))
    }

    /// Tells the coordinator of a script that ended before: it may have been killed before it heard.
    async fn tell_ended(&self, entries: &[Entry]) -> Result<(), ScriptError> {
        for (statement, entry) in self.script().statements.iter().zip(entries) {
            self.tell(statement, entry.state, entry).await?;
        }
        Ok(())
    }

    /// A script of which a part ran must be the same script now.
    fn require_same_history(&self, entries: &[Entry]) -> Result<(), ScriptError> {
        for (position, entry) in entries.iter().enumerate() {
            let known = self.script().statements.get(entry.index);
            let finished = mysql::finished(entry.state);
            if let (Some(statement), Some(why)) = (known, self.orders.contradiction(entry, finished)) {
                let next =
                    "resume with the overrides of the run before, or restore the backup and begin again";
                return Err(self
                    .reporter
                    .at(statement, ScriptErrorKind::HistoryChanged, why, next));
            }
            // It never ended, and a person has looked and ordered another in its place.
            let superseded = !finished && self.orders.replaces(entry.index);
            let changed = known.is_none_or(|known| known.sha256 != entry.statement_sha256) && !superseded;
            if entry.index != position || changed {
                return Err(self.reporter.error(
                    ScriptErrorKind::HistoryChanged,
                    format!("the journal's statement {} is not the script's", entry.index + 1),
                    "restore the backup and begin again: the journal was changed by somebody else",
                ));
            }
        }
        Ok(())
    }

    fn report(&self, entries: &[Entry], executed: usize, resumed_at: Option<usize>) -> ScriptReport {
        ScriptReport {
            sha256: self.script().sha256.clone(),
            statements: self.script().statements.len(),
            executed,
            resumed_at,
            rows: entries.iter().map(|entry| entry.rows).sum(),
            warnings: entries.iter().flat_map(|entry| entry.warnings.clone()).collect(),
            millis: 0,
            overrides: self.orders.all(),
        }
    }

    /// An entry of a statement, with who decided what about it.
    fn fresh(&self, statement: &Statement, state: JournalState) -> Entry {
        let asked = self.options.decisions.get(&statement.index);
        Entry {
            decided_by: self
                .orders
                .decided(statement.index)
                .or_else(|| asked.map(|decision| overrides::decision(statement, *decision))),
            ..fresh(statement, state)
        }
    }
}

pub(crate) fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// An entry of a statement that has not run yet.
pub(crate) fn fresh(statement: &Statement, state: JournalState) -> Entry {
    Entry {
        index: statement.index,
        statement_sha256: statement.sha256.clone(),
        state,
        fingerprint: None,
        variables: BTreeMap::new(),
        last_insert_id: None,
        rows: 0,
        millis: 0,
        warnings: Vec::new(),
        decided_by: None,
    }
}

pub(crate) fn number(index: usize) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

/// First words of a statement in upper case, leading parentheses and executable-comment marks aside.
pub(crate) fn words(statement: &Statement) -> Vec<String> {
    let cut = |c: char| !(c.is_alphanumeric() || c == '_' || c == '@' || c == '$');
    statement
        .text
        .split(cut)
        .filter(|word| !word.is_empty())
        .take(4)
        .map(str::to_uppercase)
        .collect()
}
