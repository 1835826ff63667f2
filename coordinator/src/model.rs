//! The upgrade file and what it is made of.

pub mod draft;
pub mod jdbc;
pub mod reader;
pub mod selector;
pub mod upgrade;
