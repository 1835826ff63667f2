//! Join tokens as the coordinator keeps them: what they allow, and a hash of their secret.

use std::collections::BTreeMap;
use std::fmt;
use std::hint::black_box;
use std::time::SystemTime;

use cutover_channel::token::{JoinToken, TokenError, TokenId, TokenSecret};
use cutover_channel::{NameError, Principal};
use rand::CryptoRng;
use serde::{Deserialize, Serialize};

/// What a token is to allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenGrant {
    /// Where the new agent finds the coordinator (`host:port`).
    pub coordinator: String,
    /// The only node that may use it; `None` lets the node choose its name.
    pub node_name: Option<String>,
    /// Labels the node gets when it joins.
    pub labels: BTreeMap<String, String>,
    /// When the token runs out.
    pub expires: SystemTime,
}

/// What the store keeps of a token. The secret cannot be got back from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// The token's public id.
    pub id: TokenId,
    /// SHA-256 of the secret.
    pub secret_sha256: SecretDigest,
    /// The only node that may use it.
    pub node_name: Option<String>,
    /// Labels the node gets when it joins.
    pub labels: BTreeMap<String, String>,
    /// When the token runs out.
    pub expires: SystemTime,
    /// When it was used: a token opens once.
    pub used: Option<SystemTime>,
}

impl TokenRecord {
    /// Makes a token that `grant` describes, for agents that are to trust `ca_der`, and its record.
    ///
    /// # Errors
    /// When the node's name, the address or the certificate is unusable.
    pub fn mint(
        rng: &mut impl CryptoRng,
        ca_der: &[u8],
        grant: TokenGrant,
    ) -> Result<(JoinToken, Self), TokenMintError> {
        let TokenGrant {
            coordinator,
            node_name,
            labels,
            expires,
        } = grant;
        if let Some(name) = &node_name {
            Principal::node(name)?;
        }
        let id = TokenId::from_bytes(random(rng));
        let secret = TokenSecret::from_bytes(random(rng));
        let secret_sha256 = SecretDigest(secret.sha256());
        let token = JoinToken::new(id, secret, coordinator, ca_der)?;
        Ok((
            token,
            Self {
                id,
                secret_sha256,
                node_name,
                labels,
                expires,
                used: None,
            },
        ))
    }

    /// Whether the holder of `secret` may enrol as `node` at `now`. The secret is checked first, so that
    /// nobody learns anything of a token without holding it.
    ///
    /// # Errors
    /// When it may not.
    pub fn verify(&self, secret: &TokenSecret, node: &str, now: SystemTime) -> Result<(), TokenRefusal> {
        if !self.secret_sha256.matches(secret) {
            return Err(TokenRefusal::Secret);
        }
        if self.used.is_some() {
            return Err(TokenRefusal::Used);
        }
        if now >= self.expires {
            return Err(TokenRefusal::Expired);
        }
        match &self.node_name {
            Some(only) if only != node => Err(TokenRefusal::OtherNode { only: only.clone() }),
            Some(_) | None => Ok(()),
        }
    }

    /// [`TokenRecord::verify`], after which the token is used up. Store the record together with the new
    /// node, in one transaction.
    ///
    /// # Errors
    /// When the token may not be used; the record is then unchanged.
    pub fn redeem(&mut self, secret: &TokenSecret, node: &str, now: SystemTime) -> Result<(), TokenRefusal> {
        self.verify(secret, node, now)?;
        self.used = Some(now);
        Ok(())
    }
}

fn random<const N: usize>(rng: &mut impl CryptoRng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// SHA-256 of a token's secret; 64 hexadecimal digits in text.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// A digest from its bytes, as a store reads it.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes, as a store writes it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// In time that does not depend on where the two differ.
    fn matches(&self, secret: &TokenSecret) -> bool {
        let presented = secret.sha256();
        let difference = self
            .0
            .iter()
            .zip(&presented)
            .fold(0_u8, |sum, (a, b)| black_box(sum | (a ^ b)));
        black_box(difference) == 0
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest(..)")
    }
}

impl TryFrom<String> for SecretDigest {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, hex::FromHexError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl From<SecretDigest> for String {
    fn from(digest: SecretDigest) -> Self {
        hex::encode(digest.0)
    }
}

/// Why no token was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenMintError {
    /// The node may not have this name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The address or the certificate does not fit into a token.
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// Why a token does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// Not the secret of this token.
    #[error("the join token's secret is wrong; make a new token")]
    Secret,
    /// Used before.
    #[error("the join token was used already; make a new one")]
    Used,
    /// Too late.
    #[error("the join token has run out; make a new one")]
    Expired,
    /// For another node.
    #[error("the join token is for node `{only}` only")]
    OtherNode {
        /// The node it is for.
        only: String,
    },
}

#[cfg(test)]
mod tests;
