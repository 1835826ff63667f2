//! The wire's edge: who calls, what they may, and what became of it. Generated types stay here.

pub mod agent;
pub mod enrol;
pub mod operator;
pub mod status;

use cutover_channel::{Peer, PeerIdentity};
use cutover_proto::ids::NodeName;
use tonic::{Extensions, Status};

/// The operator who calls.
///
/// # Errors
/// Without an operator certificate.
pub fn operator_of(extensions: &Extensions) -> Result<String, Status> {
    match extensions.get::<Peer>().and_then(|peer| peer.identity.as_ref()) {
        Some(PeerIdentity::Operator { name, .. }) => Ok(name.clone()),
        Some(PeerIdentity::Node { .. } | PeerIdentity::Coordinator) => Err(Status::permission_denied(
            "this call needs an operator certificate; the caller has another one",
        )),
        None => Err(Status::unauthenticated(
            "this call needs an operator certificate; use the profile that `cutover-coordinator init` wrote",
        )),
    }
}

/// The node that calls, and its certificate's serial number.
///
/// # Errors
/// Without a node certificate.
pub fn node_of(extensions: &Extensions) -> Result<(NodeName, String), Status> {
    match extensions.get::<Peer>().and_then(|peer| peer.identity.as_ref()) {
        Some(PeerIdentity::Node { name, serial }) => {
            let name = name
                .parse()
                .map_err(|_| Status::permission_denied("the certificate's node name is not valid"))?;
            Ok((name, serial.clone()))
        }
        Some(PeerIdentity::Operator { .. } | PeerIdentity::Coordinator) => Err(Status::permission_denied(
            "this call needs a node certificate; the caller has another one",
        )),
        None => Err(Status::unauthenticated(
            "this call needs a node certificate; enrol with `cutover-agent enroll`",
        )),
    }
}
