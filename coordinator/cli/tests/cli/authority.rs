//! A certificate authority for tests.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate and its key, PEM both.
pub(crate) struct Issued {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
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

    fn issue(
        &self,
        uri: &str,
        dns: &[&str],
        usage: ExtendedKeyUsagePurpose,
        not_after: SystemTime,
    ) -> Issued {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = dns.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params
            .subject_alt_names
            .push(SanType::URI(uri.try_into().unwrap()));
        params.extended_key_usages = vec![usage];
        params.not_before = (not_after - 400 * DAY).into();
        params.not_after = not_after.into();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued {
            cert: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    pub(crate) fn coordinator(&self) -> Issued {
        self.issue(
            "cutover:coordinator",
            &["cutover-coordinator"],
            ExtendedKeyUsagePurpose::ServerAuth,
            SystemTime::now() + DAY,
        )
    }

    pub(crate) fn operator(&self) -> Issued {
        self.operator_until(SystemTime::now() + 365 * DAY)
    }

    pub(crate) fn operator_until(&self, not_after: SystemTime) -> Issued {
        let usage = ExtendedKeyUsagePurpose::ClientAuth;
        self.issue("cutover:operator:alice", &[], usage, not_after)
    }
}
