//! The key and certificate of the https port.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// A self-signed certificate for `localhost` with its key, both as PEM.
pub(crate) struct Identity {
    certificate: String,
    key: String,
}

impl Identity {
    pub(crate) fn generate() -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, "localhost");
        Ok(Self {
            certificate: params.self_signed(&key)?.pem(),
            key: key.serialize_pem(),
        })
    }

    /// The home's keystore; the stand-in keeps PEM text in it.
    pub(crate) fn to_pem(&self) -> String {
        format!("{}{}", self.certificate, self.key)
    }

    pub(crate) fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// What the https port answers with: the home's keystore, or a passing identity when that is foreign.
    pub(crate) fn server_config(file: &Path) -> Result<Arc<rustls::ServerConfig>> {
        let pem = std::fs::read(file).with_context(|| format!("read the keystore {}", file.display()))?;
        let pem = if pem.starts_with(b"-----BEGIN") {
            pem
        } else {
            Self::generate()?.to_pem().into_bytes()
        };
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(&pem)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(certificates, key)?;
        Ok(Arc::new(config))
    }
}
