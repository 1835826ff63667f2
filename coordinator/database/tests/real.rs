//! The package against private MariaDB and PostgreSQL servers.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "real/backup.rs"]
mod backup;
#[path = "real/catalog.rs"]
mod catalog;
#[path = "real/checkpoint.rs"]
mod checkpoint;
#[path = "real/facts.rs"]
mod facts;
#[path = "real/fence.rs"]
mod fence;
#[path = "real/handover.rs"]
mod handover;
#[path = "real/hazard.rs"]
mod hazard;
#[path = "real/killed.rs"]
mod killed;
#[path = "real/overrides.rs"]
mod overrides;
#[path = "real/script_mariadb.rs"]
mod script_mariadb;
#[path = "real/script_postgres.rs"]
mod script_postgres;
#[path = "real/send.rs"]
mod send;
#[path = "real/sessions.rs"]
mod sessions;
#[path = "real/support.rs"]
mod support;
