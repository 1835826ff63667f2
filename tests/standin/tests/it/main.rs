//! The stand-in behaves as a Carbon server does, warts included.

mod fixtures;
mod harness;
mod homes;
mod lifecycle;
mod products;
mod refusals;
mod services;
