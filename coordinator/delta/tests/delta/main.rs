//! The difference between real MariaDB and PostgreSQL databases, found and brought over.

#![cfg(test)]

mod hammer;
mod kills;
mod migrated;
mod mysql;
mod postgres;
mod support;
