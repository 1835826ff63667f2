//! Proof that a migrated staging holds production's rows: every old column of every table is compared, as the
//! servers hash it. What a migration adds is not looked at here; checkpoints do that.

use std::collections::BTreeMap;
use std::time::Instant;

use cutover_database::Target;

use crate::DeltaError;
use crate::apply::Landing;
use crate::dialect::Dialect;
use crate::layout::{Layout, Selection, Sums};
use crate::mapping::Mapping;
use crate::merge;
use crate::options::SyncOptions;
use crate::pass::millis;
use crate::session::Session;
use crate::sync;
use crate::table::Table;

/// Rows that are named of one table.
const NAMED: usize = 20;

/// What the comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MigratedComparison {
    /// Rows and sum of hashes of each table, by its name in production.
    pub tables: BTreeMap<String, (u64, String)>,
    /// Tables that the migration drops, and that are therefore not compared.
    pub dropped: Vec<String>,
    /// Each difference in words, with the table and the rows as far as they can be named.
    pub differences: Vec<String>,
    /// Wall time.
    pub millis: u64,
}

pub(crate) async fn compare(
    production: &Target,
    staging: &Target,
    mapping: &Mapping,
    options: &SyncOptions,
) -> Result<MigratedComparison, DeltaError> {
    let started = Instant::now();
    let dialect = sync::common_dialect(production, staging).await?;
    let (mut here, tables) = sync::frozen_as(production, dialect, options).await?;
    let (mut there, migrated) = sync::frozen_as(staging, dialect, options).await?;
    let mut found = MigratedComparison::default();
    let label = staging.to_string();
    for table in &tables {
        let Some(landing) = Landing::find(production.engine, table, &migrated, mapping, &label)? else {
            found.dropped.push(table.label.clone());
            continue;
        };
        let old = landing.old_columns();
        let layout = Layout::Whole;
        let (ours, theirs) = futures::try_join!(
            dialect.sums(&mut here, &old, layout, &Selection::All),
            dialect.sums(&mut there, &landing.staging, layout, &Selection::All)
        )?;
        if ours != theirs {
            let text = differing(
                &mut here,
                &mut there,
                dialect,
                (&old, &landing.staging),
                (&ours, &theirs),
            );
            found.differences.push(text.await?);
        }
        let sum = ours.into_values().next().unwrap_or_default();
        found.tables.insert(table.label.clone(), sum);
    }
    found.millis = millis(started);
    Ok(found)
}

/// Names the rows of a table whose sums differ.
async fn differing(
    here: &mut Session,
    there: &mut Session,
    dialect: Dialect,
    (old, new): (&Table, &Table),
    (ours, theirs): (&Sums, &Sums),
) -> Result<String, DeltaError> {
    let rows = |sums: &Sums| sums.values().map(|(rows, _)| *rows).sum::<u64>();
    let mut named = Vec::new();
    let mut count = 0_u64;
    let before = dialect.entries(there, new, Layout::Whole, &Selection::All);
    let after = dialect.entries(here, old, Layout::Whole, &Selection::All);
    merge::differences(before, after, |found| {
        count += 1;
        // Whole numbers name a row to people; what else is in a key may be a secret.
        if named.len() < NAMED && (old.integer_key() || old.keyless()) {
            let key: Vec<String> = found
                .key
                .iter()
                .map(|value| String::from_utf8_lossy(value).into_owned())
                .collect();
            let what = match (found.before, found.after) {
                (None, _) => "is missing in staging",
                (_, None) => "is in staging only",
                (Some((one, _)), Some((other, _))) if one == other => "is there another number of times",
                (Some(_), Some(_)) => "has other values",
            };
            named.push(format!("({}) {what}", key.join(", ")));
        }
        Ok(())
    })
    .await?;
    let mut text = format!(
        "table `{}`: {} rows in production, {} in staging, {count} differ",
        old.label,
        rows(ours),
        rows(theirs)
    );
    if !named.is_empty() {
        text.push_str(&format!(": {}", named.join(", ")));
        if count > named.len() as u64 {
            text.push_str(", and more");
        }
    }
    Ok(text)
}
