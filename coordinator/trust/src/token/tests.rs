use std::time::Duration;

use cutover_channel::token::JoinToken;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use secrecy::ExposeSecret as _;

use super::*;

const NOW: SystemTime = SystemTime::UNIX_EPOCH;

fn ca_der() -> Vec<u8> {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::default()
        .self_signed(&key)
        .unwrap()
        .der()
        .to_vec()
}

fn grant(node_name: Option<&str>) -> TokenGrant {
    TokenGrant {
        coordinator: "coord:9443".into(),
        node_name: node_name.map(Into::into),
        labels: BTreeMap::from([("role".into(), "manager".into())]),
        expires: NOW + Duration::from_secs(3600),
    }
}

fn mint(seed: u64, node_name: Option<&str>) -> (JoinToken, TokenRecord) {
    TokenRecord::mint(&mut StdRng::seed_from_u64(seed), &ca_der(), grant(node_name)).unwrap()
}

#[test]
fn token_when_carried_as_text_then_opens_once() {
    let (token, mut record) = mint(1, None);
    let carried = JoinToken::parse(token.to_text().unwrap().expose_secret()).unwrap();
    assert_eq!(carried.id(), record.id);
    assert_eq!(record.redeem(carried.secret(), "carbon-1", NOW), Ok(()));
    assert_eq!(
        record.redeem(carried.secret(), "carbon-1", NOW),
        Err(TokenRefusal::Used)
    );
}

#[test]
fn token_when_secret_is_of_another_then_refused_and_still_unused() {
    let (_, mut record) = mint(1, None);
    let (other, _) = mint(2, None);
    assert_eq!(
        record.redeem(other.secret(), "carbon-1", NOW),
        Err(TokenRefusal::Secret)
    );
    assert_eq!(record.used, None);
}

#[test]
fn token_when_one_bit_of_its_secret_differs_then_refused() {
    let (token, record) = mint(1, None);
    for bit in 0..256_usize {
        let mut altered = record.clone();
        let mut bytes = *record.secret_sha256.as_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        altered.secret_sha256 = SecretDigest::from_bytes(bytes);
        assert_eq!(
            altered.verify(token.secret(), "n", NOW),
            Err(TokenRefusal::Secret),
            "bit {bit}"
        );
    }
}

#[test]
fn token_at_the_end_of_its_life() {
    let (token, record) = mint(1, None);
    let last = record.expires - Duration::from_nanos(1);
    assert_eq!(record.verify(token.secret(), "n", last), Ok(()));
    assert_eq!(
        record.verify(token.secret(), "n", record.expires),
        Err(TokenRefusal::Expired)
    );
}

#[test]
fn token_of_one_node_does_not_open_for_another() {
    let (token, record) = mint(1, Some("carbon-1"));
    assert_eq!(record.verify(token.secret(), "carbon-1", NOW), Ok(()));
    let refused = record.verify(token.secret(), "carbon-2", NOW);
    assert_eq!(
        refused,
        Err(TokenRefusal::OtherNode {
            only: "carbon-1".into()
        })
    );
}

#[test]
fn unusable_grant_when_minted_then_refused() {
    let mut rng = StdRng::seed_from_u64(1);
    let bad_name = TokenRecord::mint(&mut rng, &ca_der(), grant(Some("../etc")));
    assert!(matches!(bad_name, Err(TokenMintError::Name(_))));
    let bad_ca = TokenRecord::mint(&mut rng, b"no certificate", grant(None));
    assert!(matches!(
        bad_ca,
        Err(TokenMintError::Token(TokenError::Certificate))
    ));
}

#[test]
fn record_when_stored_then_same_and_without_the_secret() {
    let (token, record) = mint(1, Some("carbon-1"));
    let json = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<TokenRecord>(&json).unwrap(), record);
    let secret = token.secret().to_text();
    assert!(!format!("{json} {record:?} {token:?}").contains(secret.expose_secret()));
}
