//! Tenants: every directory has its row, and every row its directory on some node. Directories are named by the ids of
//! `UM_TENANT`, so one without a row would become the next tenant's.

use std::collections::{BTreeMap, BTreeSet};

use cutover_proto::view::{Finding, Severity};

use crate::planner::{Inputs, error, finding};

/// Findings about tenants.
pub(super) fn check(inputs: &Inputs<'_>) -> Vec<Finding> {
    let copied = inputs.guide.directories.iter().any(|directory| directory.tenants);
    let known = inputs
        .databases
        .values()
        .any(|probe| !probe.production_identity.is_empty());
    if !copied || !known {
        return Vec::new();
    }
    let rows = inputs.tenants();
    if !inputs.copies_tenants() {
        return left_behind(inputs, &rows).into_iter().collect();
    }
    let mut directories: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
    for node in inputs.nodes {
        let home = node.home(&inputs.old_home(&node.name));
        for id in home.into_iter().flat_map(|home| &home.tenants) {
            directories.entry(*id).or_default().push(node.name.as_str());
        }
    }
    let mut findings = without_row(&rows, &directories);
    findings.extend(without_directory(inputs, &rows, &directories));
    findings
}

fn left_behind(inputs: &Inputs<'_>, rows: &BTreeSet<i64>) -> Option<Finding> {
    (!rows.is_empty()).then(|| {
        finding(
            Severity::Warning,
            "tenants-left-out",
            inputs.file,
            format!(
                "the database has {} tenant(s), and copy.tenants is false",
                rows.len()
            ),
            "their artifacts and user stores stay in the old homes; remove copy.tenants to have them copied",
        )
    })
}

fn without_row(rows: &BTreeSet<i64>, directories: &BTreeMap<i64, Vec<&str>>) -> Vec<Finding> {
    let strays = directories.iter().filter(|(id, _)| !rows.contains(id));
    strays
        .map(|(id, nodes)| {
            error(
                "tenant-without-row",
                nodes.join(", "),
                format!("repository/tenants/{id} is there, and UM_TENANT has no tenant {id}"),
                "move the directory out of the old home: the next tenant that is made would get it, or another database \
                 is the one of these homes",
            )
        })
        .collect()
}

fn without_directory(
    inputs: &Inputs<'_>,
    rows: &BTreeSet<i64>,
    directories: &BTreeMap<i64, Vec<&str>>,
) -> Vec<Finding> {
    let answered = &inputs.upgrade.without_directory;
    let lacking: Vec<String> = rows
        .iter()
        .filter(|id| !directories.contains_key(id) && !answered.contains(id))
        .map(i64::to_string)
        .collect();
    let idle = answered
        .iter()
        .filter(|id| !rows.contains(id) || directories.contains_key(id));
    let mut findings: Vec<Finding> = idle
        .map(|id| {
            let text =
                format!("copy.without_directory names tenant {id}, which has a directory or is no tenant");
            error("tenant-answer", inputs.file, text, "remove it there")
        })
        .collect();
    if !lacking.is_empty() {
        let ids = lacking.join(", ");
        findings.push(error(
            "tenant-directory-missing",
            inputs.file,
            format!("no selected node has repository/tenants/ID of tenant(s) {ids}"),
            format!(
                "if they never had one, as Carbon makes it when it is first needed, write [copy] without_directory = [{ids}]; \
                 otherwise find it before the upgrade leaves it behind"
            ),
        ));
    }
    findings
}
