//! What can go wrong with the authority.

use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use cutover_channel::{CertificateError, NameError};

/// Why there is no certificate authority. No variant carries key material.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// There is one already.
    #[error("`{path}` exists already; a CA is never overwritten, for every agent trusts the old one")]
    Exists {
        /// The file in the way.
        path: PathBuf,
    },
    /// A file is missing.
    #[error("`{path}` is missing; restore it from a backup, or create the CA if there was none")]
    Missing {
        /// The missing file.
        path: PathBuf,
    },
    /// A file or the directory cannot be read or written.
    #[error("cannot {action} `{path}`")]
    File {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Others than the owner can get at the key.
    #[error("`{path}` is open to others (mode {mode:04o}); set mode 0600, and replace the CA if it was read")]
    KeyExposed {
        /// The key file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The key file is not a key. The reader's error is left out: it can quote the key.
    #[error("`{path}` is not an ECDSA P-256 private key; restore it from a backup")]
    Key {
        /// The key file.
        path: PathBuf,
    },
    /// The certificate file is not the certificate of a CA.
    #[error("`{path}` is not the certificate of a CA; restore it from a backup")]
    Certificate {
        /// The certificate file.
        path: PathBuf,
    },
    /// The two files do not belong together.
    #[error("`{path}` does not belong to the CA's key; restore both files from the same backup")]
    Mismatch {
        /// The certificate file.
        path: PathBuf,
    },
    /// No key or certificate could be made.
    #[error("cannot generate the CA")]
    Generate(#[source] rcgen::Error),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random(#[source] rand::rand_core::OsError),
}

/// Why a certificate was not issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// Nobody may have this name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A name for the coordinator that no certificate can carry.
    #[error("`{name}` is neither a DNS name nor an IP address")]
    HostName {
        /// The name as given.
        name: String,
    },
    /// The request is unusable.
    #[error("the certificate signing request is refused")]
    Request(#[from] RequestError),
    /// The authority itself has run out.
    #[error("the CA ran out at {not_after:?}; create a new one and enrol every node again")]
    CaExpired {
        /// When it ran out.
        not_after: SystemTime,
    },
    /// A life of nothing.
    #[error("a certificate must hold for at least one second")]
    NoLife,
    /// Signing failed.
    #[error("cannot sign the certificate")]
    Sign(#[source] rcgen::Error),
    /// What was signed cannot be read back.
    #[error("the signed certificate cannot be read back")]
    ReadBack(#[source] CertificateError),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random(#[source] rand::rand_core::OsError),
}

/// Why a certificate signing request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Longer than any honest request.
    #[error("it is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// Not PEM, or not a request.
    #[error("it is not a PEM certificate signing request")]
    Malformed,
    /// Whoever sent it does not hold the key.
    #[error("its signature does not match its key")]
    Signature,
    /// A key that is weak or of an unknown kind.
    #[error("its key is of another kind than ECDSA P-256, ECDSA P-384 or Ed25519")]
    KeyKind,
}
