//! What an action does in detail, as far as its title does not say it.

use cutover_proto::plan::{DatabaseAction, StepAction};
use cutover_proto::step::NodeAction;

use crate::human;

/// Lines beneath the step.
pub(super) fn of(action: &StepAction) -> Vec<String> {
    match action {
        StepAction::Node(action) => of_node(action),
        StepAction::Database(action) => of_database(action),
        StepAction::Finalize => Vec::new(),
    }
}

fn of_node(action: &NodeAction) -> Vec<String> {
    match action {
        NodeAction::EditXml {
            home, file, edits, ..
        } => {
            let mut lines = vec![format!("file: {}/{file}", home.trim_end_matches('/'))];
            lines.extend(edits.iter().map(|edit| format!("{} = {}", edit.path, edit.value)));
            lines
        }
        NodeAction::CopyTree {
            from,
            to,
            path,
            protect,
            overwrite,
        } => {
            let mut lines = vec![format!("from {from}/{path} to {to}/{path}")];
            if *protect {
                lines.push("what the new version ships there stays".to_owned());
            }
            lines.extend(
                overwrite
                    .iter()
                    .map(|pattern| format!("overwritten all the same: {pattern}")),
            );
            lines
        }
        NodeAction::CarryFiles { from, to, patterns } => {
            let mut lines = vec![format!("from {from} to {to}:")];
            lines.extend(patterns.iter().cloned());
            lines
        }
        NodeAction::Unpack { home, distribution } => vec![format!(
            "{} ({}, sha256 {}) into {home}",
            distribution.name,
            human::bytes(distribution.size),
            distribution.sha256.short()
        )],
        NodeAction::StopServer { grace_secs, kill, .. } => {
            let then = if *kill {
                "then it is killed"
            } else {
                "then the step fails; it is not killed"
            };
            vec![format!(
                "the server may take {} to stop, {then}",
                human::seconds(u64::from(*grace_secs))
            )]
        }
        NodeAction::ProveReady { timeout_secs, .. } => {
            vec![format!(
                "it may take {}",
                human::seconds(u64::from(*timeout_secs))
            )]
        }
        NodeAction::BackupHome { name, .. } => vec![format!("archive: {name}")],
        NodeAction::Smoke { admin, prefix, .. } => {
            vec![format!(
                "as {}, everything it makes is named {prefix}...",
                admin.user
            )]
        }
        NodeAction::CompareConfig { old, new, .. } => {
            vec![format!("{old} against both versions' stock, for {new}")]
        }
        NodeAction::CopyTablespaces { tables, .. } => vec![tables.join(", ")],
        NodeAction::Inspect { .. }
        | NodeAction::HoldServer { .. }
        | NodeAction::ProveStopped { .. }
        | NodeAction::StartServer { .. }
        | NodeAction::ReleaseHold { .. } => Vec::new(),
    }
}

fn of_database(action: &DatabaseAction) -> Vec<String> {
    match action {
        DatabaseAction::ProveServing { nodes } => {
            vec![format!(
                "{} must be seen on staging",
                human::count(*nodes as usize, "node")
            )]
        }
        DatabaseAction::Fence { proof, .. } => vec![match proof {
            Some(access) => format!("proven by trying to connect as {}", access.user),
            None => "proven from the server's own catalog".to_owned(),
        }],
        DatabaseAction::ExportTables { tables } => vec![tables.join(", ")],
        DatabaseAction::Copy { serving: true } => vec!["production serves meanwhile".to_owned()],
        DatabaseAction::Verify
        | DatabaseAction::ProveAlone { .. }
        | DatabaseAction::Backup
        | DatabaseAction::Migrate { .. }
        | DatabaseAction::Copy { serving: false }
        | DatabaseAction::Synchronise { .. }
        | DatabaseAction::MakeScratch { .. }
        | DatabaseAction::DropScratch
        | DatabaseAction::CaptureManifest
        | DatabaseAction::BringDelta { .. }
        | DatabaseAction::Compare { .. }
        | DatabaseAction::Repair { .. }
        | DatabaseAction::Checkpoint { .. } => Vec::new(),
    }
}
