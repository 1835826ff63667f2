//! Commands on SQL scripts.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use cutover_sqlscript::Dialect;

/// Commands on SQL scripts.
#[derive(Debug, Subcommand)]
pub(crate) enum SqlCommand {
    /// List the statements of a script as they would be sent
    #[command(after_help = "Example:\n  cutover sql split migration.sql --engine mysql")]
    Split(ScriptArgs),
    /// Find what makes a script dangerous to run, or impossible to run twice
    #[command(after_help = "Example:\n  cutover sql lint migration.sql --engine postgres")]
    Lint(ScriptArgs),
}

/// A script.
#[derive(Debug, Args)]
pub(crate) struct ScriptArgs {
    /// The script
    pub(crate) file: PathBuf,
    /// How it is written: mysql, postgres, oracle, mssql, db2, h2 or wso2compat
    #[arg(long, value_name = "ENGINE")]
    pub(crate) engine: Dialect,
}
