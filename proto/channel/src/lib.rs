//! The channel between coordinator, agents and operators: gRPC over mutual TLS 1.3.
//!
//! Both ends trust one certificate authority and nothing else: the coordinator's own (`cutover-trust`).
//! A caller is what its certificate says ([`Principal`], in the URI name `cutover:node:<name>` or
//! `cutover:operator:<name>`); a handler reads it from the request's extensions as [`Peer`]. Only a
//! node that enrols has no certificate yet, and it trusts exactly the authority inside its
//! [`token::JoinToken`].
//!
//! tonic's own TLS settings cannot exclude TLS 1.2, so this package drives rustls itself. Sessions are
//! never resumed: a resumed session would keep a certificate alive after it expired.

mod certificate;
mod client;
#[cfg(feature = "csr")]
pub mod csr;
mod dial;
mod incoming;
mod pem;
mod principal;
mod provider;
mod server;
mod stream;
pub mod token;

pub use certificate::{CertificateError, CertificateFacts};
pub use client::{ChannelError, ChannelOptions, ClientTls, Identity, connect};
pub use dial::DialError;
pub use incoming::{Incoming, incoming};
pub use pem::TlsConfigError;
pub use principal::{NameError, Peer, PeerIdentity, Principal, PrincipalError};
pub use provider::install_provider;
pub use server::{ServerTls, listen, server_builder, server_config};
pub use stream::PeerStream;

/// The DNS name every coordinator certificate carries and every client verifies, whatever address it
/// dialled: the coordinator can move to another address without a new certificate.
pub const COORDINATOR_NAME: &str = "cutover-coordinator";

/// The only application protocol spoken here (ALPN).
pub(crate) const ALPN_H2: &[u8] = b"h2";
