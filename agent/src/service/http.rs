//! A small HTTP/1.1 client for the Carbon server on this host: TLS with whatever certificate it has, because the
//! stock one is self-signed and the address is loopback.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// No answer of an admin service is larger.
const ANSWER_MAX: u64 = 8 << 20;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body, as text.
    pub body: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No connection, or it broke.
    #[error("the port does not answer")]
    Io(#[source] io::Error),
    /// Something speaks TLS there, but not with us: Java 6 and 7 know only ciphers that are no longer safe.
    #[error("TLS was refused")]
    Tls(#[source] rustls::Error),
    /// It did not come in time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The answer is not HTTP.
    #[error("the answer is not HTTP/1.1")]
    NotHttp,
}

impl HttpError {
    /// Whether the refusal itself proves that a TLS server is there.
    #[must_use]
    pub fn is_tls_answer(&self) -> bool {
        match self {
            // Plain text where TLS was expected: something else listens.
            HttpError::Tls(rustls::Error::InvalidMessage(_)) => false,
            HttpError::Tls(_) => true,
            HttpError::Io(_) | HttpError::TimedOut(_) | HttpError::NotHttp => false,
        }
    }
}

/// One request to `https://localhost:PORT`.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Port on the loopback address.
    pub port: u16,
    /// `GET` or `POST`.
    pub method: &'a str,
    /// Path.
    pub path: &'a str,
    /// Header lines beside `Host`, `Connection` and `Content-Length`.
    pub headers: &'a [(&'a str, &'a str)],
    /// Body.
    pub body: &'a str,
    /// Longest wait for the whole exchange.
    pub limit: Duration,
}

/// Sends the request and reads the answer.
///
/// # Errors
/// [`HttpError`].
pub async fn send(request: Request<'_>) -> Result<Answer, HttpError> {
    tokio::time::timeout(request.limit, exchange(request))
        .await
        .map_err(|_| HttpError::TimedOut(request.limit))?
}

async fn exchange(request: Request<'_>) -> Result<Answer, HttpError> {
    let mut stream = connect(request.port).await?;
    let mut text = format!(
        "{} {} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\nContent-Length: {}\r\n",
        request.method,
        request.path,
        request.port,
        request.body.len()
    );
    for (name, value) in request.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(request.body);
    stream.write_all(text.as_bytes()).await.map_err(failed)?;
    stream.flush().await.map_err(failed)?;
    let mut bytes = Vec::new();
    let read = stream.take(ANSWER_MAX).read_to_end(&mut bytes).await;
    match parse(&bytes) {
        Some(answer) => Ok(answer),
        // Many servers close without a TLS farewell; that only matters when the answer is not whole.
        None => match read {
            Err(error) => Err(failed(error)),
            Ok(_) => Err(HttpError::NotHttp),
        },
    }
}

async fn connect(port: u16) -> Result<TlsStream<TcpStream>, HttpError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let tcp = TcpStream::connect(address).await.map_err(HttpError::Io)?;
    let name = ServerName::try_from("localhost").map_err(|_| HttpError::NotHttp)?;
    connector()
        .map_err(HttpError::Tls)?
        .connect(name, tcp)
        .await
        .map_err(failed)
}

/// rustls hides its errors in those of the stream.
fn failed(error: io::Error) -> HttpError {
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        Some(tls) => HttpError::Tls(tls.clone()),
        None => HttpError::Io(error),
    }
}

fn connector() -> Result<TlsConnector, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS12, &rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Takes every certificate. Only for loopback, where the port's owner is checked in `/proc`.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Reads a whole answer; `None` when it is not one.
fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()?
        .strip_prefix("HTTP/1.")?
        .split(' ')
        .nth(1)?
        .parse()
        .ok()?;
    let header = |name: &str| {
        head.split("\r\n")
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_ascii_lowercase())
    };
    let rest = bytes.get(end + 4..)?;
    let body = if header("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
        dechunk(rest)?
    } else if let Some(length) = header("content-length") {
        rest.get(..length.parse().ok()?)?.to_vec()
    } else {
        rest.to_vec()
    };
    Some(Answer {
        status,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

fn dechunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(rest.get(..end)?).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        let from = end + 2;
        body.extend_from_slice(rest.get(from..from.checked_add(size)?)?);
        rest = rest.get(from + size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_when_whole_then_read() {
        let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiX";
        assert_eq!(
            parse(plain).unwrap(),
            Answer {
                status: 200,
                body: "hi".into()
            }
        );
        let chunked =
            b"HTTP/1.1 500 x\r\ntransfer-encoding: Chunked\r\n\r\n3\r\nabc\r\n2;x=1\r\nde\r\n0\r\n\r\n";
        assert_eq!(
            parse(chunked).unwrap(),
            Answer {
                status: 500,
                body: "abcde".into()
            }
        );
        assert_eq!(parse(b"HTTP/1.0 202 Accepted\r\n\r\n").unwrap().status, 202);
    }

    #[test]
    fn answer_when_cut_or_foreign_then_none() {
        for bytes in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"[..],
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nabc",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\nabc",
            b"SSH-2.0-OpenSSH\r\n\r\n",
            b"HTTP/1.1 200",
            b"",
        ] {
            assert_eq!(parse(bytes), None);
        }
    }

    #[tokio::test]
    async fn port_when_plain_text_answers_then_no_tls_server() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .await
                .unwrap();
        });
        let request = Request {
            port,
            method: "GET",
            path: "/",
            headers: &[],
            body: "",
            limit: Duration::from_secs(5),
        };
        let error = send(request).await.unwrap_err();
        assert!(!error.is_tls_answer(), "{error:?}");
        server.await.unwrap();
        let closed = send(request).await.unwrap_err();
        assert!(matches!(closed, HttpError::Io(_)), "{closed:?}");
    }
}
