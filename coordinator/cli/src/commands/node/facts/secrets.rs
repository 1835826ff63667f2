//! How a home keeps its secrets, as people read it.

use cutover_proto::facts::{CipherPaths, HomeFacts, KeystoreFacts};

/// One line for each way in which the home keeps secrets.
pub(super) fn lines(home: &HomeFacts) -> Vec<String> {
    let secrets = &home.secrets;
    let mut lines = Vec::new();
    if home.secure_vault {
        lines.push("Secure Vault is set up".to_owned());
    }
    let mut list = |what: &str, all: &[String]| {
        if !all.is_empty() {
            lines.push(format!("{what}: {}", all.join(", ")));
        }
    };
    list("kept by Secure Vault", &secrets.protected);
    list("encrypted in place", &secrets.encrypted);
    // A stock home lists aliases that it does not use.
    if home.secure_vault {
        list("aliases", &secrets.aliases);
        list("aliases not encrypted yet", &secrets.plain_aliases);
        let paths = secrets.cipher_paths.map(|paths| match paths {
            CipherPaths::FileName => "file names".to_owned(),
            CipherPaths::FromHome => "paths from the home".to_owned(),
        });
        list("cipher-tool.properties writes", paths.as_slice());
    }
    list("key store password in", &secrets.password_files);
    lines
}

/// A key store with as much of its hash as tells two apart.
pub(super) fn keystore(keystore: &KeystoreFacts) -> String {
    let hash = match &keystore.sha256 {
        Some(hash) => hash.as_str().chars().take(12).collect(),
        None => "not in the home".to_owned(),
    };
    format!("{} ({}, {hash})", keystore.file, keystore.role)
}
