//! PostgreSQL.

pub(crate) mod catalog;
pub(crate) mod finish;
mod large;
pub(crate) mod load;
pub(crate) mod sql;
