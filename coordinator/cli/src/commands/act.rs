//! `cutover do`.

use cutover_proto::pb;

use super::Context;
use super::apply::started;
use crate::args::{ActionKind, DoArgs};
use crate::error::CliError;
use crate::exit::Exit;

pub(super) async fn run(context: &Context<'_>, args: DoArgs) -> Result<Exit, CliError> {
    if args.action.needs_home() && args.home.is_empty() {
        return Err(CliError::input("the home is missing")
            .why("only `cutover do inspect` works without one")
            .next("name it with --home PATH; `{node}` in it stands for each node's name"));
    }
    let kind = match args.action {
        ActionKind::Inspect => pb::DoKind::Inspect,
        ActionKind::Stop => pb::DoKind::Stop,
        ActionKind::Start => pb::DoKind::Start,
        ActionKind::Backup => pb::DoKind::Backup,
        ActionKind::Release => pb::DoKind::Release,
    };
    let mut client = context.client().await?;
    let request = pb::DoActionRequest {
        selector: args.on,
        kind: kind.into(),
        home: args.home,
        grace_secs: args.grace,
    };
    let run = client.do_action(request).await?.into_inner().run;
    started(context.console, &mut client, &run, args.watch, args.plain).await
}
