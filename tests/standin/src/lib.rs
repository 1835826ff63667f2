//! A stand-in for a WSO2 Carbon server: a test's opponent, not its friend.
//!
//! It behaves as a Carbon server does towards the outside, warts included: start and stop that prove nothing, a
//! pid file that is never removed, a port that opens before the server is ready, a pool that is really held and
//! rows that are really written, a refusal to work on a schema of the wrong version, and the admin SOAP services.

pub mod distribution;
pub mod fixtures;
pub mod home;
pub mod server;
mod xml;
