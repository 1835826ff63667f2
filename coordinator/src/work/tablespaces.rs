//! Large tables of a MySQL or MariaDB server copied as files: the coordinator locks them and makes them in staging
//! without their files, the agent on the database host copies the files, and the copy takes them in.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use cutover_copy::tablespaces::{self, Export};
use cutover_proto::ids::RunId;
use cutover_proto::plan::{DatabaseAddress, DatabaseRole, PlanDatabase};
use cutover_proto::report::{Receipt, StepError, StepOutcome};

use super::copy::{copy_failed, options};
use super::{Job, Worker, target, target_of};
use crate::planner::HostProbe;

/// What is locked now, by run and database. It is gone with the coordinator, and so is the lock; the copy then takes
/// the rows.
#[derive(Debug, Default)]
pub(super) struct Exports(Mutex<BTreeMap<(RunId, String), Export>>);

impl Exports {
    fn keep(&self, job: &Job, database: &PlanDatabase, export: Export) {
        let key = (job.run, database.name.clone());
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(key, export);
    }

    fn take(&self, job: &Job, database: &PlanDatabase) -> Option<Export> {
        let key = (job.run, database.name.clone());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key)
    }
}

impl Worker {
    /// What a plan needs to know to have tables copied as files.
    ///
    /// # Errors
    /// Why it can't be told, in words.
    pub async fn exportable(
        &self,
        production: &DatabaseAddress,
        staging: &DatabaseAddress,
    ) -> Result<HostProbe, StepError> {
        let (production, staging) = (target(production)?, target(staging)?);
        let mysql = production.engine == cutover_database::Engine::MySql;
        let same_server = mysql && production.same_server(&staging);
        let exportable = if same_server {
            tablespaces::exportable(&production, &staging, &options())
                .await
                .map_err(|e| copy_failed("production's tables could not be listed", &e))?
        } else {
            tablespaces::Exportable::default()
        };
        Ok(HostProbe {
            node: None,
            same_server,
            exportable,
        })
    }

    /// Locks the tables whose files are copied next, and makes them in staging.
    pub(super) async fn export_tables(
        &self,
        job: &Job,
        database: &PlanDatabase,
        tables: &[String],
    ) -> StepOutcome {
        let production = target_of(database, DatabaseRole::Production)?;
        let staging = target_of(database, DatabaseRole::Staging)?;
        drop(self.exports.take(job, database));
        if self.claim_staging(job, database, false).await? {
            self.empty_staging(job, database).await?;
        }
        let export = tablespaces::export(&production, &staging, tables, &options(), &self.own)
            .await
            .map_err(|e| copy_failed("the tables could not be locked for the copy of their files", &e))?;
        let receipt = Receipt::new()
            .with("tables", export.tables().collect::<Vec<_>>().join(", "))
            .with("bytes", export.bytes());
        let receipt = match export.refused() {
            Some(why) => receipt.with("not_locked", format!("{why}; their rows are copied")),
            None => receipt,
        };
        self.exports.keep(job, database, export);
        Ok(receipt)
    }

    /// Takes the copied files in. What could not be is told, and copied by rows.
    pub(super) async fn take_files_in(
        &self,
        job: &Job,
        database: &PlanDatabase,
    ) -> Result<(usize, Vec<String>), StepError> {
        if database.tablespaces.is_none() {
            return Ok((0, Vec::new()));
        }
        let Some(export) = self.exports.take(job, database) else {
            let why = "no lock on production's tables is held any more (the coordinator was restarted, or an earlier \
                       try of this step ended it): the tables that are not whole in staging are copied by rows";
            return Ok((0, vec![why.to_owned()]));
        };
        let staging = target_of(database, DatabaseRole::Staging)?;
        let (taken, notes) = export
            .import(&staging)
            .await
            .map_err(|e| copy_failed("the copied files could not be taken in", &e))?;
        Ok((taken.len(), notes))
    }

    /// Ends the lock; what was made in staging goes.
    pub(super) async fn give_up_export(&self, job: &Job, database: &PlanDatabase) -> StepOutcome {
        drop(self.exports.take(job, database));
        self.empty_staging(job, database).await
    }
}
