//! A certificate authority for tests, free to issue what the real one never would.

use std::time::{Duration, SystemTime};

use cutover_channel::Identity;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use secrecy::SecretString;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

pub(crate) struct Wanted<'a> {
    pub(crate) uris: &'a [&'a str],
    pub(crate) dns: &'a [&'a str],
    pub(crate) usage: ExtendedKeyUsagePurpose,
    /// Days before now at which the certificate ran out, or will if negative.
    pub(crate) expired_days: i32,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        // Authorities differ in name, as real ones do: clients look issuers up by it.
        let name = format!("CA {:02x?}", &key.public_key_raw()[1..9]);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    pub(crate) fn issue(&self, wanted: &Wanted<'_>) -> Identity {
        let now = SystemTime::now();
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(wanted.dns.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()).unwrap();
        for uri in wanted.uris {
            params
                .subject_alt_names
                .push(SanType::URI((*uri).try_into().unwrap()));
        }
        params.extended_key_usages = vec![wanted.usage.clone()];
        params.not_before = (now - 30 * DAY).into();
        params.not_after = match u32::try_from(wanted.expired_days) {
            Ok(days) => (now - days * DAY).into(),
            Err(_) => (now + wanted.expired_days.unsigned_abs() * DAY).into(),
        };
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            cert_chain_pem: certificate.pem(),
            key_pem: SecretString::from(key.serialize_pem()),
        }
    }

    pub(crate) fn coordinator(&self) -> Identity {
        self.server("cutover-coordinator")
    }

    pub(crate) fn server(&self, dns: &str) -> Identity {
        self.issue(&Wanted {
            uris: &["cutover:coordinator"],
            dns: &[dns],
            usage: ExtendedKeyUsagePurpose::ServerAuth,
            expired_days: -1,
        })
    }

    pub(crate) fn client(&self, uris: &[&str]) -> Identity {
        self.issue(&Wanted {
            uris,
            dns: &[],
            usage: ExtendedKeyUsagePurpose::ClientAuth,
            expired_days: -1,
        })
    }
}
