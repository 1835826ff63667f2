//! Work on the production and staging databases of an upgrade: who is connected, what is in them, backup and
//! restore, migration scripts, checkpoints. The coordinator's own store is not here.

pub mod target;

pub use target::{Engine, Target, TargetError};
