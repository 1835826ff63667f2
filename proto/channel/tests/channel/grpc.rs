//! The same through tonic, on both sides.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use cutover_channel::{
    ChannelError, ChannelOptions, ClientTls, DialError, Identity, Peer, PeerIdentity, TlsConfigError,
    connect, server_builder,
};
use rcgen::ExtendedKeyUsagePurpose;
use secrecy::SecretString;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::NamedService;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::authority::{Authority, Wanted};
use crate::loopback::serve_as;

/// Answers with who asks.
#[derive(Clone)]
struct WhoAmI;

impl NamedService for WhoAmI {
    const NAME: &'static str = "test.WhoAmI";
}

impl Service<http::Request<Body>> for WhoAmI {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<http::Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let codec = ProstCodec::<String, String>::default();
            Ok(tonic::server::Grpc::new(codec)
                .unary(tower::service_fn(who), request)
                .await)
        })
    }
}

async fn who(request: Request<String>) -> Result<Response<String>, Status> {
    let peer = request
        .extensions()
        .get::<Peer>()
        .ok_or_else(|| Status::internal("no peer"))?;
    let who = match &peer.identity {
        None => "nobody".to_owned(),
        Some(PeerIdentity::Node { name, .. }) => format!("node {name}"),
        Some(PeerIdentity::Operator { name, .. }) => format!("operator {name}"),
        Some(PeerIdentity::Coordinator) => "coordinator".to_owned(),
    };
    Ok(Response::new(format!("{} {who}", request.into_inner())))
}

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), tonic::transport::Error>>,
}

fn run(ca_pem: &str, identity: &Identity) -> Running {
    let server = serve_as(ca_pem, identity);
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = server_builder()
        .add_service(WhoAmI)
        .serve_with_incoming_shutdown(server.incoming, async { stopped.await.unwrap_or_default() });
    Running {
        address: server.address,
        stop,
        served: tokio::spawn(serving),
    }
}

async fn dial(address: SocketAddr, tls: &ClientTls) -> Result<Channel, ChannelError> {
    connect(&address.to_string(), tls, ChannelOptions::default()).await
}

async fn ask(channel: Channel) -> Result<String, Status> {
    let mut client = tonic::client::Grpc::new(channel);
    client
        .ready()
        .await
        .map_err(|error| Status::unavailable(chain(&error)))?;
    let path = http::uri::PathAndQuery::from_static("/test.WhoAmI/Who");
    let codec = ProstCodec::<String, String>::default();
    Ok(client
        .unary(Request::new("you are".to_owned()), path, codec)
        .await?
        .into_inner())
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn handler_when_called_then_knows_the_caller() {
    let authority = Authority::new();
    let running = run(&authority.pem, &authority.coordinator());
    for (identity, expected) in [
        (None, "you are nobody"),
        (
            Some(authority.client(&["cutover:node:carbon-1"])),
            "you are node carbon-1",
        ),
        (
            Some(authority.client(&["cutover:operator:alice"])),
            "you are operator alice",
        ),
        (
            Some(authority.client(&["cutover:coordinator"])),
            "you are coordinator",
        ),
    ] {
        let channel = dial(running.address, &ClientTls::new(&*authority.pem, identity))
            .await
            .unwrap();
        assert_eq!(ask(channel).await.unwrap(), expected);
    }
    running.stop.send(()).unwrap();
    running.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn expired_certificate_when_used_then_first_call_fails() {
    let authority = Authority::new();
    let running = run(&authority.pem, &authority.coordinator());
    let expired = authority.issue(&Wanted {
        uris: &["cutover:node:carbon-1"],
        dns: &[],
        usage: ExtendedKeyUsagePurpose::ClientAuth,
        expired_days: 1,
    });
    let tls = ClientTls::new(&*authority.pem, Some(expired));
    let mut said = Vec::new();
    // Hung up on, a client may lose the reason that was on its way.
    for _ in 0..20 {
        // The refusal may already be there when the channel is made, or come with the first call.
        let why = match dial(running.address, &tls).await {
            Err(error) => chain(&error),
            Ok(channel) => chain(&ask(channel).await.unwrap_err()),
        };
        if why.contains("CertificateExpired") {
            return;
        }
        said.push(why);
    }
    panic!("{said:?}");
}

/// The handshake fails on the client's side, and the error says so and names the cause.
async fn assert_distrusted(running: &Running, tls: &ClientTls, why: &str) {
    let error = dial(running.address, tls).await.unwrap_err();
    assert!(
        matches!(error.dial(), Some(DialError::Handshake { .. })),
        "{}",
        chain(&error)
    );
    assert!(chain(&error).contains(why), "{}", chain(&error));
}

#[tokio::test]
async fn server_of_a_foreign_ca_is_not_trusted() {
    let (authority, foreign) = (Authority::new(), Authority::new());
    let running = run(&foreign.pem, &foreign.coordinator());
    assert_distrusted(&running, &ClientTls::new(&*authority.pem, None), "UnknownIssuer").await;
}

#[tokio::test]
async fn server_with_another_name_is_not_trusted() {
    let authority = Authority::new();
    let running = run(&authority.pem, &authority.server("localhost"));
    assert_distrusted(
        &running,
        &ClientTls::new(&*authority.pem, None),
        "not valid for name",
    )
    .await;
}

#[tokio::test]
async fn server_with_a_node_certificate_is_not_trusted() {
    let authority = Authority::new();
    let node = authority.issue(&Wanted {
        uris: &["cutover:node:carbon-1"],
        dns: &["cutover-coordinator"],
        usage: ExtendedKeyUsagePurpose::ClientAuth,
        expired_days: -1,
    });
    let running = run(&authority.pem, &node);
    assert_distrusted(
        &running,
        &ClientTls::new(&*authority.pem, None),
        "extended key usage for server authentication",
    )
    .await;
}

#[tokio::test]
async fn silent_server_when_time_is_up_then_connect_says_so() {
    let authority = Authority::new();
    let listener = cutover_channel::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let opts = ChannelOptions {
        connect_timeout: Duration::from_millis(50),
        ..ChannelOptions::default()
    };
    let endpoint = listener.local_addr().unwrap().to_string();
    let error = connect(&endpoint, &ClientTls::new(&*authority.pem, None), opts)
        .await
        .unwrap_err();
    assert!(
        matches!(error.dial(), Some(DialError::TimedOut { .. })),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn closed_port_when_dialled_then_unreachable() {
    let authority = Authority::new();
    let listener = cutover_channel::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = dial(address, &ClientTls::new(&*authority.pem, None))
        .await
        .unwrap_err();
    assert!(
        matches!(error.dial(), Some(DialError::Unreachable { .. })),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn key_of_another_certificate_is_refused_before_dialling() {
    let authority = Authority::new();
    let (one, other) = (
        authority.client(&["cutover:node:a"]),
        authority.client(&["cutover:node:b"]),
    );
    let mixed = Identity {
        cert_chain_pem: one.cert_chain_pem,
        key_pem: other.key_pem,
    };
    let refused = |identity| {
        let tls = ClientTls::new(&*authority.pem, Some(identity));
        async move {
            connect("127.0.0.1:1", &tls, ChannelOptions::default())
                .await
                .unwrap_err()
        }
    };
    assert!(matches!(
        refused(mixed).await,
        ChannelError::Tls(TlsConfigError::Identity(_))
    ));
    let empty = Identity {
        cert_chain_pem: String::new(),
        key_pem: SecretString::from(""),
    };
    assert!(matches!(
        refused(empty).await,
        ChannelError::Tls(TlsConfigError::NoCertificate)
    ));
}
