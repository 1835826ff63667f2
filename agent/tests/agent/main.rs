//! The agent against a coordinator of the test's making, and against a stand-in Carbon server.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests fail the test"
)]

mod carrying;
mod command_line;
mod configs;
mod coordinator;
mod edits;
mod fixture;
mod holds;
mod outside;
mod restarts;
mod servers;
mod session;
mod tablespaces;
