//! Commands on backups of databases.

use clap::Subcommand;

/// Commands on backups.
#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// List the backups, oldest run first
    #[command(after_help = "Example:\n  cutover backup list")]
    List,
    /// Hash a backup again, restore it into a scratch database, and compare that with the receipt
    #[command(after_help = "Example:\n  cutover backup verify dss-prod/carbon")]
    Verify {
        /// RUN/DATABASE, as `cutover backup list` shows it
        #[arg(value_name = "BACKUP")]
        backup: String,
    },
    /// Restore a backup into an empty database
    #[command(
        after_help = "Example:\n  cutover backup restore dss-prod/carbon --into mysql://dba@db1/carbon_look --password file:/etc/cutover/db1.pw --reason INC-7"
    )]
    Restore {
        /// RUN/DATABASE, as `cutover backup list` shows it
        #[arg(value_name = "BACKUP")]
        backup: String,
        /// The empty database: `ENGINE://USER@HOST[:PORT]/DATABASE`
        #[arg(long, value_name = "URL")]
        into: String,
        /// Where its password is, for the coordinator: file:/PATH, env:NAME or credential:NAME
        #[arg(long, value_name = "REFERENCE")]
        password: String,
        /// Name of the database once more, instead of being asked
        #[arg(long, value_name = "DATABASE")]
        confirm: Option<String>,
        /// Why, for the audit trail; must say something
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}
