//! The error of a script run: which statement of which script, why, what is done so far, what next.

use std::error::Error;
use std::fmt;
use std::ops::Deref;

use cutover_sqlscript::{Script, Statement};

use crate::error::DatabaseError;
use crate::reach;
use crate::sessions::Session;
use crate::target::{Engine, Target};

/// What stopped a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScriptErrorKind {
    /// The server refused a statement.
    Statement,
    /// The connection was lost while a statement ran; resuming finds out whether it took effect.
    ConnectionLost,
    /// Somebody else is connected to the database.
    NotAlone,
    /// Another runner works on this database.
    Busy,
    /// The script holds something that cannot be run safely; nothing was run.
    Unsupported,
    /// The script or the journal is not what it was when the run began.
    HistoryChanged,
    /// Whether a statement took effect cannot be known; an operator must look and decide.
    Uncertain,
    /// The session of the interrupted run cannot be put back.
    SessionLost,
    /// Stopped on demand, between two statements.
    Cancelled,
    /// The coordinator could not store a record.
    Sink,
    /// The database or its journal cannot be used.
    Database,
}

/// Where in the script.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// Statement, from 0.
    pub index: usize,
    /// Line it begins on, from 1.
    pub line: usize,
    /// Column it begins at, from 1.
    pub column: usize,
    /// Its first line, shortened.
    pub first_line: String,
}

impl Place {
    pub(crate) fn of(statement: &Statement) -> Self {
        Place {
            index: statement.index,
            line: statement.line,
            column: statement.column,
            first_line: statement
                .text
                .lines()
                .next()
                .unwrap_or_default()
                .chars()
                .take(120)
                .collect(),
        }
    }
}

/// A script that did not run to its end.
#[derive(Debug)]
pub struct ScriptError(Box<ScriptFailure>);

impl Deref for ScriptError {
    type Target = ScriptFailure;

    fn deref(&self) -> &ScriptFailure {
        &self.0
    }
}

/// What is known about a script that did not run to its end.
#[derive(Debug)]
pub struct ScriptFailure {
    /// What stopped it.
    pub kind: ScriptErrorKind,
    /// Name of the script, as given by the caller.
    pub script: String,
    /// SHA-256 of the script.
    pub sha256: String,
    /// The database, as URL without password.
    pub target: String,
    /// The statement it stopped at.
    pub at: Option<Place>,
    /// The server's error code: MySQL's number, PostgreSQL's SQLSTATE.
    pub code: Option<String>,
    /// Why.
    pub why: String,
    /// Statements that took effect and stay so.
    pub done: usize,
    /// What to do next.
    pub next: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ScriptError {
    /// The same with the number of statements that stay done.
    pub(crate) fn with_done(mut self, done: usize) -> Self {
        self.0.done = done;
        self
    }

    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    fn at(mut self, statement: &Statement) -> Self {
        self.0.at = Some(Place::of(statement));
        self
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "script `{}` on {} stopped", self.script, self.target)?;
        if let Some(Place {
            index,
            line,
            column,
            first_line,
        }) = &self.at
        {
            write!(
                f,
                " at statement {} (line {line}, column {column}: `{first_line}`)",
                index + 1
            )?;
        }
        write!(
            f,
            ": {}; {} statements are done; {}",
            self.why, self.done, self.next
        )
    }
}

impl Error for ScriptError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}

/// Knows what every error of one run has in common.
#[derive(Debug, Clone)]
pub(crate) struct Reporter<'a> {
    pub(crate) name: &'a str,
    pub(crate) script: &'a Script,
    pub(crate) target: &'a Target,
}

impl Reporter<'_> {
    pub(crate) fn error(&self, kind: ScriptErrorKind, why: impl Into<String>, next: &str) -> ScriptError {
        ScriptError(Box::new(ScriptFailure {
            kind,
            script: self.name.to_owned(),
            sha256: self.script.sha256.clone(),
            target: self.target.to_string(),
            at: None,
            code: None,
            why: why.into(),
            done: 0,
            next: next.to_owned(),
            source: None,
        }))
    }

    pub(crate) fn at(
        &self,
        statement: &Statement,
        kind: ScriptErrorKind,
        why: impl Into<String>,
        next: &str,
    ) -> ScriptError {
        self.error(kind, why, next).at(statement)
    }

    pub(crate) fn database(&self, error: DatabaseError) -> ScriptError {
        self.error(ScriptErrorKind::Database, error.why(), error.remedy())
            .caused_by(error)
    }

    pub(crate) fn sink(&self, statement: &Statement, error: Box<dyn Error + Send + Sync>) -> ScriptError {
        let why = "the coordinator could not store what happened";
        let next = "resume it when the coordinator's store works again";
        self.at(statement, ScriptErrorKind::Sink, why, next)
            .caused_by(error)
    }

    pub(crate) fn not_alone(&self, sessions: &[Session]) -> ScriptError {
        let shown: Vec<String> = sessions
            .iter()
            .take(5)
            .map(|session| format!("{} from {} ({})", session.user, session.address, session.state))
            .collect();
        let more = sessions.len().saturating_sub(shown.len());
        let tail = if more == 0 {
            String::new()
        } else {
            format!(" and {more} more")
        };
        self.error(
            ScriptErrorKind::NotAlone,
            format!("others are connected to the database: {}{tail}", shown.join(", ")),
            "stop every server that uses this database, then run the script",
        )
    }

    /// What the server said to a statement of the script.
    pub(crate) fn statement(&self, statement: &Statement, error: sqlx::Error, kept: &str) -> ScriptError {
        let next = match self.target.engine {
            Engine::MySql => format!("{kept}, then resume: it goes on at this statement"),
            Engine::Postgres => format!("{kept}, then run it again from the start"),
        };
        let Some(refusal) = error.as_database_error() else {
            let why = "the connection was lost while it ran";
            let next = "resume when the server answers again: what it did is found out then";
            return self
                .at(statement, ScriptErrorKind::ConnectionLost, why, next)
                .caused_by(error);
        };
        let number = refusal
            .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
            .map(sqlx::mysql::MySqlDatabaseError::number);
        let state = refusal.code().unwrap_or_default();
        let why = format!(
            "the server refused it: {} ({})",
            refusal.message(),
            reach::code(number, &state)
        );
        let code = number.map_or_else(|| state.into_owned(), |number| number.to_string());
        let mut told = self.at(statement, ScriptErrorKind::Statement, why, &next);
        told.0.code = Some(code);
        told.caused_by(error)
    }
}
