//! Disk, Java, and what else a host has to do with its home.

use cutover_proto::view::{Finding, Severity};

use crate::planner::{Inputs, PlanNode, error, finding};

pub(super) fn room(inputs: &Inputs<'_>, node: &PlanNode) -> Vec<Finding> {
    let (Some(facts), Some(home)) = (&node.facts, node.home(&inputs.old_home(&node.name))) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let mut too_small = |what: &str, needed: u64, free: u64, remedy: &str| {
        if needed > free {
            findings.push(error(
                "no-room",
                &node.name,
                format!(
                    "{what} needs about {} MB, {} MB are free",
                    needed >> 20,
                    free >> 20
                ),
                remedy,
            ));
        }
    };
    too_small(
        "the backup of the home",
        home.bytes,
        facts.backup_free_bytes,
        "make room in the agent's backup_dir, or name another one",
    );
    too_small(
        "the new home",
        home.bytes,
        home.free_bytes,
        "make room on the file system of the homes",
    );
    findings
}

pub(super) fn of_node(inputs: &Inputs<'_>, node: &PlanNode) -> Vec<Finding> {
    let (Some(facts), Some(home)) = (&node.facts, node.home(&inputs.old_home(&node.name))) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    if facts.java_home.is_none() {
        findings.push(error(
            "no-java",
            &node.name,
            "the agent knows no Java to start servers with",
            "set java_home in the agent's policy on that host",
        ));
    }
    let mut warn = |code: &str, text: String, remedy: &str| {
        findings.push(finding(Severity::Warning, code, &node.name, text, remedy));
    };
    if home.server.is_none() {
        warn(
            "not-running",
            format!("the server of {} is not running", home.path),
            "nothing to do, if you know why; abort will not start it",
        );
    }
    for manager in &home.restart_managers {
        warn(
            "restart-manager",
            format!(
                "{manager} would start the server of {} by itself; the hold keeps it down while the run lasts and after it",
                home.path
            ),
            "let it start the new home from now on, before you release the old one",
        );
    }
    if home.deployment_synchronizer {
        warn(
            "deployment-synchronizer",
            format!("the deployment synchronizer of {} is on", home.path),
            "it would overwrite the directories that are copied with what its repository holds: keep it off in the new \
             home until the upgrade has ended, and check in there what was copied",
        );
    }
    if home.service_metadata > 0 {
        warn(
            "service-metadata",
            format!(
                "{} holds {} file(s) of service metadata (servicemetafiles)",
                home.path, home.service_metadata
            ),
            "they are copied as they are, and may name what the new version has elsewhere: look through them before the \
             new servers start",
        );
    }
    findings
}
