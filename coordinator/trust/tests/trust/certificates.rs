//! What issued certificates say, whatever was asked for.

use std::time::{Duration, SystemTime};

use cutover_channel::csr::generate_key_and_csr;
use cutover_channel::{CertificateFacts, Principal};
use cutover_trust::{Ca, IssueError, IssuedCert, RequestError};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tempfile::TempDir;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

const HOUR: Duration = Duration::from_secs(3600);

fn ca(now: SystemTime) -> (TempDir, Ca) {
    let dir = TempDir::new().unwrap();
    let ca = Ca::create(dir.path(), now).unwrap();
    (dir, ca)
}

fn read<T>(pem: &str, look: impl FnOnce(&X509Certificate<'_>) -> T) -> T {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let (rest, certificate) = x509_parser::parse_x509_certificate(&der).unwrap();
    assert!(rest.is_empty());
    look(&certificate)
}

/// The certificate is signed by the authority and is `uri`'s, for clients alone.
fn assert_client_only(ca: &Ca, pem: &str, uri: &str) {
    let ca_pem = CertificateDer::from_pem_slice(ca.cert_pem().as_bytes()).unwrap();
    let (_, issuer) = x509_parser::parse_x509_certificate(&ca_pem).unwrap();
    read(pem, |found| {
        found.verify_signature(Some(issuer.public_key())).unwrap();
        assert_eq!(found.issuer(), issuer.subject());
        assert!(!found.is_ca());
        let uses = found.extended_key_usage().unwrap().unwrap().value;
        assert!(uses.client_auth && !uses.server_auth && !uses.any && !uses.code_signing);
        assert!(uses.other.is_empty());
        let key_usage = found.key_usage().unwrap().unwrap().value;
        assert!(key_usage.digital_signature() && !key_usage.key_cert_sign() && !key_usage.crl_sign());
        let names = &found
            .subject_alternative_name()
            .unwrap()
            .unwrap()
            .value
            .general_names;
        assert!(
            matches!(&names[..], [GeneralName::URI(only)] if *only == uri),
            "{names:?}"
        );
    });
}

#[test]
fn request_that_asks_for_everything_gets_a_node_certificate() {
    let now = SystemTime::now();
    let (_dir, ca) = ca(now);
    let key = KeyPair::generate().unwrap();
    let mut greedy =
        CertificateParams::new(vec!["cutover-coordinator".to_owned(), "10.0.0.1".to_owned()]).unwrap();
    greedy
        .subject_alt_names
        .push(rcgen::SanType::URI("cutover:operator:root".try_into().unwrap()));
    greedy
        .distinguished_name
        .push(DnType::CommonName, "cutover-coordinator");
    greedy.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    greedy.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    greedy.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::Any];
    greedy.custom_extensions = vec![CustomExtension::from_oid_content(
        &[1, 3, 6, 1, 4, 1, 99999, 1],
        vec![5, 0],
    )];
    let csr = greedy.serialize_request(&key).unwrap().pem().unwrap();

    let issued = ca.sign_node_csr(&csr, "carbon-1", now, 24 * HOUR).unwrap();

    assert_client_only(&ca, &issued.cert_pem, "cutover:node:carbon-1");
    read(&issued.cert_pem, |found| {
        assert_eq!(found.subject().to_string(), "CN=carbon-1");
        assert_eq!(
            found.public_key().subject_public_key.data.as_ref(),
            key.public_key_raw()
        );
        let private = found
            .extensions()
            .iter()
            .any(|e| e.oid.to_id_string().starts_with("1.3.6.1.4.1."));
        assert!(!private);
    });
}

#[test]
fn issued_certificate_matches_its_record() {
    let now = SystemTime::now();
    let (_dir, ca) = ca(now);
    let csr = generate_key_and_csr("carbon-1").unwrap().csr_pem;
    let issued = ca.sign_node_csr(&csr, "carbon-1", now, 24 * HOUR).unwrap();
    let facts = CertificateFacts::from_pem(&issued.cert_pem).unwrap();
    assert_eq!(facts.principal, Principal::node("carbon-1").unwrap());
    assert_eq!(facts.serial, issued.serial_hex);
    assert_eq!(facts.not_after, issued.not_after);
    assert!(facts.not_before < now, "clocks that run behind accept it");
    assert!(issued.not_after <= now + 24 * HOUR && issued.not_after > now + 23 * HOUR);
    let IssuedCert {
        serial_hex: second, ..
    } = ca.sign_node_csr(&csr, "carbon-1", now, HOUR).unwrap();
    assert_ne!(
        second, issued.serial_hex,
        "the same key signed again has another serial"
    );
    assert_eq!(second.len(), 32);
}

#[test]
fn renewal_is_due_within_the_life_of_a_certificate_however_short() {
    let now = SystemTime::now();
    let (_dir, ca) = ca(now);
    for ttl in [Duration::from_secs(600), HOUR, 24 * HOUR, 90 * 24 * HOUR] {
        let issued = ca.issue_operator("alice", now, ttl).unwrap();
        let facts = CertificateFacts::from_pem(&issued.cert.cert_pem).unwrap();
        let due = facts.renew_at().duration_since(now).unwrap();
        assert!(
            due > ttl.mul_f64(0.35) && due < ttl.mul_f64(0.75),
            "{ttl:?}: {due:?}"
        );
    }
}

#[test]
fn operator_certificate_is_for_clients_alone() {
    let now = SystemTime::now();
    let (_dir, ca) = ca(now);
    let issued = ca.issue_operator("alice@example.org", now, HOUR).unwrap();
    assert_client_only(&ca, &issued.cert.cert_pem, "cutover:operator:alice@example.org");
    assert!(KeyPair::from_pem(secrecy::ExposeSecret::expose_secret(&issued.key_pem)).is_ok());
}

#[test]
fn coordinator_certificate_carries_its_fixed_name_and_the_given_ones_once() {
    let now = SystemTime::now();
    let (_dir, ca) = ca(now);
    let names = ["coord.example.org", "10.1.2.3", "cutover-coordinator", "::1"].map(str::to_owned);
    let issued = ca.issue_coordinator(&names, now).unwrap();
    read(&issued.cert.cert_pem, |found| {
        assert!(found.extended_key_usage().unwrap().unwrap().value.server_auth);
        let san = found.subject_alternative_name().unwrap().unwrap();
        let dns: Vec<_> = san.value.general_names.iter().filter_map(dns_name).collect();
        assert_eq!(dns, ["cutover-coordinator", "coord.example.org"]);
        assert_eq!(san.value.general_names.len(), 5);
    });
    let refused = ca.issue_coordinator(&["not a name".to_owned()], now);
    assert!(matches!(refused, Err(IssueError::HostName { name }) if name == "not a name"));
}

fn dns_name<'a>(name: &'a GeneralName<'a>) -> Option<&'a str> {
    if let GeneralName::DNSName(name) = name {
        Some(name)
    } else {
        None
    }
}

#[test]
fn request_of_every_known_key_kind_is_signed() {
    let now = SystemTime::now();
    let (_dir, ca) = ca(now);
    for kind in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ED25519,
    ] {
        let key = KeyPair::generate_for(kind).unwrap();
        let csr = CertificateParams::default()
            .serialize_request(&key)
            .unwrap()
            .pem()
            .unwrap();
        let issued = ca.sign_node_csr(&csr, "carbon-1", now, HOUR).unwrap();
        assert_client_only(&ca, &issued.cert_pem, "cutover:node:carbon-1");
        read(&issued.cert_pem, |found| {
            assert_eq!(
                found.public_key().subject_public_key.data.as_ref(),
                key.public_key_raw()
            );
        });
    }
}

/// RSA, 1,024 bits, properly signed.
const RSA_REQUEST: &str = include_str!("rsa-1024.csr.pem");

fn refusal(csr: &str) -> RequestError {
    let now = SystemTime::now();
    let (_dir, ca) = ca(now);
    match ca.sign_node_csr(csr, "carbon-1", now, HOUR) {
        Err(IssueError::Request(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rsa_key_is_refused() {
    assert_eq!(refusal(RSA_REQUEST), RequestError::KeyKind);
}

#[test]
fn text_that_is_no_request_is_refused() {
    let now = SystemTime::now();
    let (_dir, ca) = ca(now);
    assert_eq!(refusal("hello"), RequestError::Malformed);
    assert_eq!(refusal(ca.cert_pem()), RequestError::Malformed);
    assert_eq!(
        refusal(&"a".repeat(20_000)),
        RequestError::TooLong { limit: 16 * 1024 }
    );
}

#[test]
fn request_signed_by_another_key_is_refused() {
    let mut der = CertificateParams::default()
        .serialize_request(&KeyPair::generate().unwrap())
        .unwrap()
        .der()
        .to_vec();
    let other = KeyPair::generate().unwrap();
    let own = {
        use x509_parser::prelude::FromDer as _;
        let (_, csr) = x509_parser::certification_request::X509CertificationRequest::from_der(&der).unwrap();
        csr.certification_request_info
            .subject_pki
            .subject_public_key
            .data
            .to_vec()
    };
    // Someone else's public key in place of the sender's: the sender cannot sign for it.
    let at = der.windows(own.len()).position(|window| window == own).unwrap();
    der[at..at + own.len()].copy_from_slice(other.public_key_raw());
    assert_eq!(
        refusal(&pem_of("CERTIFICATE REQUEST", &der)),
        RequestError::Signature
    );
}

fn pem_of(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

#[test]
fn name_that_could_mean_another_is_refused() {
    let now = SystemTime::now();
    let (_dir, ca) = ca(now);
    let csr = generate_key_and_csr("carbon-1").unwrap().csr_pem;
    for name in ["", "a:b", "a/b", "alice@example.org"] {
        assert!(
            matches!(ca.sign_node_csr(&csr, name, now, HOUR), Err(IssueError::Name(_))),
            "{name}"
        );
    }
}

#[test]
fn certificate_never_outlives_the_authority() {
    let start = SystemTime::now();
    let (_dir, ca) = ca(start);
    let late = ca.not_after() - HOUR;
    assert_eq!(
        ca.issue_operator("alice", late, 24 * HOUR)
            .unwrap()
            .cert
            .not_after,
        ca.not_after()
    );
    let after = ca.issue_operator("alice", ca.not_after(), HOUR);
    assert!(matches!(after, Err(IssueError::CaExpired { .. })));
    assert!(matches!(
        ca.issue_operator("alice", start, Duration::ZERO),
        Err(IssueError::NoLife)
    ));
}
