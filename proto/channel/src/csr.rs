//! The key and signing request of an agent that enrols or renews. The key never leaves the agent's host.

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use secrecy::SecretString;

use crate::principal::{NameError, Principal};

/// A new private key and the request to sign its public half.
#[derive(Debug)]
pub struct KeyAndCsr {
    /// The private key, PKCS #8; keep it in a file only root can read.
    pub key_pem: SecretString,
    /// The signing request for the coordinator.
    pub csr_pem: String,
}

/// Makes an ECDSA P-256 key and a request for `node_name`.
///
/// The request names the node for people who read it; what the certificate says is the authority's choice.
///
/// # Errors
/// When `node_name` is not usable or the system gives no randomness.
pub fn generate_key_and_csr(node_name: &str) -> Result<KeyAndCsr, CsrError> {
    Principal::node(node_name)?;
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(CsrError::Key)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, node_name);
    let csr = params.serialize_request(&key).map_err(CsrError::Request)?;
    Ok(KeyAndCsr {
        key_pem: SecretString::from(key.serialize_pem()),
        csr_pem: csr.pem().map_err(CsrError::Request)?,
    })
}

/// Why there is no signing request.
#[derive(Debug, thiserror::Error)]
pub enum CsrError {
    /// The node's name is not usable.
    #[error(transparent)]
    Name(#[from] NameError),
    /// No key.
    #[error("cannot generate a private key")]
    Key(#[source] rcgen::Error),
    /// No request.
    #[error("cannot write the certificate signing request")]
    Request(#[source] rcgen::Error),
}
