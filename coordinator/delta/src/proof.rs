//! Foreign keys, proven by asking for rows without a parent.

use std::collections::BTreeSet;

use crate::DeltaError;
use crate::session::{Session, number};

/// A foreign key of staging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForeignKey {
    pub(crate) name: String,
    /// Referring table and the one referred to, for people.
    pub(crate) table: String,
    pub(crate) parent: String,
    /// The same, as SQL.
    pub(crate) child: String,
    pub(crate) referred: String,
    /// Referring columns and those referred to, as SQL.
    pub(crate) columns: Vec<(String, String)>,
}

impl ForeignKey {
    /// Counts rows that refer to nothing. A NULL in any referring column refers to nothing by intent.
    fn orphans(&self) -> String {
        let set: Vec<String> = self
            .columns
            .iter()
            .map(|(own, _)| format!("c.{own} IS NOT NULL"))
            .collect();
        let same: Vec<String> = self
            .columns
            .iter()
            .map(|(own, other)| format!("p.{other} = c.{own}"))
            .collect();
        format!(
            "SELECT COUNT(*) FROM {} c WHERE {} AND NOT EXISTS (SELECT 1 FROM {} p WHERE {})",
            self.child,
            set.join(" AND "),
            self.referred,
            same.join(" AND ")
        )
    }
}

/// Proves the foreign keys that touch one of the tables, or all; returns how many.
///
/// Production may hold orphans, from a time when checks were off. Staging then holds them too, which is noted.
pub(crate) async fn prove(
    keys: &[ForeignKey],
    changed: Option<&BTreeSet<String>>,
    production: &mut Session,
    staging: &mut Session,
    notes: &mut Vec<String>,
) -> Result<u64, DeltaError> {
    let mut proven = 0;
    for key in keys {
        if changed.is_some_and(|tables| !tables.contains(&key.table) && !tables.contains(&key.parent)) {
            continue;
        }
        let orphans = count(staging, key).await?;
        if orphans > 0 {
            if count(production, key).await? != orphans {
                return Err(DeltaError::ForeignKey {
                    database: staging.label().to_owned(),
                    name: key.name.clone(),
                    table: key.table.clone(),
                    parent: key.parent.clone(),
                    orphans,
                });
            }
            notes.push(format!(
                "{}: {orphans} rows of `{}` refer to rows of `{}` that do not exist; so they do in staging",
                production.label(),
                key.table,
                key.parent
            ));
        }
        proven += 1;
    }
    Ok(proven)
}

async fn count(session: &mut Session, key: &ForeignKey) -> Result<u64, DeltaError> {
    let what = format!("proving the foreign key `{}` of table `{}`", key.name, key.table);
    let found = session.rows(&what, key.orphans()).await?;
    Ok(found.first().map_or(0, |row| number(row, 0)))
}
