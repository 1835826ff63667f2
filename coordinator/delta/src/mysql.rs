//! MySQL and MariaDB.

pub(crate) mod catalog;
pub(crate) mod finish;
mod large;
pub(crate) mod load;
pub(crate) mod rows;
pub(crate) mod sql;
pub(crate) mod triggers;
pub(crate) mod writer;
