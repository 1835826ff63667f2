//! `cutover apply`.

use std::path::Path;

use cutover_proto::convert::document;
use cutover_proto::pb;
use cutover_proto::pb::apply_request::Source;
use cutover_proto::plan::PLAN_SCHEMA;
use serde_json::json;

use super::Context;
use super::plan::{Named, exit_of, fetch, note_findings, read_plan};
use crate::args::ApplyArgs;
use crate::console::Console;
use crate::error::CliError;
use crate::exit::Exit;
use crate::remote::Client;
use crate::runbook;
use crate::upgrade::{self, Ask, Planned};
use crate::watch::{Watch, follow};

/// Above this a plan does not travel in a request that a coordinator with gRPC's usual limit accepts.
const INLINE_MAX: usize = 3 * 1024 * 1024;

pub(super) async fn run(context: &Context<'_>, args: ApplyArgs) -> Result<Exit, CliError> {
    let console = context.console;
    let mut client = context.client().await?;
    let (planned, source) = match named(console, &mut client, &args.plan).await? {
        Ok(found) => found,
        Err(exit) => return Ok(exit),
    };
    if !args.yes {
        console.note(&runbook::brief(&planned.plan, console.style));
        if !console.confirm(&format!("Apply plan {}?", planned.hash().short()))? {
            return Err(CliError::refused("nothing was applied").why("the answer was not yes"));
        }
    }
    let request = pb::ApplyRequest {
        source: Some(source),
        window_anyway: args.window_anyway,
    };
    let run = client.apply(request).await?.into_inner().run;
    started(console, &mut client, &run, args.watch, args.plain).await
}

/// The plan that an argument names; an upgrade file is planned first. The exit code when no plan came out.
pub(super) async fn named(
    console: &Console,
    client: &mut Client,
    name: &str,
) -> Result<Result<(Planned, Source), Exit>, CliError> {
    let (planned, inlined) = match Named::of(name) {
        Named::Hash => (fetch(client, name).await?, false),
        Named::File => (read_plan(Path::new(name))?, true),
        Named::Upgrade => match plan_first(console, client, Path::new(name)).await? {
            Ok(planned) => (planned, false),
            Err(exit) => return Ok(Err(exit)),
        },
    };
    let source = if inlined {
        inline(&planned)
    } else {
        by_hash(&planned)
    };
    Ok(Ok((planned, source)))
}

/// Says which run was started, and follows it when asked to.
pub(super) async fn started(
    console: &Console,
    client: &mut Client,
    run: &str,
    watch: bool,
    plain: bool,
) -> Result<Exit, CliError> {
    if console.json {
        console.print_json(&json!({ "started": run }))?;
    } else {
        console.print(&format!("run {run} started"))?;
    }
    if watch {
        return follow(
            console,
            client,
            Watch {
                run,
                plain,
                from_start: true,
            },
        )
        .await;
    }
    if !console.json {
        console.print(&format!("follow it with: cutover watch {run}"))?;
    }
    Ok(Exit::Done)
}

/// Plans an upgrade file and shows the runbook; the exit code when no plan came out.
async fn plan_first(
    console: &Console,
    client: &mut Client,
    file: &Path,
) -> Result<Result<Planned, Exit>, CliError> {
    let answer = upgrade::ask(console, client, file, Ask::Plan).await?;
    note_findings(console, &answer.findings);
    let exit = exit_of(&answer)?;
    let Some(planned) = answer.plan else {
        return Ok(Err(exit));
    };
    if exit != Exit::Done {
        return Ok(Err(exit));
    }
    if !console.json {
        console.print(&runbook::render(&planned.plan, console.style))?;
    }
    Ok(Ok(planned))
}

fn by_hash(planned: &Planned) -> Source {
    Source::PlanHash(planned.hash().to_string())
}

fn inline(planned: &Planned) -> Source {
    if planned.json.len() > INLINE_MAX {
        return by_hash(planned);
    }
    Source::Plan(document(PLAN_SCHEMA, &planned.plan))
}
