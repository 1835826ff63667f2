//! `cutover config`.

use std::path::PathBuf;

use clap::Subcommand;

/// Commands on the configuration of the homes.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show every value that the site changed in its old homes, and what becomes of it; nothing is changed
    #[command(
        after_help = "Examples:\n  cutover config report dss.toml\n  cutover config report dss.toml --html config.html"
    )]
    Report(ConfigReportArgs),
}

/// `cutover config report`.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigReportArgs {
    /// The upgrade file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Only what concerns this node
    #[arg(long, value_name = "NODE")]
    pub(crate) node: Option<String>,
    /// Also write the report as a web page that needs nothing else
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}
