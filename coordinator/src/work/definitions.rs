//! What production was defined as when it was copied: rows are brought over later, definitions are not.

use std::path::PathBuf;

use cutover_copy::{Definitions, definitions};
use cutover_database::Target;
use cutover_proto::ids::RunId;
use cutover_proto::plan::PlanDatabase;
use cutover_proto::report::{ErrorCode, StepError};

use super::Worker;
use super::copy::{copy_failed, options};

/// Changes told in an error.
const NAMED: usize = 20;

impl Worker {
    pub(super) fn definitions_file(&self, run: RunId, database: &str) -> PathBuf {
        self.folder(run).join(format!("{database}.definitions.json"))
    }

    /// What the copy was defined as while it was un-migrated, which is what production was then.
    pub(super) async fn keep_definitions(
        &self,
        run: RunId,
        database: &PlanDatabase,
        staging: &Target,
        production: &Target,
    ) -> Result<(), StepError> {
        let found = definitions(staging, production, &options())
            .await
            .map_err(|e| copy_failed("the definitions in staging could not be read", &e))?;
        let path = self.definitions_file(run, &database.name);
        let text = serde_json::to_vec(&found).unwrap_or_default();
        tokio::fs::write(&path, text).await.map_err(|error| {
            StepError::new(
                ErrorCode::Io,
                format!("{} can't be written", path.display()),
                error.to_string(),
                "make room or mend the folder's rights, then retry",
            )
        })
    }

    /// Rows are brought over; a view, a trigger, a routine or an index that changed in production since is not.
    pub(super) async fn refuse_new_definitions(
        &self,
        run: RunId,
        database: &PlanDatabase,
        staging: &Target,
        production: &Target,
    ) -> Result<(), StepError> {
        let path = self.definitions_file(run, &database.name);
        let read = tokio::fs::read(&path).await.map_err(|error| error.to_string());
        let before: Definitions = read
            .and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()))
            .map_err(|why| {
                StepError::new(
                    ErrorCode::Io,
                    format!("{} can't be read", path.display()),
                    why,
                    "without it changes of views, triggers and routines can't be told: abort, and apply again",
                )
            })?;
        let now = definitions(production, staging, &options())
            .await
            .map_err(|e| copy_failed("the definitions in production could not be read", &e))?;
        let changes = now.changes_since(&before);
        if changes.is_empty() {
            return Ok(());
        }
        let shown: Vec<String> = changes.iter().take(NAMED).cloned().collect();
        Err(StepError::new(
            ErrorCode::NotEqual,
            format!(
                "{} definition(s) of production ({production}) changed since it was copied",
                changes.len()
            ),
            shown.join("; "),
            "take the change back in production and retry, or abort and apply again: a new copy has it",
        ))
    }
}
