//! The id and the secret of a join token.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub(super) const ID_LEN: usize = 16;
pub(super) const SECRET_LEN: usize = 32;

/// Which token: public, 32 hexadecimal digits in text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId([u8; ID_LEN]);

impl TokenId {
    /// An id from its bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; ID_LEN]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; ID_LEN] {
        &self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenId({self})")
    }
}

impl FromStr for TokenId {
    type Err = TokenPartError;

    fn from_str(text: &str) -> Result<Self, TokenPartError> {
        let mut bytes = [0; ID_LEN];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| TokenPartError::Id)?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for TokenId {
    type Error = TokenPartError;

    fn try_from(text: String) -> Result<Self, TokenPartError> {
        text.parse()
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> Self {
        id.to_string()
    }
}

/// What proves that the holder was given the token: 256 random bits, never shown by `Debug`.
pub struct TokenSecret(SecretBox<[u8; SECRET_LEN]>);

impl TokenSecret {
    /// A secret from its bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; SECRET_LEN]) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }

    /// Its SHA-256: all that a store keeps of it. The secret is random, so no slow hash is needed.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, self.expose()).as_ref());
        hash
    }

    /// Its text for the enrolment request (base64url); [`FromStr`] reads it.
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        SecretString::from(URL_SAFE_NO_PAD.encode(self.expose()))
    }

    pub(super) fn expose(&self) -> &[u8; SECRET_LEN] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret([REDACTED])")
    }
}

impl FromStr for TokenSecret {
    type Err = TokenPartError;

    fn from_str(text: &str) -> Result<Self, TokenPartError> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenPartError::Secret)?);
        let bytes = <[u8; SECRET_LEN]>::try_from(bytes.as_slice()).map_err(|_| TokenPartError::Secret)?;
        Ok(Self::from_bytes(bytes))
    }
}

/// A part of a token that cannot be read. It does not quote the part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenPartError {
    /// The id.
    #[error("the token's id is not 32 hexadecimal digits")]
    Id,
    /// The secret.
    #[error("the token's secret is malformed")]
    Secret,
}
