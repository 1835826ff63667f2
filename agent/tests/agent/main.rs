//! The agent against a coordinator of the test's making, and against a stand-in Carbon server.

mod coordinator;
mod edits;
mod fixture;
mod servers;
mod session;
