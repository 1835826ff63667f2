//! `cutover resolve` and `cutover unfence`.

use cutover_proto::pb;
use cutover_proto::view::RunView;

use super::{Context, read_file};
use crate::args::{ResolveArgs, StatementAction, UnfenceArgs};
use crate::error::CliError;
use crate::exit::Exit;
use crate::remote::read;

pub(super) async fn run(context: &Context<'_>, args: ResolveArgs) -> Result<Exit, CliError> {
    let with = match &args.with {
        Some(path) => read_file(path)?,
        None => String::new(),
    };
    let action = match args.action {
        StatementAction::Skip => pb::StatementAction::Skip,
        StatementAction::Replace => pb::StatementAction::Replace,
        StatementAction::DoneByHand => pb::StatementAction::DoneByHand,
    };
    let request = pb::ResolveStatementRequest {
        run: args.run,
        step: args.step.clone(),
        script: args.script,
        statement: args.statement,
        sha256: args.sha256,
        action: action.into(),
        with,
        reason: args.reason,
    };
    let document = context
        .client()
        .await?
        .resolve_statement(request)
        .await?
        .into_inner();
    let run: RunView = read("run/1", &document)?;
    let console = context.console;
    if console.json {
        console.print_json(&run)?;
    } else {
        console.print(&format!(
            "decided about statement {} of {}; nothing has run yet\ngo on with: cutover retry {} --step {}",
            args.statement, args.step, run.id, args.step
        ))?;
    }
    Ok(Exit::Done)
}

pub(super) async fn unfence(context: &Context<'_>, args: UnfenceArgs) -> Result<Exit, CliError> {
    let console = context.console;
    if !args.yes {
        let question = format!(
            "Lift the fence of run {}? The old servers' accounts can then write to the old production again; what \
             they write there is in no other database.",
            args.run
        );
        if !console.confirm(&question)? {
            return Err(CliError::refused("the fence stays").why("the answer was not yes"));
        }
    }
    let request = pb::LiftFenceRequest {
        run: args.run,
        reason: args.reason,
    };
    let document = context.client().await?.lift_fence(request).await?.into_inner();
    let lifted: Vec<String> = read("fences-lifted/1", &document)?;
    if console.json {
        console.print_json(&lifted)?;
    } else if lifted.is_empty() {
        console.print("no fence of this run is up")?;
    } else {
        console.print(&format!("lifted: {}", lifted.join(", ")))?;
    }
    Ok(Exit::Done)
}
