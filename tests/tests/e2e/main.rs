//! Whole upgrades with the real programs, real database servers and the Carbon stand-in.

mod backups;
mod configuration;
mod crash;
mod crash_orders;
mod faults;
mod fence;
mod guide_refusals;
mod guides;
mod happy;
mod online;
mod overrides;
mod refusals;
mod rehearse;
mod secrets;
mod single;
mod site_config;
mod support;
mod tablespaces;
