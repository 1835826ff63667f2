//! `cutover config report`.

use std::fs;
use std::path::Path;

use cutover_proto::config::report::ConfigReport;

use super::{Context, plan};
use crate::args::{ConfigCommand, ConfigReportArgs};
use crate::configview::{self, html};
use crate::error::CliError;
use crate::exit::Exit;
use crate::findings;
use crate::upgrade;

pub(super) async fn run(context: &Context<'_>, command: ConfigCommand) -> Result<Exit, CliError> {
    match command {
        ConfigCommand::Report(args) => report(context, args).await,
    }
}

async fn report(context: &Context<'_>, args: ConfigReportArgs) -> Result<Exit, CliError> {
    let console = context.console;
    let answer = upgrade::ask_report(console, &mut context.client().await?, &args.file).await?;
    let Some(mut report) = answer.report else {
        console.note(&findings::render(&answer.findings, console.style));
        let exit = findings::exit(&answer.findings, &upgrade::name_of(&args.file));
        return Ok(if exit == Exit::Done { Exit::Failed } else { exit });
    };
    if let Some(node) = &args.node {
        report = only(report, node)?;
    }
    if let Some(out) = &args.html {
        write(out, &html::render(&report))?;
    }
    if console.json {
        console.print_json(&report)?;
    } else {
        console.print(&configview::render(&report, console.style))?;
    }
    // Undecided changes are shown in the report itself.
    let others: Vec<_> = answer
        .findings
        .into_iter()
        .filter(|finding| finding.code != "config-undecided")
        .collect();
    if !console.json {
        plan::note_findings(console, &others);
    }
    let exit = findings::exit(&others, &upgrade::name_of(&args.file));
    let waits = report.undecided > 0 && exit != Exit::BadInput;
    Ok(if waits { Exit::Waiting } else { exit })
}

/// The report of one node.
fn only(report: ConfigReport, node: &str) -> Result<ConfigReport, CliError> {
    if !report.nodes.iter().any(|compared| compared.node.as_str() == node) {
        let names: Vec<&str> = report
            .nodes
            .iter()
            .map(|compared| compared.node.as_str())
            .collect();
        return Err(CliError::input(format!("the upgrade has no node `{node}`"))
            .next(format!("give one of {}", names.join(", "))));
    }
    Ok(configview::only(report, node))
}

fn write(out: &Path, text: &str) -> Result<(), CliError> {
    fs::write(out, text).map_err(|error| {
        CliError::failed(format!("cannot write the report to {}", out.display()))
            .why(error)
            .next("give another file with --html")
    })
}
