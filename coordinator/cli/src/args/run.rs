//! Commands on runs.

use clap::Args;

/// `cutover apply`.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// A file written by `cutover plan --out`, a plan's hash, or an upgrade file (*.toml), which is planned first
    #[arg(value_name = "PLAN")]
    pub(crate) plan: String,
    /// Follow the run until it ends or waits for a person
    #[arg(long)]
    pub(crate) watch: bool,
    /// Plain lines instead of progress bars
    #[arg(long, requires = "watch")]
    pub(crate) plain: bool,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    /// Begin although the last rehearsal says that the window or the budget is too short; the reason is kept
    #[arg(long, value_name = "REASON", default_value = "", hide_default_value = true)]
    pub(crate) window_anyway: String,
}

/// `cutover rehearse`.
#[derive(Debug, Args)]
pub(crate) struct RehearseArgs {
    /// A file written by `cutover plan --out`, a plan's hash, or an upgrade file (*.toml), which is planned first;
    /// with --last also an upgrade's name
    #[arg(value_name = "PLAN")]
    pub(crate) plan: String,
    /// Follow the rehearsal to its end, and show what it found
    #[arg(long)]
    pub(crate) watch: bool,
    /// Plain lines instead of progress bars
    #[arg(long, requires = "watch")]
    pub(crate) plain: bool,
    /// Leave the scratch databases; the next rehearsal of the upgrade removes them
    #[arg(long)]
    pub(crate) keep: bool,
    /// Start nothing: show what the last rehearsal found
    #[arg(long, conflicts_with_all = ["watch", "keep"])]
    pub(crate) last: bool,
}

/// `cutover resolve`.
#[derive(Debug, Args)]
pub(crate) struct ResolveArgs {
    /// A run's id, an unambiguous beginning of it, or an upgrade's name (its newest run)
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// The migration that has failed
    #[arg(long, value_name = "STEP")]
    pub(crate) step: String,
    /// The script, where the step runs several
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(crate) script: String,
    /// Number of the statement, as the failure and `cutover sql split` show it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) statement: u32,
    /// SHA-256 of the statement, as `cutover --json sql split` shows it
    #[arg(long, value_name = "HASH")]
    pub(crate) sha256: String,
    /// What is done about it
    #[arg(long = "do", value_enum, value_name = "WHAT")]
    pub(crate) action: StatementAction,
    /// A file with the one statement that runs in its place
    #[arg(long, value_name = "FILE", required_if_eq("action", "replace"))]
    pub(crate) with: Option<std::path::PathBuf>,
    /// Why, for the audit trail; must say something
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

/// What is done about a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum StatementAction {
    /// Leave it out
    Skip,
    /// Run another in its place
    Replace,
    /// A person has carried it out
    DoneByHand,
}

/// `cutover unfence`.
#[derive(Debug, Args)]
pub(crate) struct UnfenceArgs {
    /// A run that has ended: its id, an unambiguous beginning of it, or an upgrade's name (its newest run)
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// Why, for the audit trail; must say something
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

/// `cutover status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// A run's id, an unambiguous beginning of it, or an upgrade's name (its newest run)
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
}

/// `cutover watch`.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// A run's id, an unambiguous beginning of it, or an upgrade's name (its newest run)
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// Plain lines instead of progress bars
    #[arg(long)]
    pub(crate) plain: bool,
}

/// `cutover approve`.
#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    #[command(flatten)]
    pub(crate) control: ControlArgs,
    /// Begin the downtime although the last rehearsal says that the window or the budget is too short; the reason is
    /// kept
    #[arg(long, value_name = "REASON", default_value = "", hide_default_value = true)]
    pub(crate) window_anyway: String,
}

/// `cutover dead-letters`.
#[derive(Debug, Args)]
pub(crate) struct DeadLettersArgs {
    /// A run's id, an unambiguous beginning of it, or an upgrade's name (its newest run)
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
}

/// `cutover pause`, `resume`.
#[derive(Debug, Args)]
pub(crate) struct ControlArgs {
    /// A run's id, an unambiguous beginning of it, or an upgrade's name (its newest run)
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// Why, for the audit trail
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
}

/// `cutover abort`.
#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    #[command(flatten)]
    pub(crate) control: ControlArgs,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

/// `cutover retry`.
#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    #[command(flatten)]
    pub(crate) control: ControlArgs,
    /// The failed step; all failed steps when absent
    #[arg(long, value_name = "STEP")]
    pub(crate) step: Option<String>,
}

/// `cutover skip`.
#[derive(Debug, Args)]
pub(crate) struct SkipArgs {
    /// A run's id, an unambiguous beginning of it, or an upgrade's name (its newest run)
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// The failed step, or in a run that is being aborted the one whose undo is stuck
    #[arg(long, value_name = "STEP")]
    pub(crate) step: String,
    /// Why, for the audit trail; must say something
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}
