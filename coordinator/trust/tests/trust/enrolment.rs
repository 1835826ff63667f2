//! Token, request, certificate, connection: the whole way over the real channel.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use cutover_channel::csr::generate_key_and_csr;
use cutover_channel::token::JoinToken;
use cutover_channel::{
    ChannelOptions, ClientTls, DialError, Identity, Incoming, Peer, PeerIdentity, ServerTls, connect,
    incoming, listen, server_config,
};
use cutover_trust::{Ca, TokenGrant, TokenRecord};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio_stream::StreamExt as _;

const DAY: Duration = Duration::from_secs(24 * 3600);

struct Coordinator {
    _dir: TempDir,
    ca: Ca,
    address: SocketAddr,
    incoming: Incoming,
}

fn coordinator(now: SystemTime) -> Coordinator {
    let dir = TempDir::new().unwrap();
    let ca = Ca::create(dir.path(), now).unwrap();
    let own = ca.issue_coordinator(&[], now).unwrap();
    let config = server_config(ca.cert_pem(), &own.identity()).unwrap();
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    Coordinator {
        _dir: dir,
        ca,
        address,
        incoming: incoming(listener, ServerTls::new(config)),
    }
}

impl Coordinator {
    fn token(&self, now: SystemTime) -> (JoinToken, TokenRecord) {
        let grant = TokenGrant {
            coordinator: self.address.to_string(),
            node_name: None,
            labels: BTreeMap::new(),
            expires: now + DAY,
        };
        TokenRecord::mint(&mut rand::rng(), self.ca.cert_der(), grant).unwrap()
    }

    /// As whom the coordinator sees a client.
    async fn sees(&mut self, tls: &ClientTls) -> Option<PeerIdentity> {
        let endpoint = self.address.to_string();
        let (channel, stream) = tokio::join!(
            connect(&endpoint, tls, ChannelOptions::default()),
            self.incoming.next()
        );
        channel.unwrap();
        let Peer { identity, .. } = stream.unwrap().unwrap().peer().clone();
        identity
    }
}

#[tokio::test]
async fn agent_with_a_token_becomes_a_node() {
    let now = SystemTime::now();
    let mut coordinator = coordinator(now);
    let (token, mut record) = coordinator.token(now);
    let line = token.to_text().unwrap();

    // The agent knows nothing but the line.
    let token = JoinToken::parse(line.expose_secret()).unwrap();
    assert_eq!(token.coordinator(), coordinator.address.to_string());
    assert_eq!(
        coordinator.sees(&ClientTls::new(token.ca_pem(), None)).await,
        None
    );
    let mine = generate_key_and_csr("carbon-1").unwrap();

    // The coordinator gets the secret as text.
    let secret = token.secret().to_text().expose_secret().parse().unwrap();
    record.redeem(&secret, "carbon-1", now).unwrap();
    let issued = coordinator
        .ca
        .sign_node_csr(&mine.csr_pem, "carbon-1", now, 30 * DAY)
        .unwrap();

    let identity = Identity {
        cert_chain_pem: issued.cert_pem,
        key_pem: mine.key_pem,
    };
    let seen = coordinator
        .sees(&ClientTls::new(token.ca_pem(), Some(identity)))
        .await;
    assert_eq!(
        seen,
        Some(PeerIdentity::Node {
            name: "carbon-1".into(),
            serial: issued.serial_hex
        })
    );
}

#[tokio::test]
async fn operator_and_coordinator_certificates_are_recognised() {
    let now = SystemTime::now();
    let mut coordinator = coordinator(now);
    let operator = coordinator.ca.issue_operator("alice", now, DAY).unwrap();
    let tls = ClientTls::new(coordinator.ca.cert_pem(), Some(operator.identity()));
    let serial = operator.cert.serial_hex;
    assert_eq!(
        coordinator.sees(&tls).await,
        Some(PeerIdentity::Operator {
            name: "alice".into(),
            serial
        })
    );
    let own = coordinator.ca.issue_coordinator(&[], now).unwrap();
    let tls = ClientTls::new(coordinator.ca.cert_pem(), Some(own.identity()));
    assert_eq!(coordinator.sees(&tls).await, Some(PeerIdentity::Coordinator));
}

#[tokio::test]
async fn agent_with_a_token_of_another_coordinator_does_not_enrol() {
    let now = SystemTime::now();
    let (here, elsewhere) = (coordinator(now), coordinator(now));
    let (token, _) = elsewhere.token(now);
    let tls = ClientTls::new(token.ca_pem(), None);
    let error = connect(&here.address.to_string(), &tls, ChannelOptions::default())
        .await
        .unwrap_err();
    assert!(
        matches!(error.dial(), Some(DialError::Handshake { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn coordinator_certificate_that_ran_out_is_not_trusted() {
    let long_ago = SystemTime::now() - 365 * DAY;
    let coordinator = coordinator(long_ago);
    let tls = ClientTls::new(coordinator.ca.cert_pem(), None);
    let error = connect(&coordinator.address.to_string(), &tls, ChannelOptions::default())
        .await
        .unwrap_err();
    let Some(DialError::Handshake { source, .. }) = error.dial() else {
        panic!("{error:?}")
    };
    assert!(source.to_string().contains("expired"), "{source}");
}
