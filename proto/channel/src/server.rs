//! The server's side: listening, and a TLS configuration that can be replaced while serving.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

use crate::ALPN_H2;
use crate::client::Identity;
use crate::pem::{self, TlsConfigError};
use crate::provider::provider;

/// Room for a whole fleet that comes back at once.
const BACKLOG: u32 = 1024;
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// TLS 1.3 only; a client certificate may be missing (enrolment), but one that is given must be ours.
///
/// # Errors
/// When a certificate or the key is unusable.
pub fn server_config(ca_pem: &str, identity: &Identity) -> Result<ServerConfig, TlsConfigError> {
    let verifier = WebPkiClientVerifier::builder_with_provider(pem::roots(ca_pem)?, provider())
        .allow_unauthenticated()
        .build()
        .map_err(TlsConfigError::Verifier)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TlsConfigError::Protocol)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            pem::chain(&identity.cert_chain_pem)?,
            pem::key(&identity.key_pem)?,
        )
        .map_err(TlsConfigError::Identity)?;
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    // A resumed session is not verified again, so it would outlive its certificate.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// The configuration new connections get. Clones share it, so that a renewed certificate reaches the
/// accept loop without a restart; connections already made keep theirs.
#[derive(Debug, Clone)]
pub struct ServerTls {
    config: Arc<watch::Sender<Arc<ServerConfig>>>,
}

impl ServerTls {
    /// Starts with `config`.
    #[must_use]
    pub fn new(config: ServerConfig) -> Self {
        Self {
            config: Arc::new(watch::Sender::new(Arc::new(config))),
        }
    }

    /// Gives every later connection `config`.
    pub fn replace(&self, config: ServerConfig) {
        self.config.send_replace(Arc::new(config));
    }

    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.borrow())
    }
}

/// Listens on `address` with room for 1,024 waiting connections. Needs a Tokio runtime.
///
/// # Errors
/// When the address is taken or not allowed.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A restarted coordinator must not wait for old connections to leave TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A tonic server that probes its connections, so that agents cut off without a word are noticed.
#[must_use]
pub fn server_builder() -> tonic::transport::Server {
    tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
}
