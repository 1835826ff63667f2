//! Overrides of the upgrade file, bound to the statements of the scripts that run.

use cutover_proto::plan::PlanDatabase;
use cutover_proto::view::Finding;

use super::{Inputs, error};

/// Puts each override to its script. What names no statement of a script that runs is an error: it would silently do
/// nothing.
pub(super) fn attach(inputs: &Inputs<'_>, databases: &mut [PlanDatabase]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for wanted in &inputs.upgrade.overrides {
        let place = format!(
            "override of statement {} in `{}`",
            wanted.decision.statement, wanted.script
        );
        let mut used = false;
        for script in databases.iter_mut().flat_map(|database| &mut database.scripts) {
            if script.blob.name != wanted.script {
                continue;
            }
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

fn mismatch(
    inputs: &Inputs<'_>,
    wanted: &crate::model::upgrade::overrides::SiteOverride,
    place: &str,
) -> Option<Finding> {
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
