//! Secret references and their values. A value is read when it is needed and never stored, logged or planned.

use cutover_proto::step::SecretRef;
use secrecy::SecretString;

/// Why a secret can't be had. Names the reference, never the value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file can't be read.
    #[error("secret `{reference}` can't be read on the coordinator's host")]
    Unreadable {
        /// The reference.
        reference: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file can be read by everybody.
    #[error("secret `{0}` can be read by every user of the coordinator's host; chmod it to 0600")]
    Exposed(String),
    /// The variable or credential is not there.
    #[error("secret `{0}` is not set for the coordinator")]
    Missing(String),
    /// The file holds more than one line.
    #[error("secret `{0}` has several lines; a password is one line")]
    SeveralLines(String),
    /// Not a reference.
    #[error("a secret reference must begin with file:/, env: or credential:")]
    NotAReference,
}

/// Whether a text is written as a reference to a secret.
#[must_use]
pub fn is_reference(text: &str) -> bool {
    ["file:/", "env:", "credential:"]
        .iter()
        .any(|prefix| text.starts_with(prefix))
}

/// Reads a secret. A trailing newline of a file is not part of it.
///
/// # Errors
/// [`SecretError`].
pub fn resolve(reference: &SecretRef) -> Result<SecretString, SecretError> {
    let text = reference.0.as_str();
    if let Some(path) = text.strip_prefix("file:") {
        return read_file(text, std::path::Path::new(path));
    }
    if let Some(name) = text.strip_prefix("env:") {
        return std::env::var(name)
            .map(SecretString::from)
            .map_err(|_| SecretError::Missing(text.to_owned()));
    }
    if let Some(name) = text.strip_prefix("credential:") {
        // systemd's LoadCredential=: files in a folder that only this service sees.
        let folder =
            std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| SecretError::Missing(text.to_owned()))?;
        if name.contains('/') {
            return Err(SecretError::NotAReference);
        }
        return read_file(text, &std::path::Path::new(&folder).join(name));
    }
    Err(SecretError::NotAReference)
}

fn read_file(reference: &str, path: &std::path::Path) -> Result<SecretString, SecretError> {
    use std::os::unix::fs::PermissionsExt;
    let unreadable = |source| SecretError::Unreadable {
        reference: reference.to_owned(),
        source,
    };
    let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode();
    if mode & 0o004 != 0 {
        return Err(SecretError::Exposed(reference.to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let value = text.trim_end_matches(['\n', '\r']);
    // A password is one line. A key file is not: this keeps our own keys out of anybody's configuration.
    if value.contains(['\n', '\r']) {
        return Err(SecretError::SeveralLines(reference.to_owned()));
    }
    Ok(SecretString::from(value.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn file_when_private_then_read_without_its_newline_and_when_open_to_all_then_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pw");
        std::fs::write(&path, "s3cret\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let reference = SecretRef(format!("file:{}", path.display()));
        assert_eq!(resolve(&reference).unwrap().expose_secret(), "s3cret");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(resolve(&reference), Err(SecretError::Exposed(_))));
    }

    #[test]
    fn file_when_it_holds_a_key_then_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.key");
        std::fs::write(
            &path,
            "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n",
        )
        .unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let reference = SecretRef(format!("file:{}", path.display()));
        assert!(matches!(resolve(&reference), Err(SecretError::SeveralLines(_))));
    }

    #[test]
    fn reference_when_not_one_then_value_is_not_repeated() {
        let error = resolve(&SecretRef("hunter2".into())).unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }
}
