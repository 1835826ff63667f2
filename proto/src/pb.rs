//! The generated wire types. They stay at the edge: everything inside works on the types of this crate's other
//! modules.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason
)]

tonic::include_proto!("cutover.v1");
