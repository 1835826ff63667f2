//! Repairs of what a checkpoint found, on request only.

mod hybrid;

use crate::checkpoint::{self, Checker, Checkpoint};
use crate::connection::Connection;
use crate::error::{DatabaseError, Kind};
use crate::target::Target;

pub(crate) const ACTION: &str = "repair what a checkpoint found";

/// What a repair needs to know.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RepairOptions {
    /// Name of the primary user store's domain: `PRIMARY`, unless the site set `DomainName` in `user-mgt.xml`.
    pub primary_domain: String,
}

impl Default for RepairOptions {
    fn default() -> Self {
        RepairOptions {
            primary_domain: "PRIMARY".to_owned(),
        }
    }
}

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RepairReport {
    /// The checkpoint whose finding was repaired.
    pub checkpoint: Checkpoint,
    /// How many were wrong.
    pub found: u64,
    /// How many are right now.
    pub repaired: u64,
    /// How many a person must decide about.
    pub left: u64,
    /// What was changed, the first of them.
    pub changed: Vec<String>,
    /// What was not and why, the first of them.
    pub unchanged: Vec<String>,
    /// What it meant and what was done, for the operator.
    pub explain: String,
}

/// How many changes a report names.
pub(crate) const SHOWN: usize = 50;

/// Whether a repair is known for what this checkpoint can find.
#[must_use]
pub fn repairable(checkpoint: &Checkpoint) -> bool {
    match checkpoint {
        Checkpoint::Sequences { .. } => true,
        Checkpoint::NullCount { table, column, .. } => hybrid::is_for(table, column),
        Checkpoint::Table { .. }
        | Checkpoint::Column { .. }
        | Checkpoint::Rows { .. }
        | Checkpoint::NotDropped { .. }
        | Checkpoint::ForeignKeys { .. }
        | Checkpoint::Orphans { .. }
        | Checkpoint::TenantDomains { .. } => false,
    }
}

/// Repairs what the checkpoint found. It can be repeated: what is right is not touched.
///
/// # Errors
/// [`Kind::Refused`] when no repair is known; otherwise the database cannot be changed.
pub async fn repair(
    target: &Target,
    checkpoint: &Checkpoint,
    options: &RepairOptions,
) -> Result<RepairReport, DatabaseError> {
    if !repairable(checkpoint) {
        return Err(DatabaseError::new(
            Kind::Refused,
            ACTION,
            target,
            "no repair is known for this checkpoint",
            "look at what it found and correct it by hand, or restore the backup",
        ));
    }
    let mut connection = Connection::open(target).await?;
    let report = async {
        let mut checker = Checker::new(&mut connection).await?;
        match checkpoint {
            Checkpoint::NullCount { .. } => hybrid::repair(&mut checker, checkpoint, options).await,
            Checkpoint::Sequences { .. }
            | Checkpoint::Table { .. }
            | Checkpoint::Column { .. }
            | Checkpoint::Rows { .. }
            | Checkpoint::NotDropped { .. }
            | Checkpoint::ForeignKeys { .. }
            | Checkpoint::Orphans { .. }
            | Checkpoint::TenantDomains { .. } => sequences(&mut checker, checkpoint).await,
        }
    }
    .await;
    connection.close().await;
    report
}

async fn sequences(
    checker: &mut Checker<'_>,
    checkpoint: &Checkpoint,
) -> Result<RepairReport, DatabaseError> {
    let mut report = RepairReport {
        checkpoint: checkpoint.clone(),
        found: 0,
        repaired: 0,
        left: 0,
        changed: Vec::new(),
        unchanged: Vec::new(),
        explain:
            "A sequence that is not ahead of its table gives out an id that is in use, and the first INSERT \
                  fails. Each was set to the highest id in use plus one."
                .to_owned(),
    };
    for source in checkpoint::sequences::find(checker).await? {
        if !source.is_behind() {
            continue;
        }
        report.found += 1;
        match &source.repair {
            Some(sql) => {
                checker.connection.execute(ACTION, sql).await?;
                report.repaired += 1;
                report.changed.push(source.described());
            }
            None => {
                report.left += 1;
                report
                    .unchanged
                    .push(format!("{}: run the script that makes it", source.described()));
            }
        }
    }
    Ok(report)
}
