//! The stand-in behaves as a Carbon server does, warts included.

mod fixtures;
mod harness;
mod homes;
mod lifecycle;
mod refusals;
mod services;
