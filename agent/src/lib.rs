//! The Cutover agent: one on each Carbon host. It dials the coordinator, does typed actions under the homes that
//! its root-owned policy file names, journals each before and after, and keeps held servers down.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`config`], [`policy`] | the local policy file, and what commands it lets through |
//! | [`identity`] | key, certificate, enrolment, renewal |
//! | [`session`] | the stream to the coordinator: hello, heartbeats, commands, reports |
//! | [`runner`] | command → epoch → policy → ledger → action → report |
//! | [`ledger`] | the durable journal |
//! | [`actions`] | one module per action, each able to run twice and to be taken back |
//! | [`config_diff`] | what a site changed in its configuration; pure |
//! | [`secret`], [`properties`] | which values are secrets; Java properties files |
//! | [`service`] | Carbon servers: processes, ports, log, guard, holds |
//! | [`watcher`] | stops held servers that came back |

pub mod actions;
pub mod agent;
pub mod config;
pub mod config_diff;
pub mod durable;
pub mod facts;
mod fault;
pub mod identity;
pub mod ledger;
pub mod outbox;
pub mod policy;
pub mod properties;
pub mod runner;
pub mod secret;
pub mod service;
pub mod session;
pub mod task;
pub mod watcher;
