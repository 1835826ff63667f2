//! Backup of production with a receipt, proven by restoring it (promise 3).

use std::path::PathBuf;

use cutover_database::{BackupReceipt, Target, Tools, backup, facts, verify_by_restore};
use cutover_proto::ids::{RunId, Sha256Hex};
use cutover_proto::plan::{DatabaseRole, PlanDatabase};
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};

use super::progress::Teller;
use super::{Job, Worker, failed, same_identity, target_of};

impl Worker {
    /// Where a run keeps the backups of its databases.
    pub(super) fn folder(&self, run: RunId) -> PathBuf {
        self.backup_dir.join(run.to_string())
    }

    fn receipt_file(&self, run: RunId, database: &str) -> PathBuf {
        self.folder(run).join(format!("{database}.backup.json"))
    }

    /// Whether this run has begun something on a database: marks outlive the coordinator, and other runs have
    /// their own.
    pub(super) fn is_claimed(&self, job: &Job, mark: &str) -> bool {
        self.folder(job.run).join(mark).exists()
    }

    /// Leaves the mark, durably, before the thing is begun.
    pub(super) async fn claim(&self, job: &Job, mark: &str) -> Result<(), StepError> {
        let folder = self.folder(job.run);
        crate::lifecycle::private_folder(&folder).map_err(|e| file_error(&folder, &e.to_string()))?;
        write_whole(&folder.join(mark), b"").await
    }

    pub(super) async fn tools(&self, target: &Target) -> Result<Tools, StepError> {
        let facts = facts(target).await.map_err(|e| failed(&e))?;
        Ok(Tools::find_for(facts.flavour))
    }

    pub(super) async fn back_up(&self, job: &Job, database: &PlanDatabase) -> StepOutcome {
        // A rehearsal times it on its scratch, which holds the same rows: a backup of a serving database lapses at once.
        let (role, identity) = if job.plan.rehearses.is_some() {
            (DatabaseRole::Staging, &database.staging_identity)
        } else {
            (DatabaseRole::Production, &database.production_identity)
        };
        let target = target_of(database, role)?;
        let found = facts(&target).await.map_err(|e| failed(&e))?;
        same_identity(&found, identity, role)?;
        if role == DatabaseRole::Production {
            self.ensure_fenced(job, database, &target).await?;
        }
        self.ensure_alone(job, &target, role).await?;
        let folder = self.folder(job.run);
        crate::lifecycle::private_folder(&folder).map_err(|e| file_error(&folder, &e.to_string()))?;
        let tools = Tools::find_for(found.flavour);
        let teller = Teller::new(job);
        let told = |done, total| teller.bytes("dump", done, total);
        let receipt = Box::pin(backup(&target, &folder, &database.name, &tools, &told))
            .await
            .map_err(|e| failed(&e))?;
        let scratch = scratch_name(job.run, &database.name);
        let told = |done, total| teller.bytes("restore drill", done, total);
        let proof = Box::pin(verify_by_restore(&target, &receipt, &scratch, &tools, &told))
            .await
            .map_err(|e| failed(&e))?;
        self.keep_receipt(job.run, &database.name, &receipt).await?;
        Ok(Receipt::new()
            .with("file", receipt.file.display())
            .with("sha256", &receipt.sha256)
            .with("size", receipt.size)
            .with("tables", proof.tables)
            .with("rows", proof.rows)
            .with("restored_millis", proof.millis)
            .with("taken", &receipt.server_time))
    }

    /// The receipt is written whole or not at all: undo relies on it.
    async fn keep_receipt(
        &self,
        run: RunId,
        database: &str,
        receipt: &BackupReceipt,
    ) -> Result<(), StepError> {
        write_whole(
            &self.receipt_file(run, database),
            &serde_json::to_vec_pretty(receipt).unwrap_or_default(),
        )
        .await
    }

    /// The receipt of a run's backup.
    pub(super) async fn backup_receipt(
        &self,
        run: RunId,
        database: &str,
    ) -> Result<BackupReceipt, StepError> {
        let path = self.receipt_file(run, database);
        let text = tokio::fs::read(&path)
            .await
            .map_err(|e| file_error(&path, &e.to_string()))?;
        serde_json::from_slice(&text).map_err(|e| file_error(&path, &e.to_string()))
    }
}

/// Writes a file whole or not at all, and to disk.
async fn write_whole(path: &std::path::Path, content: &[u8]) -> Result<(), StepError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let written = async {
        tokio::fs::write(&temporary, content).await?;
        tokio::fs::File::open(&temporary).await?.sync_all().await?;
        tokio::fs::rename(&temporary, path).await?;
        match path.parent() {
            Some(folder) => tokio::fs::File::open(folder).await?.sync_all().await,
            None => Ok(()),
        }
    };
    written
        .await
        .map_err(|e: std::io::Error| file_error(path, &e.to_string()))
}

fn file_error(path: &std::path::Path, why: &str) -> StepError {
    StepError::new(
        ErrorCode::Io,
        format!("{} can't be used", path.display()),
        why,
        "check the coordinator's backup_dir, then retry",
    )
}

/// A name that no site's database has, and that a repeated try finds again.
pub(super) fn scratch_name(run: RunId, database: &str) -> String {
    let hash = Sha256Hex::of(format!("{run}/{database}").as_bytes());
    format!("cutover_drill_{}", hash.short())
}
