//! Whether a staging that was migrated first can be given the rows that production wrote meanwhile: only where it is
//! known what the scripts do to rows (database.md section 5).

use std::collections::BTreeSet;

use cutover_delta::delta_allowed;
use cutover_proto::plan::{DeltaWay, PlanDatabase, PlanScript};
use cutover_sqlscript::StatementKind;

use super::{DatabaseProbe, Inputs, KnownScript, scripts};
use crate::guide::Role;

/// How rows get into the migrated staging of a database.
///
/// # Errors
/// Why they can't, in words.
pub(super) fn way(
    inputs: &Inputs<'_>,
    probe: &DatabaseProbe,
    roles: &BTreeSet<Role>,
    database: &PlanDatabase,
) -> Result<DeltaWay, String> {
    if database.scripts.is_empty() {
        return Err("no script runs on it: staging is kept equal to production instead".to_owned());
    }
    let mut known = BTreeSet::new();
    for script in &database.scripts {
        known.extend(of_script(inputs, probe, roles, script)?);
    }
    match known.len() {
        0 | 1 => Ok(DeltaWay {
            fix_ups: known.into_iter().next(),
        }),
        _ => Err("its scripts are of several upgrade paths at once".to_owned()),
    }
}

/// The fix-ups that a script needs; none where it changes no rows.
fn of_script(
    inputs: &Inputs<'_>,
    probe: &DatabaseProbe,
    roles: &BTreeSet<Role>,
    script: &PlanScript,
) -> Result<Option<String>, String> {
    let name = &script.blob.name;
    let known = inputs
        .scripts
        .get(name)
        .ok_or_else(|| format!("`{name}` is not here"))?;
    let fix_ups = inputs
        .guide
        .scripts
        .iter()
        .filter(|of_guide| roles.contains(&of_guide.role) && scripts::migrates(known, of_guide))
        .find_map(|of_guide| of_guide.fix_ups.clone());
    if fix_ups.is_some() {
        return match overridden(known, script) {
            Some(statement) => Err(format!(
                "statement {statement} of `{name}` is overridden and changes rows, so that the fix-ups which follow the \
                 rows are not known to fit"
            )),
            None => Ok(fix_ups),
        };
    }
    match delta_allowed(&known.parsed, &probe.tables) {
        Ok(()) if !known.parsed.is_empty() => Ok(None),
        Ok(()) => Err(format!("`{name}` can't be read")),
        Err(reason) => Err(format!("`{name}`: {reason}")),
    }
}

/// The first overridden statement that changes rows.
fn overridden(known: &KnownScript, script: &PlanScript) -> Option<u32> {
    let changes_rows = |number: &u32| {
        let index = usize::try_from(*number).ok().and_then(|n| n.checked_sub(1));
        let statement = index.and_then(|index| known.parsed.get(index));
        statement.is_none_or(|statement| statement.kind == StatementKind::Dml)
    };
    script
        .overrides
        .iter()
        .map(|decision| decision.statement)
        .find(changes_rows)
}
