//! `cutover node`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use cutover_proto::facts::NodeFacts;
use cutover_proto::pb;
use cutover_proto::view::NodeView;
use serde_json::json;

use super::{Context, table};
use crate::args::{NodeCommand, TokenArgs};
use crate::error::CliError;
use crate::exit::Exit;
use crate::human;
use crate::remote::read;

mod facts;

pub(super) async fn run(context: &Context<'_>, command: NodeCommand) -> Result<Exit, CliError> {
    match command {
        NodeCommand::List { on } => list(context, on).await,
        NodeCommand::Token(args) => token(context, args).await,
        NodeCommand::Revoke { node, reason } => revoke(context, node, reason).await,
        NodeCommand::Facts { node } => show_facts(context, node).await,
    }
}

async fn list(context: &Context<'_>, selector: String) -> Result<Exit, CliError> {
    let document = context
        .client()
        .await?
        .list_nodes(pb::ListNodesRequest { selector })
        .await?
        .into_inner();
    let nodes: Vec<NodeView> = read("node-list/1", &document)?;
    let console = context.console;
    if console.json {
        console.print_json(&nodes)?;
        return Ok(Exit::Done);
    }
    let rows = nodes.iter().map(row).collect();
    console.print(&table(
        console,
        &["NODE", "STATE", "LAST SEEN", "AGENT", "LABELS", "HOMES"],
        rows,
    ))?;
    Ok(Exit::Done)
}

fn row(node: &NodeView) -> Vec<String> {
    let state = match (node.revoked, node.connected) {
        (true, _) => "revoked",
        (false, true) => "connected",
        (false, false) => "away",
    };
    let labels: Vec<String> = node
        .labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    vec![
        node.name.to_string(),
        state.to_owned(),
        node.last_seen
            .as_deref()
            .map_or_else(|| "never".to_owned(), human::time),
        node.agent_version.clone().unwrap_or_default(),
        labels.join(" "),
        node.homes.join("; "),
    ]
}

async fn token(context: &Context<'_>, args: TokenArgs) -> Result<Exit, CliError> {
    let mut client = context.client().await?;
    let request = pb::CreateTokenRequest {
        node: args.node,
        labels: args.labels.into_iter().collect(),
        ttl_secs: args.ttl.as_secs(),
    };
    // The file is made first: a token that can't be kept would be one more to worry about.
    let file = args
        .out
        .as_deref()
        .map(|path| private_file(path).map(|file| (path, file)))
        .transpose()?;
    let made = match client.create_token(request).await {
        Ok(response) => response.into_inner(),
        Err(status) => {
            if let Some((path, _)) = file {
                std::fs::remove_file(path).ok();
            }
            return Err(status.into());
        }
    };
    let console = context.console;
    let Some((path, mut file)) = file else {
        if console.json {
            console.print_json(&json!({ "token": made.token, "expires": made.expires }))?;
        } else {
            console.note(&format!(
                "usable once, until {}; it is not shown again",
                human::time(&made.expires)
            ));
            console.print(&made.token)?;
        }
        return Ok(Exit::Done);
    };
    writeln!(file, "{}", made.token)
        .and_then(|()| file.sync_all())
        .map_err(|error| {
            CliError::failed(format!("cannot write the token to {}", path.display()))
                .why(error)
                .next("make another one; this one runs out unused")
        })?;
    if console.json {
        console.print_json(&json!({ "file": path, "expires": made.expires }))?;
    } else {
        console.print(&format!(
            "token in {}, usable once, until {}",
            path.display(),
            human::time(&made.expires)
        ))?;
    }
    Ok(Exit::Done)
}

/// A new file that only its owner can read from its first moment on.
fn private_file(path: &Path) -> Result<std::fs::File, CliError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| {
            CliError::input(format!("cannot make the token file {}", path.display()))
                .why(error)
                .next("give a file that does not exist yet, in a folder you may write to")
        })
}

async fn revoke(context: &Context<'_>, node: String, reason: String) -> Result<Exit, CliError> {
    let request = pb::RevokeNodeRequest { node, reason };
    let document = context.client().await?.revoke_node(request).await?.into_inner();
    let node: NodeView = read("node/1", &document)?;
    if context.console.json {
        context.console.print_json(&node)?;
    } else {
        context.console.print(&format!(
            "node {} is revoked: its certificate is no longer accepted",
            node.name
        ))?;
    }
    Ok(Exit::Done)
}

async fn show_facts(context: &Context<'_>, node: String) -> Result<Exit, CliError> {
    let request = pb::GetNodeFactsRequest { node };
    let document = context
        .client()
        .await?
        .get_node_facts(request)
        .await?
        .into_inner();
    let node: NodeFacts = read("node-facts/1", &document)?;
    if context.console.json {
        context.console.print_json(&node)?;
    } else {
        context
            .console
            .print(&facts::render(&node, context.console.style))?;
    }
    Ok(Exit::Done)
}
