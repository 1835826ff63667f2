//! Who passes the handshake, and what bad clients cannot do to good ones.

use std::time::Duration;

use cutover_channel::{PeerIdentity, server_config};
use rcgen::ExtendedKeyUsagePurpose;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_stream::StreamExt as _;

use crate::authority::{Authority, Wanted};
use crate::loopback::{RawClient, Server, echo, serve};

const NODE: &str = "cutover:node:carbon-1";

/// The client is refused with an error that says `why`, and the server goes on: the first connection it
/// yields is the one of the good client that follows.
async fn refused(authority: &Authority, client: RawClient<'_>, why: &str) {
    let mut server = serve(authority);
    let error = client.ping(server.address).await.unwrap_err();
    assert!(error.to_string().contains(why), "{error}");
    assert_good_client_is_served(authority, &mut server).await;
}

async fn assert_good_client_is_served(authority: &Authority, server: &mut Server) {
    let good = RawClient::new(&authority.pem, Some(authority.client(&[NODE])));
    let address = server.address;
    let (answer, identity) = tokio::join!(good.ping(address), async {
        let mut stream = server.next().await;
        echo(&mut stream).await;
        stream.peer().identity.clone()
    });
    assert_eq!(answer.unwrap(), 42);
    assert!(matches!(identity, Some(PeerIdentity::Node { name, .. }) if name == "carbon-1"));
}

#[tokio::test]
async fn certificate_of_node_or_operator_when_verified_then_peer_is_that() {
    let authority = Authority::new();
    let mut server = serve(&authority);
    for (uri, expected) in [
        (NODE, Some(("node", "carbon-1"))),
        (
            "cutover:operator:alice@example.org",
            Some(("operator", "alice@example.org")),
        ),
    ] {
        let client = RawClient::new(&authority.pem, Some(authority.client(&[uri])));
        let (kept, stream) = tokio::join!(client.connect(server.address), server.incoming.next());
        let local = kept.unwrap().get_ref().0.local_addr().unwrap();
        let peer = stream.unwrap().unwrap().peer().clone();
        assert_eq!(peer.address, local);
        let found = match &peer.identity {
            Some(PeerIdentity::Node { name, serial }) => Some(("node", name.as_str(), serial.len())),
            Some(PeerIdentity::Operator { name, serial }) => Some(("operator", name.as_str(), serial.len())),
            Some(PeerIdentity::Coordinator) | None => None,
        };
        assert_eq!(found.map(|(kind, name, _)| (kind, name)), expected);
        assert!(found.is_some_and(|(_, _, serial)| serial > 8));
    }
}

#[tokio::test]
async fn client_without_certificate_gets_in_as_nobody() {
    let authority = Authority::new();
    let mut server = serve(&authority);
    let client = RawClient::new(&authority.pem, None);
    let (kept, stream) = tokio::join!(client.connect(server.address), server.incoming.next());
    assert!(kept.is_ok());
    assert_eq!(stream.unwrap().unwrap().peer().identity, None);
}

#[tokio::test]
async fn tls_12_client_is_refused() {
    let authority = Authority::new();
    let mut client = RawClient::new(&authority.pem, Some(authority.client(&[NODE])));
    client.version = &rustls::version::TLS12;
    refused(&authority, client, "ProtocolVersion").await;
}

#[tokio::test]
async fn client_of_a_foreign_ca_is_refused() {
    let (authority, foreign) = (Authority::new(), Authority::new());
    let client = RawClient::new(&authority.pem, Some(foreign.client(&[NODE])));
    refused(&authority, client, "fatal alert").await;
}

#[tokio::test]
async fn expired_client_certificate_is_refused() {
    let authority = Authority::new();
    let expired = authority.issue(&Wanted {
        uris: &[NODE],
        dns: &[],
        usage: ExtendedKeyUsagePurpose::ClientAuth,
        expired_days: 1,
    });
    refused(
        &authority,
        RawClient::new(&authority.pem, Some(expired)),
        "CertificateExpired",
    )
    .await;
}

#[tokio::test]
async fn server_only_certificate_is_refused_as_a_client() {
    let authority = Authority::new();
    let client = RawClient::new(&authority.pem, Some(authority.server("elsewhere")));
    refused(&authority, client, "fatal alert").await;
}

#[tokio::test]
async fn client_without_http2_is_refused() {
    let authority = Authority::new();
    let mut client = RawClient::new(&authority.pem, Some(authority.client(&[NODE])));
    client.alpn = Some(b"http/1.1");
    refused(&authority, client, "NoApplicationProtocol").await;
}

#[tokio::test]
async fn client_without_alpn_is_dropped() {
    let authority = Authority::new();
    let mut client = RawClient::new(&authority.pem, Some(authority.client(&[NODE])));
    client.alpn = None;
    refused(&authority, client, "").await;
}

#[tokio::test]
async fn verified_certificate_that_names_nobody_or_two_is_dropped() {
    let authority = Authority::new();
    for uris in [
        &[][..],
        &["https://example.org/"],
        &["cutover:node:a", "cutover:operator:b"],
    ] {
        let client = RawClient::new(&authority.pem, Some(authority.client(uris)));
        refused(&authority, client, "").await;
    }
}

#[tokio::test]
async fn replaced_certificate_when_next_client_connects_then_it_is_used() {
    let (old, new) = (Authority::new(), Authority::new());
    let mut server = serve(&old);
    assert_good_client_is_served(&old, &mut server).await;

    server
        .tls
        .replace(server_config(&new.pem, &new.coordinator()).unwrap());

    let stale = RawClient::new(&old.pem, Some(old.client(&[NODE])));
    assert!(stale.connect(server.address).await.is_err());
    assert_good_client_is_served(&new, &mut server).await;
}

#[tokio::test]
async fn silent_and_broken_clients_do_not_delay_a_good_one() {
    let authority = Authority::new();
    let mut server = serve(&authority);
    let hold_up = bad_clients(&authority, &mut server);
    // Less than the 10 s that a silent client is given.
    tokio::time::timeout(Duration::from_secs(9), hold_up)
        .await
        .unwrap();
}

async fn bad_clients(authority: &Authority, server: &mut Server) {
    let mut silent = Vec::new();
    // More than there are handshake slots.
    for _ in 0..200 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    for _ in 0..20 {
        let mut broken = TcpStream::connect(server.address).await.unwrap();
        broken.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        broken.read_to_end(&mut answer).await.ok();
    }
    assert_good_client_is_served(authority, server).await;
    assert_eq!(silent.len(), 200);
}

#[tokio::test(start_paused = true)]
async fn silent_or_stalled_client_when_patience_ends_then_dropped() {
    let authority = Authority::new();
    let server = serve(&authority);
    // The second sends the start of a record and then nothing: it stalls inside the handshake.
    for start in [&[][..], &[0x16, 0x03, 0x01, 0x02, 0x00]] {
        let mut client = TcpStream::connect(server.address).await.unwrap();
        client.write_all(start).await.unwrap();
        let before = tokio::time::Instant::now();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.ok();
        let waited = before.elapsed();
        assert!(
            (Duration::from_secs(9)..Duration::from_secs(25)).contains(&waited),
            "{waited:?}"
        );
    }
}

#[tokio::test]
async fn dropped_stream_closes_the_listener() {
    let authority = Authority::new();
    let server = serve(&authority);
    let (address, tls) = (server.address, server.tls);
    drop(server.incoming);
    // The task ends at its next turn; until then connections may still be taken.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    drop(tls);
    assert!(cutover_channel::listen(address).is_ok());
}
