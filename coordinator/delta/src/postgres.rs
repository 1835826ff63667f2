//! PostgreSQL.

pub(crate) mod catalog;
pub(crate) mod finish;
pub(crate) mod load;
pub(crate) mod sql;
