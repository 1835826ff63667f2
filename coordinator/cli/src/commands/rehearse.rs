//! `cutover rehearse`.

use std::path::Path;

use cutover_proto::pb;
use cutover_proto::view::RehearsalView;

use super::Context;
use super::apply::{named, started};
use super::plan::{Named, read_plan};
use crate::args::RehearseArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::rehearsal;
use crate::remote::{Client, read};

pub(super) async fn run(context: &Context<'_>, args: RehearseArgs) -> Result<Exit, CliError> {
    let mut client = context.client().await?;
    if args.last {
        let name = upgrade_of(&args.plan)?;
        return show(context, &mut client, &name).await;
    }
    let planned = match named(context.console, &mut client, &args.plan).await? {
        Ok((planned, _)) => planned,
        Err(exit) => return Ok(exit),
    };
    let request = pb::RehearseRequest {
        plan_hash: planned.hash().to_string(),
        keep: args.keep,
    };
    let run = client.rehearse(request).await?.into_inner().run;
    let followed = started(context.console, &mut client, &run, args.watch, args.plain).await?;
    if !args.watch || followed == Exit::Interrupted {
        return Ok(followed);
    }
    match show(context, &mut client, &run).await {
        Ok(shown) => Ok(outcome(followed, shown)),
        // A run that was broken off may have written nothing down; how it ended is the answer all the same.
        Err(error) if followed == Exit::Done => Err(error),
        Err(error) => {
            context.console.note(&error.to_string());
            Ok(followed)
        }
    }
}

/// A rehearsal went well when its run did and its record says so.
fn outcome(followed: Exit, shown: Exit) -> Exit {
    if followed == Exit::Done { shown } else { followed }
}

/// The upgrade's name: that of a plan file, or what was given.
fn upgrade_of(name: &str) -> Result<String, CliError> {
    match Named::of(name) {
        Named::File if Path::new(name).exists() => Ok(read_plan(Path::new(name))?.plan.name),
        Named::Upgrade => Err(CliError::input(format!("{name} is an upgrade file"))
            .next("give the upgrade's name, or its plan's file")),
        Named::File | Named::Hash => Ok(name.to_owned()),
    }
}

async fn show(context: &Context<'_>, client: &mut Client, upgrade: &str) -> Result<Exit, CliError> {
    let request = pb::GetRehearsalRequest {
        upgrade: upgrade.to_owned(),
    };
    let document = client.get_rehearsal(request).await?.into_inner();
    let view: RehearsalView = read("rehearsal/1", &document)?;
    let console = context.console;
    if console.json {
        console.print_json(&view)?;
    } else {
        console.print(&rehearsal::render(&view, console.style))?;
    }
    Ok(if view.failed.is_some() {
        Exit::Failed
    } else {
        Exit::Done
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_when_the_run_or_its_record_failed_then_not_done() {
        assert_eq!(outcome(Exit::Failed, Exit::Done), Exit::Failed);
        assert_eq!(outcome(Exit::Done, Exit::Failed), Exit::Failed);
        assert_eq!(outcome(Exit::Done, Exit::Done), Exit::Done);
    }
}
