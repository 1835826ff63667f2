//! What one of our certificates says.

use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject as _};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use crate::principal::{PeerIdentity, Principal, PrincipalError};

/// What a certificate says about its holder. Reading it verifies no signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Whom it speaks for.
    pub principal: Principal,
    /// Its serial number, lower-case hexadecimal.
    pub serial: String,
    /// From when it holds.
    pub not_before: SystemTime,
    /// Until when it holds.
    pub not_after: SystemTime,
}

impl CertificateFacts {
    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    /// When it is not a certificate of ours.
    pub fn from_pem(pem: &str) -> Result<Self, CertificateError> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(CertificateError::Pem)?;
        Self::from_der(&der)
    }

    /// Reads a certificate.
    ///
    /// # Errors
    /// When it is not a certificate of ours.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let (_, certificate) =
            x509_parser::parse_x509_certificate(der).map_err(|_| CertificateError::Malformed)?;
        let validity = certificate.validity();
        Ok(Self {
            principal: principal(&certificate)?,
            serial: serial(&certificate),
            not_before: instant(validity.not_before.timestamp()),
            not_after: instant(validity.not_after.timestamp()),
        })
    }

    /// When its holder should ask for the next one: after 70 % of its life.
    #[must_use]
    pub fn renew_at(&self) -> SystemTime {
        let life = self.not_after.duration_since(self.not_before).unwrap_or_default();
        self.not_before + life.mul_f64(0.7)
    }

    pub(crate) fn into_identity(self) -> PeerIdentity {
        PeerIdentity::new(self.principal, self.serial)
    }
}

/// The one URI name of the certificate. Two names would let a caller choose who it is, so they are refused.
fn principal(certificate: &X509Certificate<'_>) -> Result<Principal, CertificateError> {
    let names = certificate
        .subject_alternative_name()
        .map_err(|_| CertificateError::Malformed)?;
    let mut uris = names
        .iter()
        .flat_map(|names| &names.value.general_names)
        .filter_map(uri);
    match (uris.next(), uris.next()) {
        (Some(only), None) => Ok(only.parse()?),
        (None, _) => Err(CertificateError::NoName),
        (Some(_), Some(_)) => Err(CertificateError::ManyNames),
    }
}

fn uri<'a>(name: &'a GeneralName<'a>) -> Option<&'a str> {
    if let GeneralName::URI(uri) = name {
        Some(uri)
    } else {
        None
    }
}

fn serial(certificate: &X509Certificate<'_>) -> String {
    let bytes = certificate.raw_serial();
    // DER puts a zero before a number whose top bit is set; it is not part of the number.
    let bytes = if bytes.len() > 1 {
        bytes.strip_prefix(&[0]).unwrap_or(bytes)
    } else {
        bytes
    };
    hex::encode(bytes)
}

fn instant(unix_secs: i64) -> SystemTime {
    let distance = Duration::from_secs(unix_secs.unsigned_abs());
    if unix_secs < 0 {
        SystemTime::UNIX_EPOCH - distance
    } else {
        SystemTime::UNIX_EPOCH + distance
    }
}

/// Why a certificate is not one of ours.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// Not PEM.
    #[error("the certificate is not valid PEM")]
    Pem(#[source] pem::Error),
    /// Not X.509.
    #[error("the certificate is malformed")]
    Malformed,
    /// No URI name.
    #[error("the certificate names nobody: it has no `cutover:` URI name")]
    NoName,
    /// More than one URI name.
    #[error("the certificate has more than one URI name")]
    ManyNames,
    /// A URI name that names nobody here.
    #[error("the certificate's URI name is not one of Cutover's")]
    Name(#[from] PrincipalError),
}
