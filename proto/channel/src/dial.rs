//! TCP, then TLS 1.3: what tonic calls for every new connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::ALPN_H2;

#[derive(Clone)]
pub(crate) struct Dialer {
    address: Arc<str>,
    tls: TlsConnector,
    server_name: ServerName<'static>,
    limit: Duration,
}

impl Dialer {
    pub(crate) fn new(
        address: String,
        config: Arc<ClientConfig>,
        server_name: ServerName<'static>,
        limit: Duration,
    ) -> Self {
        Self {
            address: address.into(),
            tls: TlsConnector::from(config),
            server_name,
            limit,
        }
    }

    pub(crate) async fn dial(self) -> Result<TokioIo<TlsStream<TcpStream>>, DialError> {
        match timeout(self.limit, self.handshake()).await {
            Ok(dialled) => dialled.map(TokioIo::new),
            Err(_) => Err(DialError::TimedOut {
                address: self.address(),
                limit: self.limit,
            }),
        }
    }

    async fn handshake(&self) -> Result<TlsStream<TcpStream>, DialError> {
        let unreachable = |source| DialError::Unreachable {
            address: self.address(),
            source,
        };
        let tcp = TcpStream::connect(&*self.address).await.map_err(unreachable)?;
        tcp.set_nodelay(true).map_err(unreachable)?;
        let stream = self
            .tls
            .connect(self.server_name.clone(), tcp)
            .await
            .map_err(|source| DialError::Handshake {
                address: self.address(),
                source,
            })?;
        if stream.get_ref().1.alpn_protocol() != Some(ALPN_H2) {
            return Err(DialError::NotHttp2 {
                address: self.address(),
            });
        }
        Ok(stream)
    }

    fn address(&self) -> String {
        self.address.to_string()
    }
}

/// At which stage connecting failed.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// No TCP connection: worth trying again.
    #[error(
        "`{address}` cannot be reached; is the coordinator running, and does a firewall let the port through?"
    )]
    Unreachable {
        /// The address dialled.
        address: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Too slow: worth trying again.
    #[error("`{address}` did not answer within {limit:?}")]
    TimedOut {
        /// The address dialled.
        address: String,
        /// The time allowed.
        limit: Duration,
    },
    /// The server is not the coordinator this client trusts, or has no TLS 1.3.
    #[error(
        "TLS handshake with `{address}` failed; is this the coordinator that this host was enrolled with?"
    )]
    Handshake {
        /// The address dialled.
        address: String,
        /// What rustls says.
        #[source]
        source: io::Error,
    },
    /// The server does not offer HTTP/2.
    #[error("`{address}` does not speak HTTP/2; it is not a coordinator")]
    NotHttp2 {
        /// The address dialled.
        address: String,
    },
}
