//! The coordinator: it compiles plans, sequences runs over the fleet, works on the databases, and keeps the record.
//!
//! `ARCHITECTURE.md` is the map. The pure core is [`planner`], [`engine::fold`] and [`engine::next`]; everything
//! that acts is [`engine::driver`], [`work`], [`rpc`] and [`store`].

pub mod app;
pub mod audit_key;
pub mod blobs;
pub mod clock;
pub mod config;
pub mod engine;
pub mod fleet;
pub mod guide;
pub mod lifecycle;
pub mod model;
pub mod planner;
pub mod rpc;
pub mod secrets;
pub mod store;
pub mod work;
