use secrecy::ExposeSecret as _;

use super::*;

const SECRET: [u8; 32] = *b"0123456789abcdefghijklmnopqrstuv";

fn ca_der() -> Vec<u8> {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::default()
        .self_signed(&key)
        .unwrap()
        .der()
        .to_vec()
}

fn token(ca: &[u8]) -> JoinToken {
    JoinToken::new(
        TokenId::from_bytes([7; 16]),
        TokenSecret::from_bytes(SECRET),
        "coord:9443",
        ca,
    )
    .unwrap()
}

#[test]
fn token_when_written_then_reads_back_whole() {
    let ca = ca_der();
    let text = token(&ca).to_text().unwrap();
    let back = JoinToken::parse(&format!("  {}\n", text.expose_secret())).unwrap();
    assert_eq!(back.id(), TokenId::from_bytes([7; 16]));
    assert_eq!(back.secret().expose(), &SECRET);
    assert_eq!(back.coordinator(), "coord:9443");
    assert_eq!(back.ca_der, ca);
    assert_eq!(back.ca_fingerprint(), hex::encode(digest(&SHA256, &ca)));
}

#[test]
fn token_when_any_character_changes_then_refused() {
    let text = token(&ca_der()).to_text().unwrap().expose_secret().to_owned();
    for at in PREFIX.len()..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'Q' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert_eq!(
            JoinToken::parse(&changed).unwrap_err(),
            TokenError::Damaged,
            "at {at}"
        );
    }
}

#[test]
fn token_when_cut_anywhere_then_refused() {
    let text = token(&ca_der()).to_text().unwrap().expose_secret().to_owned();
    for end in PREFIX.len()..text.len() {
        assert_eq!(
            JoinToken::parse(&text[..end]).unwrap_err(),
            TokenError::Damaged,
            "cut at {end}"
        );
    }
}

#[test]
fn other_text_when_parsed_then_says_what_it_is() {
    assert_eq!(
        JoinToken::parse("cutover-join-v2.AAAA").unwrap_err(),
        TokenError::Version
    );
    assert_eq!(JoinToken::parse("hello").unwrap_err(), TokenError::NotAToken);
    assert_eq!(JoinToken::parse("").unwrap_err(), TokenError::NotAToken);
    let long = format!("{PREFIX}{}", "A".repeat(TEXT_MAX));
    assert_eq!(JoinToken::parse(&long).unwrap_err(), TokenError::Damaged);
}

#[test]
fn token_with_unusable_content_is_not_made() {
    let made = |address: String, ca: Vec<u8>| {
        JoinToken::new(
            TokenId::from_bytes([1; 16]),
            TokenSecret::from_bytes(SECRET),
            address,
            ca,
        )
        .map(|_| ())
    };
    assert_eq!(made(String::new(), ca_der()), Err(TokenError::Address));
    assert_eq!(made("a".repeat(256), ca_der()), Err(TokenError::Address));
    assert_eq!(made("a".repeat(255), ca_der()), Ok(()));
    assert_eq!(
        made("a:1".into(), b"nonsense".to_vec()),
        Err(TokenError::Certificate)
    );
    let trailing = [ca_der(), vec![0]].concat();
    assert_eq!(made("a:1".into(), trailing), Err(TokenError::Certificate));
}

#[test]
fn debug_and_display_never_show_the_secret() {
    let token = token(&ca_der());
    let text = token.secret().to_text();
    let shown = format!("{token} {token:?} {token:#?} {:?} {text:?}", token.secret());
    assert!(!shown.contains(text.expose_secret()));
    assert!(!shown.contains("0123456789abcdef") && !shown.contains("48, 49, 50"));
}

#[test]
fn parts_when_written_then_read_back() {
    let id = TokenId::from_bytes([0xab; 16]);
    assert_eq!(id.to_string().parse::<TokenId>().unwrap(), id);
    assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{id}\""));
    assert_eq!(serde_json::from_str::<TokenId>(&format!("\"{id}\"")).unwrap(), id);
    let secret: TokenSecret = TokenSecret::from_bytes(SECRET)
        .to_text()
        .expose_secret()
        .parse()
        .unwrap();
    assert_eq!(secret.expose(), &SECRET);
    assert_eq!("AAAA".parse::<TokenSecret>().unwrap_err(), TokenPartError::Secret);
    assert_eq!("xyz".parse::<TokenId>().unwrap_err(), TokenPartError::Id);
}
