//! SOAP 1.1 envelopes.

use anyhow::{Context as _, Result, bail};

use super::http::Response;
use crate::xml::{self, Element, escape};

const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// What an operation ends with.
pub(super) enum Reply {
    /// The elements inside the response element.
    Return(String),
    /// Nothing: the operation has no output message.
    Accepted,
}

/// Why an operation failed, in the words the client sees.
pub(super) struct Fault(pub(super) String);

impl From<anyhow::Error> for Fault {
    fn from(error: anyhow::Error) -> Self {
        Self(format!("{error:#}"))
    }
}

/// The element in the body of a request.
pub(super) fn operation(body: &[u8]) -> Result<Element> {
    let mut envelope = xml::parse(&xml::decode(body)?).context("the request is not XML")?;
    if envelope.name != "Envelope" || envelope.namespace != ENVELOPE {
        bail!("the request is not a SOAP 1.1 envelope");
    }
    let at = envelope
        .children
        .iter()
        .position(|child| child.name == "Body" && child.namespace == ENVELOPE);
    let mut body = envelope
        .children
        .swap_remove(at.context("the envelope has no Body")?);
    if body.children.is_empty() {
        bail!("the Body is empty");
    }
    Ok(body.children.swap_remove(0))
}

/// `<ns:name>text</ns:name>` for a response.
pub(super) fn element(name: &str, text: &str) -> String {
    format!("<ns:{name}>{}</ns:{name}>", escape(text))
}

/// A response with one `return` element.
pub(super) fn value(text: impl ToString) -> Reply {
    Reply::Return(element("return", &text.to_string()))
}

pub(super) fn respond(operation: &str, namespace: &str, result: Result<Reply, Fault>) -> Response {
    match result {
        Ok(Reply::Return(inner)) => envelope(
            200,
            &format!("<ns:{operation}Response xmlns:ns=\"{namespace}\">{inner}</ns:{operation}Response>"),
        ),
        Ok(Reply::Accepted) => Response::empty(202),
        Err(Fault(text)) => fault(&text),
    }
}

pub(super) fn fault(text: &str) -> Response {
    let text = escape(text);
    envelope(
        500,
        &format!(
            "<soapenv:Fault><faultcode>soapenv:Server</faultcode><faultstring>{text}</faultstring><detail/>\
             </soapenv:Fault>"
        ),
    )
}

fn envelope(status: u16, body: &str) -> Response {
    Response {
        status,
        headers: vec![("Content-Type", "text/xml;charset=UTF-8".to_owned())],
        body: format!(
            "<?xml version='1.0' encoding='UTF-8'?><soapenv:Envelope xmlns:soapenv=\"{ENVELOPE}\">\
             <soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
        ),
    }
}
