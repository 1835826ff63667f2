//! Commands on nodes.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::human::parse_duration;

/// Commands on nodes.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// List the nodes
    #[command(after_help = "Example:\n  cutover node list --on cluster=dss-prod")]
    List {
        /// Only these: label=value, several separated by commas
        #[arg(long, value_name = "SELECTOR", default_value = "", hide_default_value = true)]
        on: String,
    },
    /// Make a join token, with which one agent enrols once; it is shown this one time
    #[command(
        after_help = "Example:\n  cutover node token --node dss-1 --label cluster=dss-prod --ttl 1h --out dss-1.token"
    )]
    Token(TokenArgs),
    /// Shut a node out for good; its certificate is no longer accepted
    #[command(after_help = "Example:\n  cutover node revoke dss-3 --reason \"host was replaced\"")]
    Revoke {
        /// The node
        node: String,
        /// Why, for the audit trail
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Show what a node's agent reports about its host and homes
    #[command(after_help = "Example:\n  cutover node facts dss-1")]
    Facts {
        /// The node
        node: String,
    },
}

/// `cutover node token`.
#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// The node that may use it; the agent names itself when absent
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(crate) node: String,
    /// A label for the node; may be given several times
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub(crate) labels: Vec<(String, String)>,
    /// How long it can be used: 90s, 30m, 1h30m, 7d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_duration)]
    pub(crate) ttl: Duration,
    /// Write it to a new file that only you can read, instead of showing it
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && !value.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) | None => Err(format!("`{text}` is not a label; write it as key=value")),
    }
}

/// What `cutover do` can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ActionKind {
    /// Look at the home; change nothing
    Inspect,
    /// Stop the server and hold it down
    Stop,
    /// Release the hold and start the server
    Start,
    /// Back the home up and read the backup back
    Backup,
    /// Give up the hold without starting the server
    Release,
}

impl ActionKind {
    /// Whether it has to be told the home: what changes something does so in one that was named.
    pub(crate) fn needs_home(self) -> bool {
        match self {
            ActionKind::Inspect => false,
            ActionKind::Stop | ActionKind::Start | ActionKind::Backup | ActionKind::Release => true,
        }
    }
}

/// `cutover do`.
#[derive(Debug, Args)]
pub(crate) struct DoArgs {
    /// The action
    pub(crate) action: ActionKind,
    /// The nodes: label=value, several separated by commas
    #[arg(long, value_name = "SELECTOR")]
    pub(crate) on: String,
    /// The home, an absolute path; `{node}` in it stands for each node's name. `inspect` looks at every home that
    /// the agent may touch when it is absent
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true)]
    pub(crate) home: String,
    /// How long a server may take to stop, in seconds; the coordinator's own limit when absent
    #[arg(long, value_name = "SECS", default_value_t = 0, hide_default_value = true)]
    pub(crate) grace: u32,
    /// Follow the run until it ends or waits for a person
    #[arg(long)]
    pub(crate) watch: bool,
    /// Plain lines instead of progress bars
    #[arg(long, requires = "watch")]
    pub(crate) plain: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_needs_key_and_value() {
        assert_eq!(label("a=b=c"), Ok(("a".into(), "b=c".into())));
        for bad in ["a", "=b", "a=", ""] {
            assert!(label(bad).is_err(), "{bad}");
        }
    }
}
