//! Copies and comparisons between real servers.

mod corpus;
mod mysql;
mod mysql_failures;
mod postgres;
mod support;
