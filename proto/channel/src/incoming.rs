//! From a listener to verified connections: many handshakes at once, none of them able to hold up another.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_stream::Stream;
use tracing::{debug, error, warn};

use crate::ALPN_H2;
use crate::certificate::{CertificateError, CertificateFacts};
use crate::principal::{Peer, PeerIdentity};
use crate::server::ServerTls;
use crate::stream::PeerStream;

/// Handshakes that run at the same time.
const HANDSHAKES: usize = 64;
/// Connections that are accepted but not yet verified; the rest waits in the listener's backlog.
const PENDING: usize = 1024;
/// For the client's first byte, and again for the handshake.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause after an accept that failed for want of a resource, such as file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections on `listener` and yields those that passed the handshake. Needs a Tokio runtime.
///
/// A client that is silent, slow, foreign or broken is dropped and logged; it never ends the stream
/// and never delays others. Dropping the stream closes the listener and ends what is not verified yet.
#[must_use]
pub fn incoming(listener: TcpListener, tls: ServerTls) -> Incoming {
    let (ready, verified) = mpsc::channel(HANDSHAKES);
    let mut acceptor = JoinSet::new();
    acceptor.spawn(accept(listener, tls, ready));
    Incoming {
        verified,
        _acceptor: acceptor,
    }
}

/// Verified connections, for `tonic`'s `serve_with_incoming_shutdown`.
#[derive(Debug)]
pub struct Incoming {
    verified: mpsc::Receiver<PeerStream>,
    // Dropping the set ends its task, and with it the listener and the handshakes under way.
    _acceptor: JoinSet<()>,
}

impl Stream for Incoming {
    type Item = Result<PeerStream, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.verified.poll_recv(cx).map(|stream| stream.map(Ok))
    }
}

async fn accept(listener: TcpListener, tls: ServerTls, ready: mpsc::Sender<PeerStream>) {
    let slots = Arc::new(Semaphore::new(HANDSHAKES));
    let mut pending = JoinSet::new();
    loop {
        tokio::select! {
            Some(ended) = pending.join_next() => report(ended),
            accepted = listener.accept(), if pending.len() < PENDING => match accepted {
                Ok((tcp, address)) => {
                    pending.spawn(admit(tcp, address, tls.clone(), Arc::clone(&slots), ready.clone()));
                }
                Err(failed) => pause_after(&failed).await,
            },
        }
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(failed) = ended {
        error!(error = %failed, "handshake task failed");
    }
}

/// A connection that its client gave up before we took it is no trouble of ours; anything else would come
/// back at once and spin.
async fn pause_after(failed: &io::Error) {
    if failed.kind() == io::ErrorKind::ConnectionAborted {
        return;
    }
    warn!(error = %failed, "cannot accept connections");
    sleep(ACCEPT_PAUSE).await;
}

async fn admit(
    tcp: TcpStream,
    address: SocketAddr,
    tls: ServerTls,
    slots: Arc<Semaphore>,
    ready: mpsc::Sender<PeerStream>,
) {
    match verify(tcp, address, &tls, &slots).await {
        // The receiver is gone only when the server is shutting down.
        Ok(stream) => ready
            .send(stream)
            .await
            .unwrap_or_else(|_| debug!("server is shutting down")),
        Err(Refusal::Silent) => debug!(peer.address = %address, "connection without a first byte dropped"),
        Err(refusal) => {
            let cause = std::error::Error::source(&refusal)
                .map(ToString::to_string)
                .unwrap_or_default();
            warn!(peer.address = %address, reason = %refusal, cause, "connection refused");
        }
    }
}

async fn verify(
    tcp: TcpStream,
    address: SocketAddr,
    tls: &ServerTls,
    slots: &Semaphore,
) -> Result<PeerStream, Refusal> {
    tcp.set_nodelay(true).map_err(Refusal::Broken)?;
    // Silent connections wait here, outside the slots, or a handful of them would keep everyone out. Peeking
    // waits for a real byte; `readable` may return without one.
    let first = timeout(PATIENCE, tcp.peek(&mut [0]))
        .await
        .map_err(|_| Refusal::Silent)?;
    if first.map_err(Refusal::Broken)? == 0 {
        return Err(Refusal::Silent);
    }
    let _slot = slots.acquire().await.map_err(|_| Refusal::Silent)?;
    let acceptor = TlsAcceptor::from(tls.current());
    let stream = timeout(PATIENCE, acceptor.accept(tcp))
        .await
        .map_err(|_| Refusal::Slow)?
        .map_err(Refusal::Broken)?;
    let session = stream.get_ref().1;
    if session.alpn_protocol() != Some(ALPN_H2) {
        return Err(Refusal::NotHttp2);
    }
    let identity = identity(session)?;
    Ok(PeerStream::new(stream, Peer { address, identity }))
}

/// The identity in the verified certificate. One that names nobody is refused, not taken for no certificate.
fn identity(session: &rustls::ServerConnection) -> Result<Option<PeerIdentity>, Refusal> {
    let Some(certificate) = session.peer_certificates().and_then(<[_]>::first) else {
        return Ok(None);
    };
    let facts = CertificateFacts::from_der(certificate).map_err(Refusal::Nameless)?;
    Ok(Some(facts.into_identity()))
}

#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the client sent nothing")]
    Silent,
    #[error("the handshake took longer than {PATIENCE:?}")]
    Slow,
    #[error("the handshake failed")]
    Broken(#[source] io::Error),
    #[error("the client does not speak HTTP/2")]
    NotHttp2,
    #[error("the client's certificate is signed by the CA but names nobody")]
    Nameless(#[source] CertificateError),
}
