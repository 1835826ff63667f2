//! PEM in, rustls types out.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret as _, SecretString};

/// Why certificates or a key cannot be used for TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsConfigError {
    /// The authority's certificate is not PEM.
    #[error("the CA certificate is not valid PEM; give the `ca.pem` of the coordinator")]
    CaPem(#[source] pem::Error),
    /// The authority's PEM holds no certificate.
    #[error("the CA file holds no certificate; give the `ca.pem` of the coordinator")]
    NoCa,
    /// The authority's certificate is not usable as a trust anchor.
    #[error("the CA certificate cannot be trusted as it is; give the `ca.pem` of the coordinator")]
    CaCertificate(#[source] rustls::Error),
    /// The own certificate chain is not PEM.
    #[error("the certificate is not valid PEM; enrol again or restore it from a backup")]
    CertificatePem(#[source] pem::Error),
    /// The own chain holds no certificate.
    #[error("the certificate file holds no certificate; enrol again or restore it from a backup")]
    NoCertificate,
    /// The key is not PEM of a private key. Its reader's error is left out: it can quote the key.
    #[error("the private key is not a PEM private key; enrol again or restore it from a backup")]
    KeyPem,
    /// The key does not belong to the certificate, or is of an unknown kind.
    #[error("the certificate and its private key cannot be used together; enrol again or restore both")]
    Identity(#[source] rustls::Error),
    /// The verifier of client certificates cannot be made.
    #[error("client certificates cannot be verified against the CA certificate")]
    Verifier(#[source] rustls::server::VerifierBuilderError),
    /// The provider has no TLS 1.3.
    #[error("TLS 1.3 is not available")]
    Protocol(#[source] rustls::Error),
    /// The name to verify is not a DNS name or address.
    #[error("`{name}` is not a server name that a certificate can carry")]
    ServerName {
        /// The name as given.
        name: String,
    },
}

/// A root store that trusts the certificates in `ca_pem` and nothing else.
pub(crate) fn roots(ca_pem: &str) -> Result<Arc<RootCertStore>, TlsConfigError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        let certificate = certificate.map_err(TlsConfigError::CaPem)?;
        roots.add(certificate).map_err(TlsConfigError::CaCertificate)?;
    }
    if roots.is_empty() {
        return Err(TlsConfigError::NoCa);
    }
    Ok(Arc::new(roots))
}

pub(crate) fn chain(cert_chain_pem: &str) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let chain = CertificateDer::pem_slice_iter(cert_chain_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(TlsConfigError::CertificatePem)?;
    if chain.is_empty() {
        return Err(TlsConfigError::NoCertificate);
    }
    Ok(chain)
}

pub(crate) fn key(key_pem: &SecretString) -> Result<PrivateKeyDer<'static>, TlsConfigError> {
    PrivateKeyDer::from_pem_slice(key_pem.expose_secret().as_bytes()).map_err(|_| TlsConfigError::KeyPem)
}

/// PEM text of one certificate.
pub(crate) fn encode_certificate(der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = tail;
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_when_encoded_then_decodes_to_the_same_bytes() {
        for length in [1_usize, 47, 48, 49, 500] {
            let der: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let back = CertificateDer::from_pem_slice(encode_certificate(&der).as_bytes()).unwrap();
            assert_eq!(back.as_ref(), der.as_slice());
        }
    }

    #[test]
    fn ca_text_without_certificate_is_refused() {
        assert!(matches!(roots("no certificate here"), Err(TlsConfigError::NoCa)));
    }

    #[test]
    fn broken_key_is_refused_without_quoting_it() {
        let broken = SecretString::from("-----BEGIN PRIVATE KEY-----\nhunter2 hunter2\n");
        let error = key(&broken).unwrap_err();
        assert!(matches!(error, TlsConfigError::KeyPem));
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
