//! The engine: a run is an append-only log of [`event::Event`]s, its state a pure fold over them
//! ([`fold::RunState`]), the next thing to do a pure function of plan and state ([`next::outlook`]).
//! [`driver`] is the only part that acts. Restart is: load, fold, go on.

pub mod driver;
pub mod event;
pub mod fold;
pub mod next;
#[cfg(test)]
pub(crate) mod testing;
pub mod view;
