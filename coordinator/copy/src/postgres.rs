//! PostgreSQL.

mod catalog;
mod compare;
mod copy;
mod entries;
mod journal;
mod large;
mod rows;
mod schema;
mod session;
mod shapes;
mod small;
mod sums;
mod template;
mod tools;

pub(crate) use compare::{compare, compares_as_fingerprint, definitions, fingerprint};
pub(crate) use copy::copy;
pub(crate) use session::{SESSION, ident};
pub(crate) use shapes::shapes;
