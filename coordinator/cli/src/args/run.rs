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

/// `cutover pause`, `resume`, `approve`.
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
