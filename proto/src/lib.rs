//! The wire contract and the shared vocabulary of Cutover.
//!
//! [`pb`] is what travels; [`convert`] turns it into the types of the other modules, which are what the
//! coordinator, the agent and the command line work on.

pub mod audit;
pub mod config;
pub mod convert;
pub mod crash;
pub mod facts;
pub mod ids;
pub mod pb;
pub mod plan;
pub mod report;
pub mod step;
pub mod view;

/// The oldest wire protocol this build speaks.
pub const PROTOCOL_MIN: u32 = 1;
/// The newest wire protocol this build speaks.
pub const PROTOCOL_MAX: u32 = 1;
