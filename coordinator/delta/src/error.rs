//! Why staging could not be brought to production's state.

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why staging could not be brought to production's state: what failed, in which database, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum DeltaError {
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
    /// A statement was refused, or the connection was lost.
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
    /// The schemas are no longer the same.
    #[error(
        "the schema of {production} is not that of {staging}: {}; copy production again, or make the same change in \
         staging", .differences.join("; ")
    )]
    Drift {
        /// Production.
        production: String,
        /// Staging.
        staging: String,
        /// Each difference, naming table and column.
        differences: Vec<String>,
    },
    /// Something whose rows cannot be brought over faithfully.
    #[error("{what} in {database} cannot be kept in step: {why}; {remedy}")]
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
    /// The server changed another number of rows than it was told to.
    #[error(
        "table `{table}`: {database} {did} {found} rows where {wanted} were meant: {reason}; nothing of this batch is \
         kept, repeat the pass and compare the table's definition on both sides if it fails again"
    )]
    RowsChanged {
        /// Table.
        table: String,
        /// The database, without password.
        database: String,
        /// What it did: stored, deleted, found.
        did: &'static str,
        /// Rows it was about.
        wanted: u64,
        /// Rows the server says it touched.
        found: u64,
        /// The server's first warning, or what is known.
        reason: String,
    },
    /// After its differences were applied, a table still differs.
    #[error(
        "table `{table}` of {staging} still differs from {production} after its {changes} differing rows were \
         brought over; somebody else writes to staging, or the servers store the same value differently"
    )]
    StillDiffers {
        /// Table.
        table: String,
        /// Production.
        production: String,
        /// Staging.
        staging: String,
        /// Rows that were applied.
        changes: u64,
    },
    /// Rows whose parent row is missing.
    #[error(
        "{database}: {orphans} rows of `{table}` refer to rows of `{parent}` that do not exist (constraint `{name}`), \
         which production does not have; repeat the pass"
    )]
    ForeignKey {
        /// The database, without password.
        database: String,
        /// Constraint.
        name: String,
        /// Referring table.
        table: String,
        /// Table referred to.
        parent: String,
        /// Rows without parent.
        orphans: u64,
    },
    /// Triggers that would act on the rows brought over.
    #[error("{database}: trigger {} {why}; {remedy}", .names.join(", "))]
    Triggers {
        /// The database, without password.
        database: String,
        /// The triggers.
        names: Vec<String>,
        /// Why they are in the way.
        why: String,
        /// What to do.
        remedy: String,
    },
    /// Another run works on the same staging database.
    #[error("another run brings {database} up to date; wait for it to end and repeat")]
    Busy {
        /// The database, without password.
        database: String,
    },
    /// The manifest kept at the time of the copy cannot be used.
    #[error("the manifest {path} cannot be used: {why}; copy production again and keep a new manifest")]
    Manifest {
        /// File or folder.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// Local files or tasks.
    #[error("{what} failed on this host")]
    Local {
        /// What was being done.
        what: String,
        /// The system's error.
        #[source]
        source: BoxError,
    },
    /// The caller cancelled the work.
    #[error("cancelled; repeat the pass, it goes on from the state that staging has")]
    Cancelled,
}

impl DeltaError {
    pub(crate) fn statement(
        what: impl Into<String>,
        database: impl ToString,
        source: impl Into<BoxError>,
    ) -> Self {
        DeltaError::Statement {
            what: what.into(),
            database: database.to_string(),
            source: source.into(),
        }
    }

    pub(crate) fn local(what: impl Into<String>, source: impl Into<BoxError>) -> Self {
        DeltaError::Local {
            what: what.into(),
            source: source.into(),
        }
    }
}
