//! End-to-end tests of Cutover: the real coordinator, agents and command line, real database servers, and the
//! Carbon stand-in as the product that is upgraded.

pub mod harness;
