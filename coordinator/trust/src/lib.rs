//! The coordinator's own trust: its certificate authority, the certificates it issues, and join tokens.
//!
//! Nothing here reads a clock or talks to a network: time is a parameter, requests are text. What a
//! certificate says is decided by [`Ca`] alone; of a signing request only the public key is kept.

mod ca;
mod error;
mod files;
mod profile;
mod request;
mod token;

pub use ca::{Ca, IssuedCert, IssuedIdentity};
pub use error::{CaError, IssueError, RequestError};
pub use profile::{CA_LIFE, COORDINATOR_LIFE};
pub use token::{SecretDigest, TokenGrant, TokenMintError, TokenRecord, TokenRefusal};
