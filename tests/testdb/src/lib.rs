//! Private MariaDB and PostgreSQL servers for tests and the demonstration.
//!
//! Every instance has a data directory, a loopback port and a socket of its own, so any number run side by
//! side. A server ends with the value that started it, with a panicking test, and with a test process that is
//! killed outright.

mod cache;
mod client;
mod daemon;
mod home;
mod mariadb;
pub mod ports;
mod postgres;
mod programs;
mod spawner;

pub use mariadb::MariaDb;
pub use postgres::Postgres;
pub use spawner::spawn_lasting;

/// Says whether both engines' programs are installed, and if not what to install.
///
/// # Errors
/// The text names the missing programs and the command that installs them.
pub fn available() -> Result<(), String> {
    let mut missing = programs::MariaDbPrograms::find().err().unwrap_or_default();
    missing.extend(programs::PostgresPrograms::find().err().unwrap_or_default());
    if missing.is_empty() {
        Ok(())
    } else {
        Err(programs::install_hint(&missing))
    }
}
