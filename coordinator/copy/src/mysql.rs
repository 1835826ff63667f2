//! MySQL and MariaDB.

mod catalog;
mod columns;
mod compare;
mod copy;
mod encode;
mod events;
mod journal;
mod large;
mod rows;
mod session;
mod shapes;
mod stored;
mod sums;
mod syntax;
pub(crate) mod tablespaces;

pub(crate) use compare::{compare, definitions, fingerprint};
pub(crate) use copy::copy;
pub(crate) use events::enable_events;
pub(crate) use session::SESSION;
pub(crate) use shapes::shapes;
pub(crate) use syntax::ident;
