//! The client's side: one call from address to channel.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls_pki_types::ServerName;
use secrecy::SecretString;
use tonic::codegen::http::uri::Authority;
use tonic::transport::{Channel, Endpoint};

use crate::dial::{DialError, Dialer};
use crate::pem::{self, TlsConfigError};
use crate::provider::provider;
use crate::{ALPN_H2, COORDINATOR_NAME};

/// A certificate and its private key.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate, followed by intermediate ones if there are any.
    pub cert_chain_pem: String,
    /// The private key, PKCS #8.
    pub key_pem: SecretString,
}

/// Whom a client trusts and who it is.
#[derive(Debug, Clone)]
pub struct ClientTls {
    /// The only authority that is trusted.
    pub ca_pem: String,
    /// Who the client is; `None` only to enrol.
    pub identity: Option<Identity>,
    /// The name the server's certificate must carry.
    pub server_name: String,
}

impl ClientTls {
    /// A client of the coordinator, verified by its fixed name ([`COORDINATOR_NAME`]).
    #[must_use]
    pub fn new(ca_pem: impl Into<String>, identity: Option<Identity>) -> Self {
        Self {
            ca_pem: ca_pem.into(),
            identity,
            server_name: COORDINATOR_NAME.to_owned(),
        }
    }
}

/// Times of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelOptions {
    /// Longest wait for the TCP connection and the TLS handshake together.
    pub connect_timeout: Duration,
    /// How often an idle or busy connection is probed.
    pub keepalive_interval: Duration,
    /// How long the answer to a probe may take before the connection counts as dead.
    pub keepalive_timeout: Duration,
}

impl Default for ChannelOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            keepalive_interval: Duration::from_secs(15),
            keepalive_timeout: Duration::from_secs(10),
        }
    }
}

/// Connects to `endpoint` (`host:port`) and returns once the handshake is done.
///
/// The channel connects again by itself, with the same certificate: after a renewal call this again.
/// A server that refuses the client's certificate says so after the handshake (TLS 1.3), so that
/// refusal is the error of the first call, not of this function.
///
/// # Errors
/// When the certificates are unusable, nobody listens there, or the server is not the coordinator.
pub async fn connect(endpoint: &str, tls: &ClientTls, opts: ChannelOptions) -> Result<Channel, ChannelError> {
    let dialer = Dialer::new(
        checked(endpoint)?,
        client_config(tls)?,
        server_name(tls)?,
        opts.connect_timeout,
    );
    let target = target(endpoint, opts)?;
    target
        .connect_with_connector(tower::service_fn(move |_| dialer.clone().dial()))
        .await
        .map_err(|source| ChannelError::Connect {
            endpoint: endpoint.to_owned(),
            source,
        })
}

fn target(endpoint: &str, opts: ChannelOptions) -> Result<Endpoint, ChannelError> {
    let invalid = |_| ChannelError::Endpoint {
        endpoint: endpoint.to_owned(),
    };
    // tonic sees a plain connection because the dialer does the TLS; requests still say `https`.
    let origin = format!("https://{COORDINATOR_NAME}")
        .parse()
        .map_err(|_| invalid(()))?;
    let target = Endpoint::from_shared(format!("http://{endpoint}")).map_err(|_| invalid(()))?;
    Ok(target
        .origin(origin)
        .http2_keep_alive_interval(opts.keepalive_interval)
        .keep_alive_timeout(opts.keepalive_timeout)
        .keep_alive_while_idle(true))
}

/// `endpoint`, when it is a host and a port and nothing else.
fn checked(endpoint: &str) -> Result<String, ChannelError> {
    let authority = endpoint.parse::<Authority>().ok();
    let usable =
        authority.is_some_and(|a| a.port_u16().is_some() && !a.host().is_empty() && !endpoint.contains('@'));
    if usable {
        Ok(endpoint.to_owned())
    } else {
        Err(ChannelError::Endpoint {
            endpoint: endpoint.to_owned(),
        })
    }
}

fn server_name(tls: &ClientTls) -> Result<ServerName<'static>, TlsConfigError> {
    ServerName::try_from(tls.server_name.clone()).map_err(|_| TlsConfigError::ServerName {
        name: tls.server_name.clone(),
    })
}

fn client_config(tls: &ClientTls) -> Result<Arc<ClientConfig>, TlsConfigError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TlsConfigError::Protocol)?
        .with_root_certificates(pem::roots(&tls.ca_pem)?);
    let mut config = match &tls.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder
            .with_client_auth_cert(
                pem::chain(&identity.cert_chain_pem)?,
                pem::key(&identity.key_pem)?,
            )
            .map_err(TlsConfigError::Identity)?,
    };
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Why there is no channel.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// Not `host:port`.
    #[error("`{endpoint}` is not an address; give it as `host:port`")]
    Endpoint {
        /// The address as given.
        endpoint: String,
    },
    /// The certificates are unusable.
    #[error("cannot prepare TLS")]
    Tls(#[from] TlsConfigError),
    /// The connection failed; [`ChannelError::dial`] says at which stage.
    #[error("cannot connect to the coordinator at `{endpoint}`")]
    Connect {
        /// The address dialled.
        endpoint: String,
        /// What tonic reports, with the [`DialError`] beneath it.
        #[source]
        source: tonic::transport::Error,
    },
}

impl ChannelError {
    /// The stage at which connecting failed, when it came that far.
    #[must_use]
    pub fn dial(&self) -> Option<&DialError> {
        let mut cause: Option<&(dyn Error + 'static)> = Some(self);
        while let Some(error) = cause {
            if let Some(dial) = error.downcast_ref::<DialError>() {
                return Some(dial);
            }
            cause = error.source();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_is_a_host_and_a_port() {
        for good in ["coordinator.example.org:9443", "10.0.0.1:9443", "[::1]:9443"] {
            assert_eq!(checked(good).unwrap(), good);
            assert!(target(good, ChannelOptions::default()).is_ok());
        }
        for bad in [
            "",
            "host",
            "https://host:9443",
            "host:9443/x",
            "user@host:1",
            ":9443",
            "host:99999",
        ] {
            assert!(
                matches!(checked(bad), Err(ChannelError::Endpoint { .. })),
                "{bad}"
            );
        }
    }
}
