//! What the agent can do: one module per action, each written so that it can be run twice (look, apply, prove)
//! and, where it changes something, taken back.

mod backup_home;
mod carry_files;
mod compare_config;
mod copy_tablespaces;
mod copy_tree;
mod edit_xml;
mod fetch;
mod files;
mod hold_server;
mod inspect;
mod originals;
mod prove_ready;
mod prove_stopped;
mod release_hold;
mod smoke;
mod start_server;
mod stop_server;
mod unpack;

use cutover_proto::report::{Receipt, StepOutcome};
use cutover_proto::step::NodeAction;

use crate::task::Task;

/// Carries a command's action out, or takes it back.
///
/// # Errors
/// Why it failed; what was done until then is journaled.
pub async fn perform(task: &Task) -> StepOutcome {
    let undo = task.is_undo();
    match &task.command.action {
        NodeAction::Inspect { homes } if !undo => inspect::perform(task, homes).await,
        NodeAction::Unpack { home, distribution } => match undo {
            false => Box::pin(unpack::perform(task, home, distribution)).await,
            true => unpack::undo(task, home).await,
        },
        NodeAction::BackupHome { home, name } => match undo {
            false => backup_home::perform(task, home, name).await,
            true => Ok(Receipt::new().with("kept", name)),
        },
        NodeAction::CopyTree {
            from,
            to,
            path,
            protect,
            overwrite,
        } => match undo {
            false => {
                let own = copy_tree::Own {
                    protect: *protect,
                    overwrite: overwrite.clone(),
                };
                copy_tree::perform(task, from, to, path, own).await
            }
            true => files::undo_copy(task, to).await,
        },
        NodeAction::CarryFiles { from, to, patterns } => match undo {
            false => carry_files::perform(task, from, to, patterns).await,
            true => files::undo_copy(task, to).await,
        },
        NodeAction::EditXml {
            home,
            file,
            elsewhere,
            edits,
        } => match undo {
            false => {
                let places = std::iter::once(file).chain(elsewhere).cloned().collect();
                edit_xml::perform(task, home, places, edits).await
            }
            true => edit_xml::undo(task, home, file).await,
        },
        NodeAction::HoldServer { home } => match undo {
            false => hold_server::perform(task, home).await,
            true => release_hold::undo_hold(task, home).await,
        },
        NodeAction::StopServer {
            home,
            grace_secs,
            kill,
        } => match undo {
            false => stop_server::perform(task, home, *grace_secs, *kill).await,
            true => Box::pin(stop_server::undo(task, home)).await,
        },
        NodeAction::ProveStopped { home } if !undo => prove_stopped::perform(task, home).await,
        NodeAction::StartServer { home } => match undo {
            false => start_server::perform(task, home).await,
            true => start_server::undo(task, home).await,
        },
        NodeAction::ProveReady {
            home,
            timeout_secs,
            admin,
        } if !undo => prove_ready::perform(task, home, *timeout_secs, admin.as_ref()).await,
        NodeAction::ReleaseHold { home } => match undo {
            false => release_hold::perform(task, home).await,
            true => hold_server::keep_down(task, home).await,
        },
        NodeAction::Smoke { home, admin, prefix } => match undo {
            false => Box::pin(smoke::perform(task, home, admin, prefix)).await,
            true => Box::pin(smoke::undo(task, home, admin, prefix)).await,
        },
        NodeAction::CompareConfig {
            old,
            old_stock,
            new,
            new_stock,
        } if !undo => {
            let comparing = compare_config::perform(task, old, old_stock.as_ref(), new, new_stock.as_ref());
            Box::pin(comparing).await
        }
        NodeAction::CopyTablespaces {
            data_dir,
            from,
            to,
            tables,
        } => match undo {
            false => copy_tablespaces::perform(task, data_dir, from, to, tables).await,
            true => copy_tablespaces::undo(task, data_dir, to, tables).await,
        },
        NodeAction::CompareConfig { .. }
        | NodeAction::Inspect { .. }
        | NodeAction::ProveStopped { .. }
        | NodeAction::ProveReady { .. } => {
            Ok(Receipt::new().with("undo", "it changed nothing, so there is nothing to take back"))
        }
    }
}
