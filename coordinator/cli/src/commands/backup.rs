//! `cutover backup`.

use cutover_proto::pb;
use cutover_proto::pb::backup_work_response::Kind;
use cutover_proto::view::{BackupView, RestoreView};

use tonic::Streaming;

use super::{Context, table};
use crate::args::BackupCommand;
use crate::error::CliError;
use crate::exit::Exit;
use crate::human;
use crate::remote::read;

pub(super) async fn run(context: &Context<'_>, command: BackupCommand) -> Result<Exit, CliError> {
    match command {
        BackupCommand::List => list(context).await,
        BackupCommand::Verify { backup } => {
            let request = pb::VerifyBackupRequest {
                backup: backup.clone(),
            };
            let stream = context.client().await?.verify_backup(request).await?.into_inner();
            told(context, "proven", &followed(context, stream, &backup).await?)
        }
        BackupCommand::Restore {
            backup,
            into,
            password,
            confirm,
            reason,
        } => {
            let confirm = match confirm {
                Some(name) => name,
                None => confirmed(context, &backup, &into)?,
            };
            let request = pb::RestoreBackupRequest {
                backup: backup.clone(),
                url: into,
                password,
                confirm,
                reason,
            };
            let stream = context
                .client()
                .await?
                .restore_backup(request)
                .await?
                .into_inner();
            told(context, "restored", &followed(context, stream, &backup).await?)
        }
    }
}

/// Shows how far the work is, until it says what came of it.
async fn followed(
    context: &Context<'_>,
    mut stream: Streaming<pb::BackupWorkResponse>,
    backup: &str,
) -> Result<RestoreView, CliError> {
    let bar = crate::upload::bar(context.console, "restore", backup, 0);
    let work = async {
        while let Some(message) = stream.message().await? {
            match message.kind {
                Some(Kind::Progress(progress)) => {
                    bar.set_length(progress.total_bytes);
                    bar.set_position(progress.done_bytes);
                }
                Some(Kind::Done(document)) => return read("backup-restored/1", &document),
                None => {}
            }
        }
        Err(
            CliError::failed("the coordinator stopped telling about the backup")
                .why("it was stopped meanwhile")
                .next("look into the audit trail, and give the command again"),
        )
    };
    let ended = tokio::select! {
        ended = work => ended,
        _ = tokio::signal::ctrl_c() => {
            Err(CliError::interrupted(
                "the coordinator goes on with the backup to its end; the audit trail says what came of it",
            ))
        }
    };
    bar.finish_and_clear();
    ended
}

/// The database's name, once a person has agreed to it.
fn confirmed(context: &Context<'_>, backup: &str, into: &str) -> Result<String, CliError> {
    let address = into.split_once('?').map_or(into, |(address, _)| address);
    let name = address.rsplit_once('/').map_or("", |(_, name)| name);
    let question = format!("Restore {backup} into the empty database `{name}` ({into})?");
    if context.console.confirm(&question)? {
        return Ok(name.to_owned());
    }
    Err(CliError::refused("nothing was restored").why("the answer was not yes"))
}

async fn list(context: &Context<'_>) -> Result<Exit, CliError> {
    let console = context.console;
    let document = context
        .client()
        .await?
        .list_backups(pb::ListBackupsRequest {})
        .await?
        .into_inner();
    let list: Vec<BackupView> = read("backup-list/1", &document)?;
    if console.json {
        console.print_json(&list)?;
        return Ok(Exit::Done);
    }
    if list.is_empty() {
        console.print("no run has taken a backup of a database")?;
        return Ok(Exit::Done);
    }
    let heads = [
        "BACKUP", "UPGRADE", "DATABASE", "TAKEN", "SIZE", "TABLES", "SHA256", "PROBLEM",
    ];
    let rows = list
        .iter()
        .map(|backup| {
            vec![
                backup.id.clone(),
                backup.upgrade.clone(),
                backup.database.clone(),
                backup.taken.clone(),
                human::bytes(backup.size),
                backup.tables.to_string(),
                backup.sha256.chars().take(12).collect(),
                backup.problem.clone(),
            ]
        })
        .collect();
    console.print(&table(console, &heads, rows))?;
    Ok(Exit::Done)
}

fn told(context: &Context<'_>, what: &str, view: &RestoreView) -> Result<Exit, CliError> {
    let console = context.console;
    if console.json {
        console.print_json(view)?;
    } else {
        console.print(&format!(
            "{what}: {} into {}, {} and {} compared with the receipt, in {}",
            view.id,
            view.into,
            human::count(usize::try_from(view.tables).unwrap_or(usize::MAX), "table"),
            human::count(usize::try_from(view.rows).unwrap_or(usize::MAX), "row"),
            human::millis(view.millis)
        ))?;
    }
    Ok(Exit::Done)
}
