//! The command line as clap reads it. The texts here are what `--help` shows.

mod audit;
mod backup;
mod config;
mod node;
mod run;
mod sql;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub(crate) use audit::AuditCommand;
pub(crate) use backup::BackupCommand;
pub(crate) use config::{ConfigCommand, ConfigReportArgs};
pub(crate) use node::{ActionKind, DoArgs, NodeCommand, TokenArgs};
pub(crate) use run::{
    ApplyArgs, ApproveArgs, ControlArgs, DeadLettersArgs, RehearseArgs, ResolveArgs, RetryArgs, SkipArgs,
    StatementAction, StatusArgs, StopArgs, UnfenceArgs, WatchArgs,
};
pub(crate) use sql::SqlCommand;

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed
  2    bad input: a flag, a file or a name
  3    refused by a gate, a rule or the state of things
  4    waiting for a person (approval, pause)
  130  you stopped looking with Ctrl-C; a run goes on

A first upgrade:
  cutover init dss-3.2.0 --select cluster=dss-prod > dss.toml
  cutover check dss.toml
  cutover plan dss.toml --out dss.plan
  cutover apply dss.plan --watch";

/// Coordinated upgrades of WSO2 Carbon fleets
#[derive(Debug, Parser)]
#[command(name = "cutover", version, max_term_width = 100, after_help = EXIT_CODES, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// Folder of the operator profile: ca.pem, operator.pem, operator.key, endpoint, audit.pub
    /// [default: ~/.config/cutover]
    #[arg(long, global = true, env = "CUTOVER_PROFILE", value_name = "DIR")]
    pub(crate) profile: Option<PathBuf>,
    /// Write JSON to standard output; errors become one JSON object on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The upgrade guides: list, read beside WSO2's sentences, check
    #[command(subcommand, after_help = "Example:\n  cutover guide show dss-3.2.0")]
    Guide(GuideCommand),
    /// Write an upgrade file, filled from the inventory, to standard output
    #[command(after_help = "Example:\n  cutover init dss-3.2.0 --select cluster=dss-prod > dss.toml")]
    Init(InitArgs),
    /// Check an upgrade file against the fleet; nothing is changed
    #[command(after_help = "Example:\n  cutover check dss.toml")]
    Check(FileArgs),
    /// The site's configuration: what becomes of it in the new homes
    #[command(subcommand, after_help = "Example:\n  cutover config report dss.toml")]
    Config(ConfigCommand),
    /// Compile an upgrade file into a plan and show it as a runbook
    #[command(after_help = "Example:\n  cutover plan dss.toml --out dss.plan")]
    Plan(PlanArgs),
    /// Show a plan as a runbook
    #[command(after_help = "Example:\n  cutover show dss.plan\n  cutover show 3f9a1c0de877")]
    Show(ShowArgs),
    /// Carry a plan out
    #[command(after_help = "Examples:\n  cutover apply dss.plan --watch\n  cutover apply dss.toml --yes")]
    Apply(ApplyArgs),
    /// Try a plan's copy, scripts and checkpoints on scratch databases while production serves, and measure them
    #[command(
        after_help = "Examples:\n  cutover rehearse dss.plan --watch\n  cutover rehearse dss-prod --last"
    )]
    Rehearse(RehearseArgs),
    /// Show the coordinator and all runs, or one run step by step
    #[command(after_help = "Examples:\n  cutover status\n  cutover status dss-prod")]
    Status(StatusArgs),
    /// Follow a run until it ends or waits for a person
    #[command(after_help = "Example:\n  cutover watch dss-prod")]
    Watch(WatchArgs),
    /// Let no further step of a run start
    #[command(after_help = "Example:\n  cutover pause dss-prod --reason \"change freeze until 22:00\"")]
    Pause(ControlArgs),
    /// Let a paused run go on
    #[command(after_help = "Example:\n  cutover resume dss-prod")]
    Resume(ControlArgs),
    /// Take a run back: every node and database returns to where it was
    #[command(after_help = "Example:\n  cutover abort dss-prod --reason \"validation failed on dss-2\"")]
    Abort(StopArgs),
    /// Approve the phase that a run waits for
    #[command(after_help = "Example:\n  cutover approve dss-prod --reason CHG-4711")]
    Approve(ApproveArgs),
    /// Try failed steps of a run again
    #[command(after_help = "Example:\n  cutover retry dss-prod --step quiesce.stop@dss-2")]
    Retry(RetryArgs),
    /// Leave out a failed step, where its guide allows that, or give up an undo that can't be done
    #[command(
        after_help = "Examples:\n  cutover skip dss-prod --step validate.smoke@dss-1 --reason \"tested by hand\"\n  cutover skip dss-prod --step quiesce.stop@dss-2 --reason \"host is lost\""
    )]
    Skip(SkipArgs),
    /// Decide what becomes of a statement that holds a migration; `cutover retry` then goes on
    #[command(
        after_help = "Example:\n  cutover resolve dss-prod --step data.migrate@carbon --statement 12 --sha256 9f86d0… --do skip --reason \"the key is gone already\""
    )]
    Resolve(ResolveArgs),
    /// Show the rows of production that a staging which was migrated first would not take
    #[command(after_help = "Example:\n  cutover dead-letters carbon-prod")]
    DeadLetters(DeadLettersArgs),
    /// Let the old production database be used again, after the end of a run that fenced it
    #[command(after_help = "Example:\n  cutover unfence dss-prod --reason \"read access for the auditors\"")]
    Unfence(UnfenceArgs),
    /// The backups of databases that runs have taken: list, prove again, restore elsewhere
    #[command(subcommand, after_help = "Example:\n  cutover backup verify dss-prod/carbon")]
    Backup(BackupCommand),
    /// The nodes: list, enrol, revoke, look at
    #[command(
        subcommand,
        after_help = "Example:\n  cutover node list --on cluster=dss-prod"
    )]
    Node(NodeCommand),
    /// Carry out a single action on nodes, as a run of its own
    #[command(
        after_help = "Examples:\n  cutover do inspect --on cluster=dss-prod --watch\n  cutover do stop --on cluster=dss-prod --home /opt/wso2dss-3.0.1 --grace 120 --watch\n  cutover do backup --on cluster=dss-prod --home '/srv/{node}/wso2dss-3.0.1'"
    )]
    Do(DoArgs),
    /// The audit trail: list, show, export, prove offline
    #[command(subcommand, after_help = "Example:\n  cutover audit export --out audit.jsonl")]
    Audit(AuditCommand),
    /// SQL scripts: split into statements, find what makes them dangerous; no coordinator needed
    #[command(
        subcommand,
        after_help = "Example:\n  cutover sql lint migration.sql --engine mysql"
    )]
    Sql(SqlCommand),
    /// Write a completion script for a shell to standard output
    #[command(after_help = "Example:\n  cutover completions bash > /etc/bash_completion.d/cutover")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Commands on guides.
#[derive(Debug, Subcommand)]
pub(crate) enum GuideCommand {
    /// List the guides
    #[command(after_help = "Example:\n  cutover guide list")]
    List,
    /// Show a guide beside WSO2's sentences
    #[command(after_help = "Example:\n  cutover guide show dss-3.2.0")]
    Show {
        /// Name of the guide
        guide: String,
    },
    /// Check a guide without a fleet: every sentence is carried out or declined with a reason
    #[command(after_help = "Example:\n  cutover guide lint ./guides/esb-4.8.1.toml --page ./esb-4.8.1.txt")]
    Lint {
        /// Name of a guide, or a file
        guide: String,
        /// The vendor's page as plain text: an order on it that the guide does not have is an error
        #[arg(long)]
        page: Option<std::path::PathBuf>,
    },
}

/// `cutover init`.
#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// Name of the guide
    pub(crate) guide: String,
    /// The nodes: label=value, several separated by commas
    #[arg(long, value_name = "SELECTOR")]
    pub(crate) select: String,
}

/// `cutover check`.
#[derive(Debug, clap::Args)]
pub(crate) struct FileArgs {
    /// The upgrade file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// `cutover plan`.
#[derive(Debug, clap::Args)]
pub(crate) struct PlanArgs {
    /// The upgrade file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Also write the plan to a file, for `cutover apply`; its SHA-256 is the plan's hash
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// `cutover show`.
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// A plan's hash, or a file written by `cutover plan --out`
    #[arg(value_name = "PLAN")]
    pub(crate) plan: String,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// Walks every command, so that none can be added without an example and a place in the reference.
    fn walk(command: &clap::Command, path: &str, check: &mut dyn FnMut(&str, &clap::Command)) {
        for sub in command.get_subcommands() {
            let path = format!("{path} {}", sub.get_name());
            check(&path, sub);
            walk(sub, &path, check);
        }
    }

    #[test]
    fn every_command_has_an_example_and_stands_in_the_reference() {
        let reference = include_str!("../../../docs/cli.md");
        let mut seen = 0;
        walk(&Cli::command(), "cutover", &mut |path, command| {
            seen += 1;
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                help.contains("Example") && help.contains("cutover "),
                "`{path}` has no example"
            );
            assert!(command.get_about().is_some(), "`{path}` has no description");
            assert!(
                reference.contains(&format!("`{path}")),
                "`{path}` is missing in docs/cli.md"
            );
            for argument in command.get_arguments().filter(|a| !a.is_global_set()) {
                let Some(long) = argument.get_long() else { continue };
                let flag = format!("--{long}");
                assert!(
                    reference.contains(&flag),
                    "`{path} {flag}` is missing in docs/cli.md"
                );
            }
        });
        assert!(seen > 30, "only {seen} commands");
    }
}
