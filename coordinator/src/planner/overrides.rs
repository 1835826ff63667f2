//! Overrides of the upgrade file, bound to the statements of the scripts that run.

use cutover_proto::plan::{OverrideAction, PlanDatabase, PlanScript};
use cutover_proto::view::Finding;
use cutover_sqlscript::{Dialect, Statement};

use super::{Inputs, error};
use crate::model::upgrade::UpgradeDatabase;
use crate::model::upgrade::overrides::SiteOverride;

/// Puts each override to its script. What names no statement of a script that runs is an error: it would silently do
/// nothing.
pub(super) fn attach(inputs: &Inputs<'_>, databases: &mut [PlanDatabase]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for wanted in &inputs.upgrade.overrides {
        let place = place(wanted);
        let mut used = false;
        let scripts = databases.iter_mut().flat_map(|database| &mut database.scripts);
        for script in scripts.filter(|script| script.blob.name == wanted.script) {
            used = true;
            if let Some(problem) = mismatch(inputs, wanted, &place) {
                findings.push(problem);
                break;
            }
            script.overrides.push(wanted.decision.clone());
            script.overrides.sort_by_key(|decision| decision.statement);
        }
        if !used && !databases.is_empty() {
            findings.push(error(
                "override-unused",
                place,
                "no script of that name runs in this upgrade",
                "correct `script`, or remove the override",
            ));
        }
    }
    findings
}

fn place(wanted: &SiteOverride) -> String {
    format!(
        "override of statement {} in `{}`",
        wanted.decision.statement, wanted.script
    )
}

/// Replacements of statements on MySQL that name another database than the one they would be run on.
pub(super) fn elsewhere(inputs: &Inputs<'_>, migrates_production: bool, plan: &PlanDatabase) -> Vec<Finding> {
    let same = |known: &&UpgradeDatabase| known.name == plan.name && super::engine_of(known) == "mysql";
    let Some(database) = inputs.upgrade.databases.iter().find(same) else {
        return Vec::new();
    };
    let here = super::runs_on(database, migrates_production);
    let of_plan = |wanted: &&SiteOverride| {
        plan.scripts
            .iter()
            .any(|script| script.blob.name == wanted.script)
    };
    let replaced = inputs.upgrade.overrides.iter().filter(of_plan);
    replaced
        .filter_map(|wanted| named_elsewhere(wanted, here))
        .collect()
}

fn named_elsewhere(wanted: &SiteOverride, here: &str) -> Option<Finding> {
    let with = wanted.decision.with.as_deref()?;
    let script = cutover_sqlscript::split(with, Dialect::MySql).ok()?;
    let names = script.statements.iter().flat_map(|s| s.databases(Dialect::MySql));
    let other = names.into_iter().find(|name| name != here)?;
    Some(error(
        "script-other-database",
        place(wanted),
        format!("`with` names database `{other}`, whatever it is run on, and it is run on `{here}`"),
        "take the database's name out of it: it would change a database that is in use",
    ))
}

fn mismatch(inputs: &Inputs<'_>, wanted: &SiteOverride, place: &str) -> Option<Finding> {
    let statements = &inputs.scripts.get(&wanted.script)?.hashes;
    let index = usize::try_from(wanted.decision.statement).ok()?.checked_sub(1)?;
    let remedy = "look it up with `cutover --json sql split` and correct `statement` or `sha256`";
    match statements.get(index) {
        None => Some(error(
            "override-unknown",
            place,
            format!("the script has {} statements", statements.len()),
            remedy,
        )),
        Some(found) if found != &wanted.decision.sha256 => Some(error(
            "override-mismatch",
            place,
            format!(
                "the statement's SHA-256 is {found}, the override was written for {}",
                wanted.decision.sha256
            ),
            remedy,
        )),
        Some(_) => None,
    }
}

/// The statements that will run: without those that an override leaves out, and with what runs in their place.
pub(crate) fn as_it_runs(statements: &[Statement], planned: &PlanScript, dialect: Dialect) -> Vec<Statement> {
    let replaced = |statement: &Statement| -> Vec<Statement> {
        let number = u32::try_from(statement.index + 1).unwrap_or(u32::MAX);
        let decision = planned.overrides.iter().find(|o| o.statement == number);
        match decision.map(|decision| (decision.action, decision.with.as_deref())) {
            None => vec![statement.clone()],
            Some((OverrideAction::Skip | OverrideAction::DoneByHand, _)) => Vec::new(),
            Some((OverrideAction::Replace, with)) => {
                let with = cutover_sqlscript::split(with.unwrap_or_default(), dialect);
                let others = with.map(|script| script.statements).unwrap_or_default();
                let placed = others.into_iter().map(|mut other| {
                    (other.index, other.line) = (statement.index, statement.line);
                    other
                });
                placed.collect()
            }
        }
    };
    statements.iter().flat_map(replaced).collect()
}

#[cfg(test)]
mod tests {
    use cutover_proto::ids::Sha256Hex;
    use cutover_proto::plan::StatementOverride;
    use cutover_proto::step::BlobRef;

    use super::*;

    #[test]
    fn statement_when_overridden_then_what_runs_in_its_place_is_looked_at() {
        let script =
            cutover_sqlscript::split("DROP TABLE A;\nDROP TABLE B;\nSELECT 1;", Dialect::MySql).unwrap();
        let order = |statement, action, with: Option<&str>| StatementOverride {
            statement,
            sha256: Sha256Hex::of(b""),
            action,
            with: with.map(str::to_owned),
            reason: String::new(),
        };
        let planned = PlanScript {
            blob: BlobRef {
                name: "m.sql".into(),
                sha256: Sha256Hex::of(b""),
                size: 0,
            },
            statements: 3,
            bundled: false,
            overrides: vec![
                order(1, OverrideAction::Skip, None),
                order(2, OverrideAction::Replace, Some("TRUNCATE TABLE C")),
            ],
        };
        let left = as_it_runs(&script.statements, &planned, Dialect::MySql);
        let told: Vec<(usize, usize, &str)> =
            left.iter().map(|s| (s.index, s.line, s.text.as_str())).collect();
        assert_eq!(told, [(1, 2, "TRUNCATE TABLE C"), (2, 3, "SELECT 1")]);
    }
}
