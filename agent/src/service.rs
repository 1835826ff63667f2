//! Carbon servers as the operating system sees them: processes, ports, logs, and the guard that keeps one down.
//!
//! Exit codes and pid files prove nothing (carbon-facts.md section 4); a process is believed only when its own
//! command line names the home.

pub mod account;
pub mod carbon;
pub mod guard;
pub mod hold;
pub mod http;
pub mod inside;
pub mod log;
pub mod pidfd;
pub mod ports;
pub mod soap;
pub mod start;
