//! Why a copy or a comparison failed.

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a copy or a comparison failed: what, in which database, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Production and staging must be of one engine.
    #[error("{a} and {b} are of different engines; a staging database must have production's engine")]
    EnginesDiffer {
        /// One database.
        a: String,
        /// The other.
        b: String,
    },
    /// No connection.
    #[error("cannot connect to {database}; check that the server runs and the account may log in")]
    Connect {
        /// The database, without password.
        database: String,
        /// The driver's error.
        #[source]
        source: BoxError,
    },
    /// A statement was refused.
    #[error("{what} failed in {database}; correct what the server complains about and repeat")]
    Statement {
        /// What was being done, on which object.
        what: String,
        /// The database, without password.
        database: String,
        /// The driver's error.
        #[source]
        source: BoxError,
    },
    /// An object that cannot be copied faithfully.
    #[error("{what} in {database} cannot be copied: {why}; {remedy}")]
    Unsupported {
        /// The object.
        what: String,
        /// The database, without password.
        database: String,
        /// The reason.
        why: String,
        /// What to do.
        remedy: String,
    },
    /// The target did not store what it was sent.
    #[error(
        "table `{table}`: {database} stored {stored} of {sent} rows and warned: {warning}; \
         compare the table's definition and the server's settings on both sides"
    )]
    RowsChanged {
        /// Table.
        table: String,
        /// The database, without password.
        database: String,
        /// Rows sent.
        sent: u64,
        /// Rows the server says it stored.
        stored: u64,
        /// The server's first warning.
        warning: String,
    },
    /// A table failed; the others are as listed.
    #[error(
        "table `{table}` was not copied from {from} to {to}; whole in staging: {}; repeat the copy to go on \
         while production stays as it is, or empty the staging database", list(.complete)
    )]
    Table {
        /// The table that failed.
        table: String,
        /// Production.
        from: String,
        /// Staging.
        to: String,
        /// Tables whose rows are complete in staging.
        complete: Vec<String>,
        /// Why.
        #[source]
        source: Box<CopyError>,
    },
    /// A program of the engine could not be found.
    #[error(
        "no {program} for PostgreSQL {version} or newer found for {database}; install the package \
         postgresql-client-{version} on the host that runs the copy"
    )]
    ToolMissing {
        /// `pg_dump` or `pg_restore`.
        program: String,
        /// Server's major version.
        version: u32,
        /// The database, without password.
        database: String,
    },
    /// A program of the engine failed.
    #[error("{program} of {database} failed while {what}: {output}")]
    Tool {
        /// `pg_dump` or `pg_restore`.
        program: String,
        /// What it was to do.
        what: String,
        /// The database, without password.
        database: String,
        /// The end of what it said.
        output: String,
    },
    /// Local files, processes or tasks.
    #[error("{what} failed on this host")]
    Local {
        /// What was being done.
        what: String,
        /// The system's error.
        #[source]
        source: BoxError,
    },
    /// The caller cancelled the work.
    #[error("cancelled; a copy that is repeated goes on, or begins with an emptied staging database")]
    Cancelled,
    /// There is nothing that a resumed copy could go on with.
    #[error(
        "the copy to {database} cannot go on where it stopped: {why}; empty the staging database and copy anew"
    )]
    NotResumable {
        /// Staging.
        database: String,
        /// What is missing or has changed.
        why: String,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}

impl CopyError {
    pub(crate) fn statement(
        what: impl Into<String>,
        database: impl ToString,
        source: impl Into<BoxError>,
    ) -> Self {
        CopyError::Statement {
            what: what.into(),
            database: database.to_string(),
            source: source.into(),
        }
    }

    pub(crate) fn local(what: impl Into<String>, source: impl Into<BoxError>) -> Self {
        CopyError::Local {
            what: what.into(),
            source: source.into(),
        }
    }

    /// Adds which tables are whole to the failure of a table.
    pub(crate) fn with_complete(mut self, mut names: Vec<String>) -> Self {
        if let CopyError::Table { complete, .. } = &mut self {
            names.sort();
            *complete = names;
        }
        self
    }
}
