//! Whole upgrades with the real programs, real database servers and the Carbon stand-in.

mod configuration;
mod crash;
mod faults;
mod happy;
mod refusals;
mod secrets;
mod single;
mod support;
