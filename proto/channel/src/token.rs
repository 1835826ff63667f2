//! The join token: what a new agent needs to enrol, in one line of text.
//!
//! `cutover-join-v1.<base64url>` holds the token's id, a 256-bit secret, the coordinator's address and the
//! CA certificate, so that the agent trusts exactly the authority that made the token, from the first byte
//! on. A check sum tells a line that was cut or mistyped from one that is refused.

mod parts;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use secrecy::SecretString;
use zeroize::Zeroizing;

use parts::{ID_LEN, SECRET_LEN};
pub use parts::{TokenId, TokenPartError, TokenSecret};

const PREFIX: &str = "cutover-join-v1.";
const FAMILY: &str = "cutover-join-";
const CHECK_LEN: usize = 4;
/// Far above any token of ours; keeps a wrong file from being read as one.
const TEXT_MAX: usize = 16 * 1024;

/// A token in clear: shown once, then only on its way to the agent.
pub struct JoinToken {
    id: TokenId,
    secret: TokenSecret,
    coordinator: String,
    ca_der: Vec<u8>,
}

impl JoinToken {
    /// Puts a token together.
    ///
    /// # Errors
    /// When the address is empty or longer than 255 bytes, or `ca_der` is no certificate.
    pub fn new(
        id: TokenId,
        secret: TokenSecret,
        coordinator: impl Into<String>,
        ca_der: impl Into<Vec<u8>>,
    ) -> Result<Self, TokenError> {
        let token = Self {
            id,
            secret,
            coordinator: coordinator.into(),
            ca_der: ca_der.into(),
        };
        token.address_length()?;
        check_certificate(&token.ca_der)?;
        Ok(token)
    }

    /// Reads the text form; blanks and line ends around it are ignored.
    ///
    /// # Errors
    /// When it is not a token, of another version, or damaged.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let body = match text.strip_prefix(PREFIX) {
            Some(body) if text.len() <= TEXT_MAX => body,
            Some(_) => return Err(TokenError::Damaged),
            None if text.starts_with(FAMILY) => return Err(TokenError::Version),
            None => return Err(TokenError::NotAToken),
        };
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(body).map_err(|_| TokenError::Damaged)?);
        let (content, check) = bytes
            .len()
            .checked_sub(CHECK_LEN)
            .and_then(|at| bytes.split_at_checked(at))
            .ok_or(TokenError::Damaged)?;
        if check != &check_sum(content)[..] {
            return Err(TokenError::Damaged);
        }
        Self::from_content(content)
    }

    fn from_content(content: &[u8]) -> Result<Self, TokenError> {
        let (id, rest) = content.split_first_chunk::<ID_LEN>().ok_or(TokenError::Damaged)?;
        let (secret, rest) = rest
            .split_first_chunk::<SECRET_LEN>()
            .ok_or(TokenError::Damaged)?;
        let (length, rest) = rest.split_first().ok_or(TokenError::Damaged)?;
        let (address, ca_der) = rest
            .split_at_checked(usize::from(*length))
            .ok_or(TokenError::Damaged)?;
        let coordinator = std::str::from_utf8(address).map_err(|_| TokenError::Damaged)?;
        Self::new(
            TokenId::from_bytes(*id),
            TokenSecret::from_bytes(*secret),
            coordinator,
            ca_der,
        )
    }

    /// The text form. It opens the door to one node: show it once, store it nowhere.
    ///
    /// # Errors
    /// Never for a token made by [`JoinToken::new`] or [`JoinToken::parse`].
    pub fn to_text(&self) -> Result<SecretString, TokenError> {
        let mut content = Zeroizing::new(Vec::with_capacity(512 + self.ca_der.len()));
        content.extend_from_slice(self.id.as_bytes());
        content.extend_from_slice(self.secret.expose());
        content.push(self.address_length()?);
        content.extend_from_slice(self.coordinator.as_bytes());
        content.extend_from_slice(&self.ca_der);
        let check = check_sum(&content);
        content.extend_from_slice(&check);
        Ok(SecretString::from(format!(
            "{PREFIX}{}",
            URL_SAFE_NO_PAD.encode(&*content)
        )))
    }

    /// The token's public id.
    #[must_use]
    pub fn id(&self) -> TokenId {
        self.id
    }

    /// The token's secret.
    #[must_use]
    pub fn secret(&self) -> &TokenSecret {
        &self.secret
    }

    /// Where the coordinator listens (`host:port`), as far as the one who made the token knew.
    #[must_use]
    pub fn coordinator(&self) -> &str {
        &self.coordinator
    }

    /// The only authority an agent with this token trusts.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        crate::pem::encode_certificate(&self.ca_der)
    }

    /// SHA-256 of the CA certificate, for people to compare.
    #[must_use]
    pub fn ca_fingerprint(&self) -> String {
        hex::encode(digest(&SHA256, &self.ca_der))
    }

    fn address_length(&self) -> Result<u8, TokenError> {
        match u8::try_from(self.coordinator.len()) {
            Ok(length) if length > 0 => Ok(length),
            Ok(_) | Err(_) => Err(TokenError::Address),
        }
    }
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "join token {}", self.id)
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinToken")
            .field("id", &self.id)
            .field("coordinator", &self.coordinator)
            .field("ca", &self.ca_fingerprint())
            .finish_non_exhaustive()
    }
}

fn check_certificate(der: &[u8]) -> Result<(), TokenError> {
    match x509_parser::parse_x509_certificate(der) {
        Ok(([], _)) => Ok(()),
        Ok(_) | Err(_) => Err(TokenError::Certificate),
    }
}

fn check_sum(content: &[u8]) -> [u8; CHECK_LEN] {
    let whole = digest(&SHA256, content);
    let mut check = [0; CHECK_LEN];
    check.copy_from_slice(&whole.as_ref()[..CHECK_LEN]);
    check
}

/// Why a token cannot be used. No variant carries the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Some other text.
    #[error("this is not a join token; it begins with `{PREFIX}`, as `cutover node token` prints it")]
    NotAToken,
    /// A token of another version of Cutover.
    #[error("this join token is of another version; use the agent of the coordinator's version")]
    Version,
    /// Cut, mistyped or altered.
    #[error("the join token is damaged; copy the whole line again")]
    Damaged,
    /// The address does not fit.
    #[error("the coordinator's address must be 1 to 255 bytes long")]
    Address,
    /// The certificate inside is not one.
    #[error("the join token does not hold a CA certificate")]
    Certificate,
}

#[cfg(test)]
mod tests;
