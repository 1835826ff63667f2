//! `cutover pause`, `resume`, `approve`, `abort`, `retry`, `skip`.

use cutover_proto::pb;
use cutover_proto::view::{RunStepView, RunView, StepStateView};

use super::Context;
use crate::args::{ApproveArgs, ControlArgs, RetryArgs, SkipArgs, StopArgs};
use crate::error::CliError;
use crate::exit::Exit;
use crate::human;
use crate::remote::{Client, read};
use crate::runview;

pub(super) async fn pause(context: &Context<'_>, args: ControlArgs) -> Result<Exit, CliError> {
    simple(context, args, pb::ControlKind::Pause).await
}

pub(super) async fn resume(context: &Context<'_>, args: ControlArgs) -> Result<Exit, CliError> {
    simple(context, args, pb::ControlKind::Resume).await
}

pub(super) async fn approve(context: &Context<'_>, args: ApproveArgs) -> Result<Exit, CliError> {
    let mut client = context.client().await?;
    let mut request = request(args.control, pb::ControlKind::Approve, None);
    request.window_anyway = args.window_anyway;
    send(context, &mut client, request).await
}

async fn simple(context: &Context<'_>, args: ControlArgs, kind: pb::ControlKind) -> Result<Exit, CliError> {
    let mut client = context.client().await?;
    send(context, &mut client, request(args, kind, None)).await
}

pub(super) async fn retry(context: &Context<'_>, args: RetryArgs) -> Result<Exit, CliError> {
    let mut client = context.client().await?;
    send(
        context,
        &mut client,
        request(args.control, pb::ControlKind::Retry, args.step),
    )
    .await
}

pub(super) async fn abort(context: &Context<'_>, args: StopArgs) -> Result<Exit, CliError> {
    let mut client = context.client().await?;
    let mut request = request(args.control, pb::ControlKind::Abort, None);
    if !args.yes {
        let run = get(&mut client, &request.run).await?;
        let done = runview::steps(&run)
            .filter(|step| step.state == StepStateView::Succeeded)
            .count();
        let question = format!(
            "Abort run {} \"{}\" ({})? {} will be taken back.",
            run.id,
            run.name,
            runview::run_word(run.state),
            human::count(done, "step that ended well")
        );
        confirm(context, &question)?;
        // What was confirmed is this run, not whatever the name means a moment later.
        request.run = run.id.to_string();
    }
    send(context, &mut client, request).await
}

pub(super) async fn skip(context: &Context<'_>, args: SkipArgs) -> Result<Exit, CliError> {
    let mut client = context.client().await?;
    let control = ControlArgs {
        run: args.run,
        reason: args.reason,
    };
    let mut request = request(control, pb::ControlKind::Skip, Some(args.step));
    if !args.yes {
        let run = get(&mut client, &request.run).await?;
        let step = runview::steps(&run)
            .find(|step| step.id.as_str() == request.step)
            .ok_or_else(|| {
                CliError::input(format!("run {} has no step {}", run.id, request.step))
                    .next(format!("look up its steps with: cutover status {}", run.id))
            })?;
        confirm(context, &skip_question(step))?;
        request.run = run.id.to_string();
    }
    send(context, &mut client, request).await
}

/// An undo that is given up leaves something behind, which a skipped step does not: the question tells them apart.
fn skip_question(step: &RunStepView) -> String {
    let (id, place, title) = (&step.id, &step.place, &step.title);
    match step.state {
        StepStateView::Stuck => format!(
            "Give up the undo of {id} on {place} ({title})? What it changed stays as it is and is yours to take back by \
             hand; the abort goes on without it."
        ),
        StepStateView::Pending
        | StepStateView::Running
        | StepStateView::Succeeded
        | StepStateView::Failed
        | StepStateView::Skipped
        | StepStateView::Undoing
        | StepStateView::Undone => format!("Skip {id} on {place} ({title})?"),
    }
}

fn confirm(context: &Context<'_>, question: &str) -> Result<(), CliError> {
    if context.console.confirm(question)? {
        return Ok(());
    }
    Err(CliError::refused("nothing was ordered").why("the answer was not yes"))
}

fn request(args: ControlArgs, kind: pb::ControlKind, step: Option<String>) -> pb::ControlRunRequest {
    pb::ControlRunRequest {
        run: args.run,
        kind: kind.into(),
        step: step.unwrap_or_default(),
        reason: args.reason,
        window_anyway: String::new(),
    }
}

async fn get(client: &mut Client, run: &str) -> Result<RunView, CliError> {
    let document = client
        .get_run(pb::GetRunRequest { run: run.to_owned() })
        .await?
        .into_inner();
    read("run/1", &document)
}

async fn send(
    context: &Context<'_>,
    client: &mut Client,
    request: pb::ControlRunRequest,
) -> Result<Exit, CliError> {
    let run: RunView = read("run/1", &client.control_run(request).await?.into_inner())?;
    if context.console.json {
        context.console.print_json(&run)?;
    } else {
        context
            .console
            .print(&runview::ending(&run, context.console.style))?;
    }
    Ok(Exit::Done)
}
