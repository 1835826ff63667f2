//! Whole upgrades with the real programs, real database servers and the Carbon stand-in.

mod backups;
mod configuration;
mod crash;
mod faults;
mod fence;
mod happy;
mod online;
mod overrides;
mod refusals;
mod rehearse;
mod secrets;
mod single;
mod support;
