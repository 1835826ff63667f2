//! The backups that runs have left: listed, proven again, restored elsewhere.

use std::path::PathBuf;

use cutover_database::backup::Progress;
use cutover_database::{CatalogError, Target, Tools, catalog, facts};
use cutover_proto::ids::RunId;
use cutover_proto::plan::{DatabaseAddress, DatabaseRole, PlanDatabase};
use cutover_proto::report::{ErrorCode, StepError};
use cutover_proto::view::{BackupView, RestoreView};

use super::backup::scratch_name;
use super::{Worker, failed, identity, target, target_of};

/// Extensions of the engines' backups.
const EXTENSIONS: [&str; 2] = ["sql", "dump"];

impl Worker {
    /// The backups of a run. What is wrong with one is said in it; the contents are not looked at.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn backups(&self, run: RunId, upgrade: &str) -> Result<Vec<BackupView>, StepError> {
        let folder = self.folder(run);
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let entries = catalog::list(&folder).map_err(|e| unusable(&e))?;
        Ok(entries
            .into_iter()
            .filter_map(|entry| {
                let name = name_of(&entry.file)?;
                let receipt = entry.receipt.as_ref();
                Some(BackupView {
                    id: format!("{run}/{name}"),
                    upgrade: upgrade.to_owned(),
                    database: receipt.map(|r| r.database.clone()).unwrap_or_default(),
                    engine: receipt.map(|r| r.engine.to_string()).unwrap_or_default(),
                    taken: receipt.map(|r| r.server_time.clone()).unwrap_or_default(),
                    file: entry.file.display().to_string(),
                    size: receipt.map_or(0, |r| r.size),
                    sha256: receipt.map(|r| r.sha256.clone()).unwrap_or_default(),
                    tables: receipt.map_or(0, |r| u64::try_from(r.tables.len()).unwrap_or(0)),
                    problem: entry.problem.unwrap_or_default(),
                })
            })
            .collect())
    }

    fn backup_file(&self, run: RunId, name: &str) -> Result<PathBuf, StepError> {
        let folder = self.folder(run);
        let found = EXTENSIONS
            .iter()
            .map(|extension| folder.join(format!("{name}.{extension}")))
            .find(|file| file.is_file() && name_of(file).as_deref() == Some(name));
        found.ok_or_else(|| {
            StepError::new(
                ErrorCode::NotFound,
                format!("there is no backup {run}/{name}"),
                format!("{} holds none of that name", folder.display()),
                "look it up with: cutover backup list",
            )
        })
    }

    /// Hashes a backup again, restores it into a scratch database beside production, and compares that with the
    /// receipt.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn verify_backup(
        &self,
        run: RunId,
        name: &str,
        database: &PlanDatabase,
        told: Progress<'_>,
    ) -> Result<RestoreView, StepError> {
        let file = self.backup_file(run, name)?;
        let server = target_of(database, DatabaseRole::Production)?;
        let found = facts(&server).await.map_err(|e| failed(&e))?;
        let scratch = scratch_name(run, &format!("{name}/verify"));
        let tools = Tools::find_for(found.flavour);
        let proof = Box::pin(catalog::verify(&server, &file, &scratch, &tools, told))
            .await
            .map_err(|e| unusable(&e))?;
        Ok(RestoreView {
            id: format!("{run}/{name}"),
            into: format!("a scratch database on {server}, dropped again"),
            sha256: proof.sha256,
            tables: u64::try_from(proof.tables).unwrap_or(0),
            rows: proof.rows,
            millis: proof.millis,
        })
    }

    /// The database that a backup is to be restored into, and what proves which one it is.
    ///
    /// # Errors
    /// It can't be reached.
    pub async fn restore_target(&self, address: &DatabaseAddress) -> Result<(Target, String), StepError> {
        let into = target(address)?;
        let found = facts(&into).await.map_err(|e| failed(&e))?;
        Ok((into, identity(&found)))
    }

    /// Restores a backup into an empty database.
    ///
    /// # Errors
    /// The database is not empty, or what is wrong with the backup.
    pub async fn restore_backup(
        &self,
        run: RunId,
        name: &str,
        into: &Target,
        told: Progress<'_>,
    ) -> Result<RestoreView, StepError> {
        let file = self.backup_file(run, name)?;
        let tools = self.tools(into).await?;
        let proof = Box::pin(catalog::restore_empty(&file, into, &tools, told))
            .await
            .map_err(|e| unusable(&e))?;
        Ok(RestoreView {
            id: format!("{run}/{name}"),
            into: into.to_string(),
            sha256: proof.sha256,
            tables: u64::try_from(proof.tables).unwrap_or(0),
            rows: proof.rows,
            millis: proof.millis,
        })
    }
}

/// The name of a backup: its file's, without the engine's extension. Receipts and marks beside it are none.
fn name_of(file: &std::path::Path) -> Option<String> {
    let extension = file.extension()?.to_str()?;
    let name = file.file_stem()?.to_str()?;
    (EXTENSIONS.contains(&extension) && !name.contains('/')).then(|| name.to_owned())
}

fn unusable(error: &CatalogError) -> StepError {
    match error {
        CatalogError::Database(error) => failed(error),
        CatalogError::Read { .. } | CatalogError::NoReceipt(_) | CatalogError::Damaged(_) => StepError::new(
            ErrorCode::HashMismatch,
            "the backup can't be used",
            error.to_string(),
            "keep it for analysis and use another one",
        ),
    }
}
