//! The key that signs the end of audit exports. Its public half goes into every operator profile.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use cutover_proto::audit::AuditHead;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};

/// The signing key.
#[derive(Debug)]
pub struct AuditKey(Ed25519KeyPair);

/// Why the key can't be had.
#[derive(Debug, thiserror::Error)]
pub enum AuditKeyError {
    /// The file can't be read or written.
    #[error("failed to use the audit key {path}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It holds no key.
    #[error("{0} holds no Ed25519 key; restore it from your backup: without it no export can be signed")]
    Unusable(String),
}

impl AuditKey {
    /// Reads the key, making it (mode 0600) when there is none.
    ///
    /// # Errors
    /// [`AuditKeyError`].
    pub fn load_or_create(path: &Path) -> Result<Self, AuditKeyError> {
        let name = path.display().to_string();
        let io = |source| AuditKeyError::Io {
            path: name.clone(),
            source,
        };
        if !path.exists() {
            let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
                .map_err(|_| AuditKeyError::Unusable(name.clone()))?;
            let temporary = path.with_extension("new");
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&temporary)
                .map_err(io)?;
            file.write_all(document.as_ref())
                .and_then(|()| file.sync_all())
                .map_err(io)?;
            std::fs::rename(&temporary, path).map_err(io)?;
        }
        let bytes = std::fs::read(path).map_err(io)?;
        Ed25519KeyPair::from_pkcs8(&bytes)
            .map(Self)
            .map_err(|_| AuditKeyError::Unusable(name))
    }

    /// The public key, hex.
    #[must_use]
    pub fn public_hex(&self) -> String {
        hex::encode(self.0.public_key().as_ref())
    }

    /// Signs the end of a trail.
    #[must_use]
    pub fn sign(&self, last: u64, hash: &str, at: &str) -> AuditHead {
        let signature = hex::encode(self.0.sign(&AuditHead::message(last, hash, at)));
        AuditHead {
            last,
            hash: hash.to_owned(),
            at: at.to_owned(),
            signature,
        }
    }
}
