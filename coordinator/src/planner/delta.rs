//! Whether a staging that was migrated first can be given the rows that production wrote meanwhile: only where it is
//! known what the scripts do to rows (database.md section 5).

use std::collections::BTreeSet;

use cutover_database::Engine;
use cutover_delta::delta_allowed;
use cutover_proto::plan::{DeltaWay, PlanDatabase, PlanScript};
use cutover_sqlscript::{Dialect, Statement, StatementKind};

use super::{DatabaseProbe, Inputs, overrides, scripts};
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
    if probe.triggers > 0 {
        return Err(format!(
            "production has {} trigger(s), which would act in staging on the rows brought over",
            probe.triggers
        ));
    }
    let engine = if database.engine == "postgres" {
        Engine::Postgres
    } else {
        Engine::MySql
    };
    let mut known = None;
    for script in &database.scripts {
        let found = of_script(inputs, probe, roles, script, engine)?;
        if found.is_some() && known.is_some() {
            return Err("several of its scripts are the migration of an upgrade path".to_owned());
        }
        known = known.or(found);
    }
    Ok(DeltaWay { fix_ups: known })
}

/// The fix-ups that a script needs; none where it changes no rows.
fn of_script(
    inputs: &Inputs<'_>,
    probe: &DatabaseProbe,
    roles: &BTreeSet<Role>,
    script: &PlanScript,
    engine: Engine,
) -> Result<Option<String>, String> {
    let name = &script.blob.name;
    let known = inputs
        .scripts
        .get(name)
        .filter(|known| !known.parsed.is_empty())
        .ok_or_else(|| format!("`{name}` can't be read"))?;
    let path = inputs
        .guide
        .scripts
        .iter()
        .filter(|of_guide| roles.contains(&of_guide.role) && scripts::migrates(known, of_guide))
        .find_map(|of_guide| of_guide.fix_ups.clone());
    let following = match &path {
        None => None,
        Some(path) => cutover_delta::fix_ups(path, engine).map_err(|error| error.to_string())?,
    };
    let runs = overrides::as_it_runs(&known.parsed, script, dialect_of(engine));
    let changes_rows = |statement: &Statement| statement.kind == StatementKind::Dml;
    let mut overridden = known.parsed.iter().filter(|statement| {
        let number = u32::try_from(statement.index + 1).unwrap_or(u32::MAX);
        script
            .overrides
            .iter()
            .any(|decision| decision.statement == number)
    });
    if let Some(statement) = overridden.find(|statement| path.is_some() && changes_rows(statement)) {
        return Err(format!(
            "statement {} of `{name}` is overridden and changes rows, so that the fix-ups which follow the rows are not \
             known to fit",
            statement.index + 1
        ));
    }
    let tables = probe.tables.union(&probe.hidden_tables).cloned().collect();
    delta_allowed(&runs, &tables, following.as_ref())
        .map(|()| path)
        .map_err(|reason| format!("`{name}`: {reason}"))
}

fn dialect_of(engine: Engine) -> Dialect {
    match engine {
        Engine::MySql => Dialect::MySql,
        Engine::Postgres => Dialect::Postgres,
    }
}
