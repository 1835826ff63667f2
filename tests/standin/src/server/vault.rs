//! The secret vault: aliases in place of passwords, and the keystore password it is opened with.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What `svns:secretAlias` resolves to.
#[derive(Default)]
pub(crate) struct Vault {
    secrets: Option<BTreeMap<String, String>>,
}

impl Vault {
    /// Opens the vault when the home has it switched on, which takes the keystore password from its file.
    pub(crate) fn open(home: &Path) -> Result<Self> {
        let security = home.join("repository/conf/security");
        let switches = properties(&security.join("secret-conf.properties"))?;
        if !switches.contains_key("carbon.secretProvider") {
            return Ok(Self::default());
        }
        keystore_password(home)?;
        let mut secrets = BTreeMap::new();
        for (alias, value) in properties(&security.join("cipher-text.properties"))? {
            let plain = match value.strip_prefix('[').and_then(|value| value.strip_suffix(']')) {
                Some(plain) => plain.to_owned(),
                None => decipher(&value).with_context(|| format!("decrypt the secret {alias}"))?,
            };
            secrets.insert(alias, plain);
        }
        Ok(Self {
            secrets: Some(secrets),
        })
    }

    /// The secret of an alias. With the vault off an alias stands for itself, so the login then fails.
    pub(crate) fn resolve(&self, alias: &str) -> String {
        let secret = self.secrets.as_ref().and_then(|secrets| secrets.get(alias));
        secret.cloned().unwrap_or_else(|| alias.to_owned())
    }
}

/// The stand-in's cipher is no cipher: what the tests need is that text and plain text differ.
fn decipher(value: &str) -> Result<String> {
    Ok(String::from_utf8(STANDARD.decode(value)?)?)
}

/// `password` is renamed when it was read once, and deleted when it was read twice; `password-persist` stays.
fn keystore_password(home: &Path) -> Result<String> {
    let (first, second, kept) = (
        home.join("password"),
        home.join("password-tmp"),
        home.join("password-persist"),
    );
    if kept.exists() {
        return Ok(fs::read_to_string(kept)?);
    }
    if first.exists() {
        let password = fs::read_to_string(&first)?;
        fs::rename(first, second)?;
        return Ok(password);
    }
    if second.exists() {
        let password = fs::read_to_string(&second)?;
        fs::write(&second, vec![b' '; password.len()])?;
        fs::remove_file(second)?;
        return Ok(password);
    }
    bail!("the keystore password is not given and there is no console to ask for it")
}

fn properties(file: &Path) -> Result<BTreeMap<String, String>> {
    if !file.exists() {
        return Ok(BTreeMap::new());
    }
    let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with(['#', '!']));
    Ok(lines
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(switches: &str) -> tempfile::TempDir {
        let home = tempfile::tempdir().expect("a folder");
        let security = home.path().join("repository/conf/security");
        fs::create_dir_all(&security).expect("folders");
        fs::write(security.join("secret-conf.properties"), switches).expect("written");
        fs::write(security.join("cipher-text.properties"), "A=[plain]\nB=c2VjcmV0\n").expect("written");
        home
    }

    #[test]
    fn an_alias_stands_for_itself_when_the_vault_is_off() {
        let home = home("#carbon.secretProvider=x\n");
        assert_eq!(Vault::open(home.path()).expect("opens").resolve("A"), "A");
    }

    #[test]
    fn the_password_file_lasts_for_two_starts() {
        let home = home("carbon.secretProvider=x\n");
        assert!(Vault::open(home.path()).is_err());
        fs::write(home.path().join("password"), "keystore").expect("written");
        for expected_left in [true, false] {
            let vault = Vault::open(home.path()).expect("opens");
            assert_eq!(
                (vault.resolve("A").as_str(), vault.resolve("B").as_str()),
                ("plain", "secret")
            );
            assert!(!home.path().join("password").exists());
            assert_eq!(home.path().join("password-tmp").exists(), expected_left);
        }
        assert!(Vault::open(home.path()).is_err());
    }
}
