//! Commands on the audit trail.

use std::path::PathBuf;

use clap::Subcommand;

/// Commands on the audit trail.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List records, oldest first
    #[command(after_help = "Example:\n  cutover audit list --node dss-2")]
    List {
        /// Only of this run
        #[arg(long, value_name = "RUN", default_value = "", hide_default_value = true)]
        run: String,
        /// Only of this node
        #[arg(long, value_name = "NODE", default_value = "", hide_default_value = true)]
        node: String,
    },
    /// Show one record whole
    #[command(after_help = "Example:\n  cutover audit show 1024")]
    Show {
        /// Its number
        #[arg(value_parser = clap::value_parser!(u64).range(1..))]
        seq: u64,
    },
    /// Write the whole trail with its signed head, one JSON line each
    #[command(after_help = "Example:\n  cutover audit export --out audit.jsonl")]
    Export {
        /// The file; standard output when absent
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Prove an export offline: nothing changed, removed, moved or cut off. Exit code 1 when that is not so
    #[command(after_help = "Example:\n  cutover audit verify audit.jsonl --key audit.pub")]
    Verify {
        /// The export
        file: PathBuf,
        /// The coordinator's audit key; audit.pub of the profile when absent
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
}
