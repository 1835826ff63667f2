//! The one cryptography provider of the process: ring.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// Makes ring the process-wide provider. Call it first in `main`; calling it again changes nothing.
///
/// This package names its provider explicitly; the default matters to libraries that do not, such as
/// database drivers.
pub fn install_provider() {
    // An error says that a provider is installed already, which is what is wanted.
    rustls::crypto::ring::default_provider().install_default().ok();
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
