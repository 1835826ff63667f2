//! A listening server and raw TLS clients on loopback.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use cutover_channel::{Identity, Incoming, PeerStream, ServerTls, incoming, listen, server_config};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_stream::StreamExt as _;

use crate::authority::Authority;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) incoming: Incoming,
    pub(crate) tls: ServerTls,
}

/// A server of `authority`'s with a good certificate.
pub(crate) fn serve(authority: &Authority) -> Server {
    serve_as(&authority.pem, &authority.coordinator())
}

pub(crate) fn serve_as(ca_pem: &str, identity: &Identity) -> Server {
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let tls = ServerTls::new(server_config(ca_pem, identity).unwrap());
    Server {
        address,
        incoming: incoming(listener, tls.clone()),
        tls,
    }
}

impl Server {
    pub(crate) async fn next(&mut self) -> PeerStream {
        self.incoming.next().await.unwrap().unwrap()
    }
}

/// A client of our own making: any TLS version, any ALPN.
pub(crate) struct RawClient<'a> {
    pub(crate) ca_pem: &'a str,
    pub(crate) identity: Option<Identity>,
    pub(crate) version: &'static SupportedProtocolVersion,
    pub(crate) alpn: Option<&'static [u8]>,
}

impl<'a> RawClient<'a> {
    pub(crate) fn new(ca_pem: &'a str, identity: Option<Identity>) -> Self {
        Self {
            ca_pem,
            identity,
            version: &rustls::version::TLS13,
            alpn: Some(b"h2"),
        }
    }

    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
    ) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let name = ServerName::try_from("cutover-coordinator").unwrap();
        TlsConnector::from(Arc::new(self.config()))
            .connect(name, tcp)
            .await
    }

    /// Sends one byte and waits for its echo: in TLS 1.3 a refused client only learns of it when it reads.
    pub(crate) async fn ping(&self, address: SocketAddr) -> io::Result<u8> {
        let mut stream = self.connect(address).await?;
        // The server may have hung up before this arrives; why it did is still to be read.
        stream.write_u8(42).await.ok();
        stream.flush().await.ok();
        stream.read_u8().await
    }

    fn config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.ca_pem.as_bytes()).unwrap())
            .unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[self.version])
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = CertificateDer::pem_slice_iter(identity.cert_chain_pem.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(identity.key_pem.expose_secret().as_bytes()).unwrap();
                builder
                    .with_client_auth_cert(chain.map(Result::unwrap).collect(), key)
                    .unwrap()
            }
        };
        config.alpn_protocols = self.alpn.iter().map(|alpn| alpn.to_vec()).collect();
        config
    }
}

/// Answers the one byte of [`RawClient::ping`].
pub(crate) async fn echo(stream: &mut PeerStream) {
    let byte = stream.read_u8().await.unwrap();
    stream.write_u8(byte).await.unwrap();
    stream.flush().await.unwrap();
}
