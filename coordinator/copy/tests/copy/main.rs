//! Copies and comparisons between real servers.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod corpus;
mod mysql;
mod mysql_failures;
mod narrow;
mod postgres;
mod resume;
mod support;
mod tablespaces;
mod tls;
mod torture;
