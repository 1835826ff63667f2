//! Calls to Carbon's admin services: SOAP 1.1 over HTTPS with Basic authentication.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::http::{self, Answer, HttpError, Request};

/// An account on the server.
#[derive(Debug, Clone)]
pub struct Account {
    /// User name; a tenant's as `admin@foo.com`.
    pub user: String,
    /// Password.
    pub password: SecretString,
}

/// The admin services of one server.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Its https port.
    pub port: u16,
    /// Who calls.
    pub account: Account,
}

/// A call: service, operation, and the request's XML.
#[derive(Debug, Clone)]
pub struct Call {
    /// The service, for example `ServerAdmin`.
    pub service: &'static str,
    /// The operation, for example `getServerStatus`.
    pub operation: &'static str,
    /// Namespace of the operation's element.
    pub namespace: &'static str,
    /// What stands in that element.
    pub content: String,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The server was not reached.
    #[error("`{operation}` was not answered")]
    Http {
        /// The operation.
        operation: &'static str,
        /// Why.
        #[source]
        source: HttpError,
    },
    /// The account is wrong.
    #[error("`{operation}` was refused: the server does not accept the account")]
    Account {
        /// The operation.
        operation: &'static str,
    },
    /// The service answered with a fault.
    #[error("`{operation}` failed with HTTP status {status}: {fault}")]
    Fault {
        /// The operation.
        operation: &'static str,
        /// HTTP status.
        status: u16,
        /// What the fault says.
        fault: String,
    },
}

impl Admin {
    /// Makes a call. The answer's body may be empty: some operations have none.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call(&self, call: &Call, limit: Duration) -> Result<String, CallError> {
        let operation = call.operation;
        let body = envelope(call);
        let action = format!("\"urn:{operation}\"");
        let credentials = format!("{}:{}", self.account.user, self.account.password.expose_secret());
        let authorization = SecretString::from(format!("Basic {}", base64(credentials.as_bytes())));
        let request = Request {
            port: self.port,
            method: "POST",
            path: &format!("/services/{}", call.service),
            headers: &[
                ("Content-Type", "text/xml; charset=UTF-8"),
                ("SOAPAction", &action),
                ("Authorization", authorization.expose_secret()),
            ],
            body: &body,
            limit,
        };
        let answer = http::send(request).await;
        judge(
            operation,
            answer.map_err(|source| CallError::Http { operation, source })?,
        )
    }
}

fn judge(operation: &'static str, answer: Answer) -> Result<String, CallError> {
    let Answer { status, body } = answer;
    if status == 401 || status == 403 {
        return Err(CallError::Account { operation });
    }
    let fault = element(&body, "faultstring");
    if (200..300).contains(&status) && fault.is_none() {
        return Ok(body);
    }
    let fault = fault.unwrap_or_else(|| "no fault was told".to_owned());
    Err(CallError::Fault {
        operation,
        status,
        fault: super::log::mask(&fault),
    })
}

fn envelope(call: &Call) -> String {
    let Call {
        operation,
        namespace,
        content,
        ..
    } = call;
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:op=\"{namespace}\"><soapenv:Body>\
         <op:{operation}>{content}</op:{operation}></soapenv:Body></soapenv:Envelope>"
    )
}

/// Text as it stands between tags.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The texts of every element of this local name, in order.
#[must_use]
pub fn elements(xml: &str, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = xml;
    while let Some(at) = rest.find('<') {
        rest = rest.get(at + 1..).unwrap_or_default();
        let Some(end) = rest.find('>') else { break };
        let (tag, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        let full = tag.split([' ', '\t', '\r', '\n', '/']).next().unwrap_or_default();
        let local = full.rsplit(':').next().unwrap_or_default();
        if local != name || tag.starts_with('/') || tag.ends_with('/') {
            continue;
        }
        let text = rest.split('<').next().unwrap_or_default();
        found.push(unescape(text.trim()));
    }
    found
}

/// The text of the first element of this local name.
#[must_use]
pub fn element(xml: &str, name: &str) -> Option<String> {
    elements(xml, name).into_iter().next()
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let three = [chunk[0], *chunk.get(1).unwrap_or(&0), *chunk.get(2).unwrap_or(&0)];
        let number = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for place in 0..4 {
            if place <= chunk.len() {
                let digit = (number >> (18 - 6 * place)) & 63;
                text.push(char::from(DIGITS[digit as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_when_the_length_is_odd_then_padded() {
        for (plain, coded) in [
            ("", ""),
            ("a", "YQ=="),
            ("ab", "YWI="),
            ("abc", "YWJj"),
            ("admin:admin", "YWRtaW46YWRtaW4="),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn answer_when_it_holds_several_returns_then_all_read() {
        let xml = "<s:Envelope><s:Body><ns:r xmlns:ns=\"x\"><ns:return>A&amp;B</ns:return><ns:return type=\"y\">C</ns:return>\
                   <ns:return/></ns:r></s:Body></s:Envelope>";
        assert_eq!(elements(xml, "return"), ["A&B", "C"]);
        assert_eq!(element("<a", "a"), None);
    }

    #[test]
    fn answer_when_a_fault_then_an_error_with_its_words() {
        let body =
            "<soapenv:Fault><faultcode>x</faultcode><faultstring>no such store</faultstring></soapenv:Fault>";
        let answer = |status, body: &str| Answer {
            status,
            body: body.to_owned(),
        };
        let error = judge("op", answer(500, body)).unwrap_err();
        assert!(error.to_string().contains("no such store"));
        assert!(judge("op", answer(200, body)).is_err());
        assert!(matches!(
            judge("op", answer(401, "")),
            Err(CallError::Account { .. })
        ));
        assert_eq!(judge("op", answer(202, "")).unwrap(), "");
    }
}
