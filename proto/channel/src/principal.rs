//! Who is at the other end: the name a certificate carries.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// Longest name of a node or operator; also the longest common name X.509 allows.
const NAME_MAX: usize = 64;

/// Who a certificate speaks for. Its text form is the certificate's URI name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Principal {
    /// `cutover:node:<name>`
    Node(String),
    /// `cutover:operator:<name>`
    Operator(String),
    /// `cutover:coordinator`
    Coordinator,
}

impl Principal {
    /// The node `name`.
    ///
    /// # Errors
    /// When `name` is not one to 64 letters, digits, `.`, `_` or `-` that begin with a letter or digit.
    pub fn node(name: &str) -> Result<Self, NameError> {
        check_name(name, false)?;
        Ok(Self::Node(name.to_owned()))
    }

    /// The operator `name`; an e-mail address is allowed.
    ///
    /// # Errors
    /// When `name` is not one to 64 letters, digits, `.`, `_`, `-` or `@` that begin with a letter or digit.
    pub fn operator(name: &str) -> Result<Self, NameError> {
        check_name(name, true)?;
        Ok(Self::Operator(name.to_owned()))
    }

    /// The name of the node or operator, or the coordinator's fixed name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Node(name) | Self::Operator(name) => name,
            Self::Coordinator => crate::COORDINATOR_NAME,
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(name) => write!(f, "cutover:node:{name}"),
            Self::Operator(name) => write!(f, "cutover:operator:{name}"),
            Self::Coordinator => f.write_str("cutover:coordinator"),
        }
    }
}

impl FromStr for Principal {
    type Err = PrincipalError;

    fn from_str(uri: &str) -> Result<Self, PrincipalError> {
        if uri == "cutover:coordinator" {
            return Ok(Self::Coordinator);
        }
        if let Some(name) = uri.strip_prefix("cutover:node:") {
            return Ok(Self::node(name)?);
        }
        if let Some(name) = uri.strip_prefix("cutover:operator:") {
            return Ok(Self::operator(name)?);
        }
        Err(PrincipalError::Unknown { uri: uri.to_owned() })
    }
}

fn check_name(name: &str, at_sign: bool) -> Result<(), NameError> {
    let shown = || name.chars().take(NAME_MAX).flat_map(char::escape_debug).collect();
    let allowed =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') || (at_sign && c == '@');
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !begins_well || name.len() > NAME_MAX || !name.chars().all(allowed) {
        return Err(NameError { name: shown() });
    }
    Ok(())
}

/// A name that no certificate may carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` is not a usable name: take 1 to {NAME_MAX} of A-Z a-z 0-9 . _ - (and @ for an operator), \
     beginning with a letter or digit"
)]
pub struct NameError {
    /// The name as given, cut to the longest allowed length, with control characters escaped.
    pub name: String,
}

/// A URI that names no principal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrincipalError {
    /// Neither node, operator nor coordinator.
    #[error("`{uri}` names neither a node, an operator nor the coordinator")]
    Unknown {
        /// The URI as found.
        uri: String,
    },
    /// The name inside the URI is not allowed.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// The verified certificate of the other end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PeerIdentity {
    /// An agent.
    Node {
        /// The node's name.
        name: String,
        /// The certificate's serial number, lower-case hexadecimal.
        serial: String,
    },
    /// A person or a pipeline with an operator certificate.
    Operator {
        /// The operator's name.
        name: String,
        /// The certificate's serial number, lower-case hexadecimal.
        serial: String,
    },
    /// The coordinator's own certificate.
    Coordinator,
}

impl PeerIdentity {
    pub(crate) fn new(principal: Principal, serial: String) -> Self {
        match principal {
            Principal::Node(name) => Self::Node { name, serial },
            Principal::Operator(name) => Self::Operator { name, serial },
            Principal::Coordinator => Self::Coordinator,
        }
    }
}

/// Who sent a request, and from where: in a handler, `request.extensions().get::<Peer>()`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Peer {
    /// The address the connection came from.
    pub address: SocketAddr,
    /// The verified identity; `None` when the client gave no certificate, which is right for enrolment only.
    pub identity: Option<PeerIdentity>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principal_when_written_then_reads_back() {
        for principal in [
            Principal::node("carbon-1.example.org").unwrap(),
            Principal::operator("alice@example.org").unwrap(),
            Principal::Coordinator,
        ] {
            assert_eq!(principal.to_string().parse::<Principal>().unwrap(), principal);
        }
    }

    #[test]
    fn uri_with_another_meaning_is_refused() {
        for uri in [
            "cutover:node:",
            "cutover:root:a",
            "cutover:node:a:b",
            "cutover:node:a@b",
            "http://a",
            "",
        ] {
            assert!(uri.parse::<Principal>().is_err(), "{uri}");
        }
    }

    #[test]
    fn name_at_the_limits() {
        assert!(Principal::node(&"a".repeat(64)).is_ok());
        for name in ["", "-a", ".a", "a b", "a/b", "é", "a\n", &"a".repeat(65)] {
            assert!(Principal::node(name).is_err(), "{name:?}");
        }
        assert!(
            !Principal::node("a\nforged log line")
                .unwrap_err()
                .to_string()
                .contains('\n')
        );
    }
}
