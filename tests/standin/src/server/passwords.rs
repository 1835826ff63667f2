//! How the JDBC user store keeps passwords: base64 of SHA-256 over password and salt.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

pub(super) fn hash(password: &str, salt: &str) -> String {
    STANDARD.encode(Sha256::digest(format!("{password}{salt}")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn hashes_as_the_sample_rows_do() {
        let expected = "Y2AVE5rdYaiq+6POQzym9lNnzw+exhsEGLLr0u/3sz8=";
        assert_eq!(super::hash("admin", "salt0"), expected);
    }
}
