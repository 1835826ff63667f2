//! A signing request, of which only the public key is kept.
//!
//! A request can ask for anything: to be an authority, to serve, another name. Nothing of that is read.

use rcgen::SubjectPublicKeyInfo;
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_SIG_ED25519};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::AlgorithmIdentifier;

use crate::error::RequestError;

const LIMIT: usize = 16 * 1024;

/// The public key of a request whose sender holds the private one.
pub(crate) fn verified_key(csr_pem: &str) -> Result<SubjectPublicKeyInfo, RequestError> {
    if csr_pem.len() > LIMIT {
        return Err(RequestError::TooLong { limit: LIMIT });
    }
    let der = CertificateSigningRequestDer::from_pem_slice(csr_pem.as_bytes())
        .map_err(|_| RequestError::Malformed)?;
    let request = match X509CertificationRequest::from_der(&der) {
        Ok(([], request)) => request,
        Ok(_) | Err(_) => return Err(RequestError::Malformed),
    };
    let key = &request.certification_request_info.subject_pki;
    if !is_known(&key.algorithm) {
        return Err(RequestError::KeyKind);
    }
    request.verify_signature().map_err(|_| RequestError::Signature)?;
    SubjectPublicKeyInfo::from_der(key.raw).map_err(|_| RequestError::KeyKind)
}

fn is_known(key: &AlgorithmIdentifier<'_>) -> bool {
    if key.algorithm == OID_SIG_ED25519 {
        return true;
    }
    let curve = key.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
    key.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY
        && curve.is_some_and(|curve| curve == OID_EC_P256 || curve == OID_NIST_EC_P384)
}
