//! `cutover status`.

use std::fmt::Write as _;

use cutover_proto::pb;
use cutover_proto::view::{CoordinatorStatus, RunSummary, RunView};
use serde_json::json;

use super::{Context, table};
use crate::error::CliError;
use crate::exit::Exit;
use crate::human;
use crate::remote::read;
use crate::runview;

pub(super) async fn run(context: &Context<'_>, run: Option<String>) -> Result<Exit, CliError> {
    match run {
        Some(run) => one(context, run).await,
        None => all(context).await,
    }
}

async fn one(context: &Context<'_>, run: String) -> Result<Exit, CliError> {
    let document = context
        .client()
        .await?
        .get_run(pb::GetRunRequest { run })
        .await?
        .into_inner();
    let run: RunView = read("run/1", &document)?;
    if context.console.json {
        context.console.print_json(&run)?;
    } else {
        context
            .console
            .print(&runview::render(&run, context.console.style))?;
    }
    Ok(Exit::Done)
}

async fn all(context: &Context<'_>) -> Result<Exit, CliError> {
    let mut client = context.client().await?;
    let document = client.get_status(pb::GetStatusRequest {}).await?.into_inner();
    let status: CoordinatorStatus = read("coordinator-status/1", &document)?;
    let document = client.list_runs(pb::ListRunsRequest {}).await?.into_inner();
    let runs: Vec<RunSummary> = read("run-list/1", &document)?;
    let console = context.console;
    if console.json {
        console.print_json(&json!({ "coordinator": status, "runs": runs }))?;
        return Ok(Exit::Done);
    }
    let mut text = format!(
        "coordinator {}, epoch {}, since {}\n",
        status.version,
        status.epoch,
        human::time(&status.started)
    );
    writeln!(
        text,
        "{} of {} nodes connected, {} open runs, {} audit records",
        status.connected, status.nodes, status.open_runs, status.audit_records
    )
    .ok();
    if !runs.is_empty() {
        let rows = runs.iter().map(row).collect();
        writeln!(
            text,
            "\n{}",
            table(
                console,
                &["RUN", "NAME", "GUIDE", "STATE", "STARTED", "STEPS"],
                rows
            )
        )
        .ok();
    }
    console.print(&text)?;
    Ok(Exit::Done)
}

fn row(run: &RunSummary) -> Vec<String> {
    vec![
        run.id.to_string(),
        run.name.clone(),
        runview::guide(&run.guide).to_owned(),
        runview::run_word(run.state).to_owned(),
        human::time(&run.started),
        format!("{}/{}", run.done, run.steps),
    ]
}
