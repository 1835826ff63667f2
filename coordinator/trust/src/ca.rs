//! The certificate authority: the one party that everyone trusts.

use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use cutover_channel::{CertificateFacts, Identity, Principal};
use rand::TryRngCore as _;
use rand::rand_core::OsError;
use rand::rngs::OsRng;
use rcgen::{Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData, SerialNumber};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::{CaError, IssueError};
use crate::files;
use crate::profile::{self, CA_LIFE, COORDINATOR_LIFE, Validity};
use crate::request;

/// A certificate that was just issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCert {
    /// The certificate.
    pub cert_pem: String,
    /// Its serial number, lower-case hexadecimal: what is recorded, and what is banned.
    pub serial_hex: String,
    /// Until when it holds.
    pub not_after: SystemTime,
}

/// A certificate with the private key that was made for it.
#[derive(Debug, Clone)]
pub struct IssuedIdentity {
    /// The certificate.
    pub cert: IssuedCert,
    /// The private key, PKCS #8.
    pub key_pem: SecretString,
}

impl IssuedIdentity {
    /// As the channel wants it.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            cert_chain_pem: self.cert.cert_pem.clone(),
            key_pem: self.key_pem.clone(),
        }
    }
}

/// The authority, with its key in memory.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    cert_pem: String,
    cert_der: CertificateDer<'static>,
    not_after: SystemTime,
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ca")
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

impl Ca {
    /// Makes a new authority in `dir`, which is created if missing.
    ///
    /// # Errors
    /// When there is one already, in whole or in part, or the files cannot be written.
    pub fn create(dir: &Path, now: SystemTime) -> Result<Self, CaError> {
        for path in [files::key_path(dir), files::certificate_path(dir)] {
            if files::exists(&path)? {
                return Err(CaError::Exists { path });
            }
        }
        files::ensure_directory(dir)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(CaError::Generate)?;
        let key_pem = SecretString::from(key.serialize_pem());
        files::create_key(dir, key_pem.expose_secret())?;
        Self::certify(dir, &key, now)
    }

    /// Loads the authority in `dir`.
    ///
    /// # Errors
    /// When a file is missing, damaged or open to others, or the two do not belong together.
    pub fn load(dir: &Path) -> Result<Self, CaError> {
        let key = load_key(dir)?;
        let path = files::certificate_path(dir);
        let cert_pem = files::read_certificate(dir)?;
        let unusable = || CaError::Certificate { path: path.clone() };
        let cert_der = CertificateDer::from_pem_slice(cert_pem.as_bytes()).map_err(|_| unusable())?;
        let read = authority_facts(&cert_der).ok_or_else(unusable)?;
        if read.public_key != key.public_key_raw() {
            return Err(CaError::Mismatch { path });
        }
        let issuer = Issuer::from_ca_cert_der(&cert_der, key).map_err(|_| unusable())?;
        Ok(Self {
            issuer,
            cert_pem,
            cert_der,
            not_after: read.not_after,
        })
    }

    /// Loads the authority in `dir`, or makes it if there is none. A creation that was cut short after the
    /// key was written is finished with that key.
    ///
    /// # Errors
    /// As [`Ca::load`] and [`Ca::create`]. A certificate whose key is missing is an error, not a reason to
    /// make a new one.
    pub fn load_or_create(dir: &Path, now: SystemTime) -> Result<Self, CaError> {
        let key = files::exists(&files::key_path(dir))?;
        let certificate = files::exists(&files::certificate_path(dir))?;
        match (key, certificate) {
            (false, false) => Self::create(dir, now),
            (true, false) => Self::certify(dir, &load_key(dir)?, now),
            (true, true) | (false, true) => Self::load(dir),
        }
    }

    fn certify(dir: &Path, key: &KeyPair, now: SystemTime) -> Result<Self, CaError> {
        let serial = random_serial().map_err(CaError::Random)?;
        let params = profile::authority(serial, Validity::new(now, CA_LIFE, None));
        let certificate = params.self_signed(key).map_err(CaError::Generate)?;
        files::create_certificate(dir, &certificate.pem())?;
        Self::load(dir)
    }

    /// The authority's certificate: what everyone trusts.
    #[must_use]
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The same in DER, for join tokens.
    #[must_use]
    pub fn cert_der(&self) -> &[u8] {
        &self.cert_der
    }

    /// Until when the authority holds. No certificate outlives it.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// A key and certificate for the coordinator itself, good for [`COORDINATOR_LIFE`]. It always carries the
    /// name every client verifies; `names` (DNS names or addresses) are for other tools that connect.
    ///
    /// # Errors
    /// When a name is unusable or the authority has run out.
    pub fn issue_coordinator(&self, names: &[String], now: SystemTime) -> Result<IssuedIdentity, IssueError> {
        self.issue_with_key(&Principal::Coordinator, names, now, COORDINATOR_LIFE)
    }

    /// A key and certificate for an operator.
    ///
    /// # Errors
    /// When the name is unusable, `ttl` is nothing or the authority has run out.
    pub fn issue_operator(
        &self,
        name: &str,
        now: SystemTime,
        ttl: Duration,
    ) -> Result<IssuedIdentity, IssueError> {
        self.issue_with_key(&Principal::operator(name)?, &[], now, ttl)
    }

    /// A certificate for the node `node_name` and the key in `csr_pem`. Subject, names, uses and life are
    /// this authority's choice; whatever else the request asks for is ignored.
    ///
    /// # Errors
    /// When the name is unusable, the request malformed, not signed by its key or of a weak kind, `ttl`
    /// nothing or the authority run out.
    pub fn sign_node_csr(
        &self,
        csr_pem: &str,
        node_name: &str,
        now: SystemTime,
        ttl: Duration,
    ) -> Result<IssuedCert, IssueError> {
        let principal = Principal::node(node_name)?;
        let key = request::verified_key(csr_pem)?;
        self.issue(&principal, &[], &key, now, ttl)
    }

    fn issue_with_key(
        &self,
        principal: &Principal,
        names: &[String],
        now: SystemTime,
        ttl: Duration,
    ) -> Result<IssuedIdentity, IssueError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(IssueError::Sign)?;
        let cert = self.issue(principal, names, &key, now, ttl)?;
        Ok(IssuedIdentity {
            cert,
            key_pem: SecretString::from(key.serialize_pem()),
        })
    }

    fn issue(
        &self,
        principal: &Principal,
        names: &[String],
        key: &impl PublicKeyData,
        now: SystemTime,
        ttl: Duration,
    ) -> Result<IssuedCert, IssueError> {
        if ttl < Duration::from_secs(1) {
            return Err(IssueError::NoLife);
        }
        if now >= self.not_after {
            return Err(IssueError::CaExpired {
                not_after: self.not_after,
            });
        }
        let validity = Validity::new(now, ttl, Some(self.not_after));
        let serial = random_serial().map_err(IssueError::Random)?;
        let params = profile::end_entity(principal, names, serial, validity)?;
        let certificate = params.signed_by(key, &self.issuer).map_err(IssueError::Sign)?;
        // Read back what peers will read, so that the record and the certificate cannot differ.
        let facts = CertificateFacts::from_der(certificate.der()).map_err(IssueError::ReadBack)?;
        Ok(IssuedCert {
            cert_pem: certificate.pem(),
            serial_hex: facts.serial,
            not_after: facts.not_after,
        })
    }
}

fn load_key(dir: &Path) -> Result<KeyPair, CaError> {
    let pem = files::read_key(dir)?;
    let unusable = || CaError::Key {
        path: files::key_path(dir),
    };
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.expose_secret().as_bytes()).map_err(|_| unusable())?;
    KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ECDSA_P256_SHA256).map_err(|_| unusable())
}

struct AuthorityFacts {
    public_key: Vec<u8>,
    not_after: SystemTime,
}

/// What an authority's certificate says, if it is one.
fn authority_facts(der: &CertificateDer<'_>) -> Option<AuthorityFacts> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    if !certificate.is_ca() {
        return None;
    }
    let not_after = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    Some(AuthorityFacts {
        public_key: certificate.public_key().subject_public_key.data.to_vec(),
        not_after: SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(not_after))?,
    })
}

/// 126 random bits: never negative, never zero, never the same twice.
fn random_serial() -> Result<SerialNumber, OsError> {
    let mut bytes = [0_u8; 16];
    OsRng.try_fill_bytes(&mut bytes)?;
    // A fixed length keeps every rendering of the number the same.
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}
