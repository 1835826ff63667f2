//! A staging that is migrated first, and the rows that production wrote since it was copied (database.md section 5).

use std::path::PathBuf;
use std::sync::Arc;

use cutover_database::{Target, journal_begun};
use cutover_delta::{
    DeadLetter, DeltaReport, FixUps, Manifest, SyncOptions, apply_delta, compare_migrated, dead_letters,
    fix_ups,
};
use cutover_proto::ids::{RunId, Sha256Hex};
use cutover_proto::plan::{DatabaseRole, Plan, PlanDatabase};
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};
use cutover_proto::view::DeadLetterView;

use super::copy::{FINGERPRINT, production_fingerprint};
use super::progress::Teller;
use super::synchronise::delta_failed;
use super::{Job, Worker, defect, failed, target_of};

/// Tables named in a receipt, and letters in an error.
const NAMED: usize = 20;

impl Worker {
    fn manifest_dir(&self, run: RunId, database: &str) -> PathBuf {
        self.folder(run).join(format!("{database}.manifest"))
    }

    /// Keeps name and hash of each row of the copy as long as it is un-migrated.
    pub(super) async fn capture_manifest(&self, job: &Job, database: &PlanDatabase) -> StepOutcome {
        let staging = target_of(database, DatabaseRole::Staging)?;
        self.ensure_ours(job, database)?;
        self.ensure_alone(job, &staging, DatabaseRole::Staging).await?;
        if journal_begun(&staging).await.map_err(|e| failed(&e))? {
            return Err(StepError::new(
                ErrorCode::DatabaseRefused,
                format!("what {staging} held when it was copied can't be kept"),
                "its migration has begun: its rows are not production's any more",
                "abort, and apply again",
            ));
        }
        let dir = self.manifest_dir(job.run, &database.name);
        let options = SyncOptions::default();
        let manifest = Box::pin(Manifest::capture(&staging, &dir, &options, &job.cancel))
            .await
            .map_err(|error| delta_failed("name and hash of each row could not be kept", &error))?;
        let rows: u64 = manifest.tables().values().map(|table| table.rows).sum();
        let production = target_of(database, DatabaseRole::Production)?;
        self.keep_definitions(job.run, database, &staging, &production)
            .await?;
        Ok(Receipt::new()
            .with("manifest", manifest.id())
            .with("tables", manifest.tables().len())
            .with("rows", rows))
    }

    /// Brings in what production wrote since the copy. It can be repeated: staging remembers each row.
    pub(super) async fn bring_delta(&self, job: &Job, database: &PlanDatabase, fenced: bool) -> StepOutcome {
        let (production, staging) = self.before_pass(job, database, fenced).await?;
        self.refuse_new_definitions(job.run, database, &staging, &production)
            .await?;
        let path = known_path(database, &staging)?;
        let dir = self.manifest_dir(job.run, &database.name);
        let manifest = Manifest::load(&dir)
            .map_err(|error| delta_failed("what the copy held can't be read any more", &error))?;
        let teller = Arc::new(Teller::new(job));
        // Behind the fence the comparison follows, which looks at every row.
        let options = SyncOptions {
            fenced,
            ..SyncOptions::default()
        };
        let report = Box::pin(apply_delta(
            &production,
            &staging,
            &manifest,
            &path.mapping,
            &path.statements,
            &options,
            teller,
            &job.cancel,
        ))
        .await
        .map_err(|error| {
            delta_failed(
                "what production wrote since could not be brought into staging",
                &error,
            )
        })?;
        self.after_pass(job, database, &production, fenced).await?;
        if job.plan.rehearses.is_none() {
            // While production serves as well: there is no point in stopping servers for what is known to fail.
            refuse_undelivered(&staging, &report)?;
        }
        self.hand_over(database, receipt_of(&report)).await
    }

    /// The gate right before the switch: whatever production holds is in the migrated staging.
    pub(super) async fn compare_migrated(&self, job: &Job, database: &PlanDatabase) -> StepOutcome {
        let production = target_of(database, DatabaseRole::Production)?;
        let staging = target_of(database, DatabaseRole::Staging)?;
        // Taken first: a row that arrives between the two makes the comparison fail.
        let before = production_fingerprint(&production).await?;
        let path = known_path(database, &staging)?;
        let options = SyncOptions::default();
        let found = Box::pin(compare_migrated(
            &production,
            &staging,
            &path.mapping,
            &options,
            &job.cancel,
        ))
        .await
        .map_err(|error| {
            delta_failed(
                "production and the migrated staging could not be compared",
                &error,
            )
        })?;
        // A rehearsal's production goes on serving: what differs is told, and is no failure.
        if !found.differences.is_empty() && job.plan.rehearses.is_none() {
            return Err(StepError::new(
                ErrorCode::NotEqual,
                format!(
                    "the migrated staging lacks rows of production, or has others, in {} table(s)",
                    found.differences.len()
                ),
                found.differences.join("; "),
                "find out who wrote to one of them, or what the script does to these rows; abort empties staging again",
            ));
        }
        let rows: u64 = found.tables.values().map(|(rows, _)| rows).sum();
        let proof = Sha256Hex::of(&serde_json::to_vec(&found.tables).unwrap_or_default());
        Ok(Receipt::new()
            .with("tables", found.tables.len())
            .with("rows", rows)
            .with("dropped_tables", found.dropped.join(", "))
            .with("differences", found.differences.len())
            .with("hashes_sha256", proof)
            .with(FINGERPRINT, before))
    }

    /// Rows that a run could not bring into its stagings.
    ///
    /// # Errors
    /// A staging can't be read.
    pub async fn dead_letters(&self, plan: &Plan) -> Result<Vec<DeadLetterView>, StepError> {
        let mut list = Vec::new();
        for database in plan.databases.iter().filter(|database| database.delta.is_some()) {
            let staging = target_of(database, DatabaseRole::Staging)?;
            let found = dead_letters(&staging)
                .await
                .map_err(|error| delta_failed("the dead letters can't be read", &error))?;
            list.extend(found.into_iter().map(|letter| view_of(&database.name, letter)));
        }
        Ok(list)
    }

    /// What only served to find later rows: it holds keys of production, and is of no use to a migrated one.
    pub(super) async fn drop_manifest(&self, run: RunId, database: &str) -> Result<(), StepError> {
        let dir = self.manifest_dir(run, database);
        tokio::fs::remove_file(self.definitions_file(run, database))
            .await
            .ok();
        match tokio::fs::remove_dir_all(&dir).await {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(StepError::new(
                ErrorCode::Io,
                format!("{} can't be removed", dir.display()),
                error.to_string(),
                "remove it by hand, then retry",
            )),
        }
    }
}

/// What is known of the scripts that ran.
fn known_path(database: &PlanDatabase, staging: &Target) -> Result<FixUps, StepError> {
    let way = database
        .delta
        .as_ref()
        .ok_or_else(|| defect("the plan does not say how rows get into a migrated staging"))?;
    let Some(name) = &way.fix_ups else {
        return Ok(FixUps::none());
    };
    fix_ups(name, staging.engine)
        .map_err(|error| delta_failed("the fix-ups can't be read", &error))?
        .ok_or_else(|| defect(&format!("there are no fix-ups called {name}")))
}

/// Rows that staging refuses, and rows that the migration itself made different. Which they are is not said here: keys
/// and values may be secret.
fn refuse_undelivered(staging: &Target, report: &DeltaReport) -> Result<(), StepError> {
    if report.dead_letters > 0 {
        let tables: Vec<String> = report
            .tables
            .iter()
            .filter(|table| table.dead_letters > 0)
            .map(|table| format!("{} of `{}`", table.dead_letters, table.name))
            .collect();
        return Err(StepError::new(
            ErrorCode::NotEqual,
            format!(
                "staging ({staging}) refuses {} row(s) of production",
                report.dead_letters
            ),
            tables.join(", "),
            "cutover dead-letters RUN shows each row and what staging said; take out of staging what is in their way, then retry: \
             they are tried again; or abort, and plan with downtime.mode = \"sync\"",
        ));
    }
    if !report.differences.is_empty() {
        return Err(StepError::new(
            ErrorCode::NotEqual,
            format!("the migration made rows of staging ({staging}) different in columns that stayed"),
            report.differences.join(", "),
            "rows that come later would not be made so: abort, and plan with downtime.mode = \"sync\"",
        ));
    }
    Ok(())
}

fn view_of(database: &str, letter: DeadLetter) -> DeadLetterView {
    DeadLetterView {
        database: database.to_owned(),
        table: letter.table,
        act: letter.act,
        key: letter.key,
        row: letter.row.map(|row| masked(&row)),
        reason: letter.reason,
        at: letter.at,
    }
}

/// A row for people: what may be secret is left out.
fn masked(row: &str) -> String {
    match serde_json::from_str(row) {
        Ok(serde_json::Value::Object(mut columns)) => {
            for (name, value) in &mut columns {
                if cutover_copy::may_be_secret(name) {
                    *value = "(not shown)".into();
                }
            }
            serde_json::Value::Object(columns).to_string()
        }
        Ok(_) | Err(_) => "(not shown)".to_owned(),
    }
}

fn receipt_of(report: &DeltaReport) -> Receipt {
    let left_behind: u64 = report.tables.iter().map(|table| table.left_behind).sum();
    let mut receipt = Receipt::new()
        .with("changes", report.changes)
        .with("left_behind", left_behind)
        .with("dead_letters", report.dead_letters)
        .with("converted", report.differences.join(", "))
        .with("fixed_rows", report.fixed_rows)
        .with("counters", report.counters)
        .with("millis", report.millis);
    for table in report.tables.iter().take(NAMED) {
        let mut text = format!(
            "{} inserted, {} updated, {} deleted",
            table.inserted, table.updated, table.deleted
        );
        for (count, what) in [
            (table.left_behind, "left behind, as the migration drops the table"),
            (table.dead_letters, "refused by staging"),
        ] {
            if count > 0 {
                text.push_str(&format!(", {count} {what}"));
            }
        }
        receipt = receipt.with(&format!("table_{}", table.name), text);
    }
    receipt
}
