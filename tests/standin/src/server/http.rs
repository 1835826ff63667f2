//! A small HTTP/1.1 server: what SOAP clients and browsers send to a Carbon server, no more.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
    BufReader,
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::services;
use super::state::Server;

const LONGEST_BODY: usize = 4 << 20;
const LONGEST_LINE: u64 = 16 << 10;

/// A request with its whole body.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    /// By lower-case name.
    pub(super) headers: HashMap<String, String>,
    pub(super) body: Vec<u8>,
}

/// A response.
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

impl Response {
    pub(super) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: String::new(),
        }
    }
}

pub(super) async fn serve_tls(listener: TcpListener, config: Arc<rustls::ServerConfig>, server: Arc<Server>) {
    let acceptor = TlsAcceptor::from(config);
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, server) = (acceptor.clone(), Arc::clone(&server));
        tokio::spawn(async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                // A client that breaks off is no concern of the server's.
                connection(stream, &server, true).await.ok();
            }
        });
    }
}

pub(super) async fn serve_plain(listener: TcpListener, server: Arc<Server>) {
    while let Ok((stream, _)) = listener.accept().await {
        let server = Arc::clone(&server);
        tokio::spawn(async move { connection(stream, &server, false).await.ok() });
    }
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    server: &Server,
    secure: bool,
) -> Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await? {
        let close = request
            .headers
            .get("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let response = if secure {
            answer(server, &request).await
        } else {
            to_https(server, &request)
        };
        write(&mut stream, &response, close).await?;
        if close {
            break;
        }
    }
    stream.shutdown().await?;
    Ok(())
}

async fn answer(server: &Server, request: &Request) -> Response {
    if let Some(service) = request.path.strip_prefix("/services/") {
        let service = service.split(['?', '/', '.']).next().unwrap_or_default();
        return services::handle(server, service, request).await;
    }
    match request.path.as_str() {
        "/carbon" | "/carbon/" => {
            let mut response = Response::empty(302);
            response
                .headers
                .push(("Location", "/carbon/admin/login.jsp".to_owned()));
            response
        }
        "/carbon/admin/login.jsp" => Response {
            status: 200,
            headers: vec![("Content-Type", "text/html".to_owned())],
            body: format!(
                "<html><title>{} Management Console</title></html>",
                server.conf.name
            ),
        },
        _ => Response::empty(404),
    }
}

fn to_https(server: &Server, request: &Request) -> Response {
    let port = server.conf.https_port.wrapping_add(server.conf.offset);
    let mut response = Response::empty(302);
    response
        .headers
        .push(("Location", format!("https://localhost:{port}{}", request.path)));
    response
}

async fn read<S: AsyncBufRead + AsyncWrite + Unpin>(stream: &mut S) -> Result<Option<Request>> {
    let Some(first) = line(stream).await? else {
        return Ok(None);
    };
    let mut words = first.split(' ');
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().context("a request line has a path")?,
    );
    let mut request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: HashMap::new(),
        body: Vec::new(),
    };
    while let Some(header) = line(stream).await?.filter(|header| !header.is_empty()) {
        let (name, value) = header.split_once(':').context("a header has a colon")?;
        request
            .headers
            .insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
    }
    if request
        .headers
        .get("expect")
        .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
    {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        stream.flush().await?;
    }
    let chunked = request
        .headers
        .get("transfer-encoding")
        .is_some_and(|value| value.contains("chunked"));
    request.body = if chunked {
        read_chunks(stream).await?
    } else {
        let length = request
            .headers
            .get("content-length")
            .map_or(Ok(0), |value| value.parse())?;
        read_exact(stream, length).await?
    };
    Ok(Some(request))
}

async fn read_chunks<S: AsyncBufRead + Unpin>(stream: &mut S) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(stream).await?.context("a chunk has a size")?;
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)?;
        if size + body.len() > LONGEST_BODY {
            bail!("the body is too long");
        }
        body.extend(read_exact(stream, size).await?);
        line(stream).await?;
        if size == 0 {
            return Ok(body);
        }
    }
}

async fn read_exact<S: AsyncBufRead + Unpin>(stream: &mut S, length: usize) -> Result<Vec<u8>> {
    if length > LONGEST_BODY {
        bail!("the body is too long");
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

/// One line without its end, or nothing at the end of the stream.
async fn line<S: AsyncBufRead + Unpin>(stream: &mut S) -> Result<Option<String>> {
    let mut text = String::new();
    let read = stream.take(LONGEST_LINE).read_line(&mut text).await?;
    if read > 0 && !text.ends_with('\n') {
        bail!("a line is too long or cut short");
    }
    Ok((read > 0).then(|| text.trim_end_matches(['\r', '\n']).to_owned()))
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, response: &Response, close: bool) -> Result<()> {
    let mut head = format!("HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
    for (name, value) in &response.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!(
        "Content-Length: {}\r\nServer: WSO2 Carbon Server\r\n",
        response.body.len()
    ));
    head.push_str(if close {
        "Connection: close\r\n\r\n"
    } else {
        "\r\n"
    });
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(response.body.as_bytes()).await?;
    stream.flush().await?;
    Ok(())
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        202 => "Accepted",
        302 => "Found",
        404 => "Not Found",
        405 => "Method Not Allowed",
        _ => "Internal Server Error",
    }
}
