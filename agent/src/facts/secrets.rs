//! How a home keeps its secrets. Values are looked at and never told.

use std::path::Path;

use cutover_files::Root;
use cutover_proto::facts::{CipherPaths, SecretFacts};
use cutover_xmledit::Document;

use super::{conf, keystores};
use crate::properties;
use crate::secret;
use crate::service::inside::Inside;

const SECURITY: &str = "repository/conf/security";
const PASSWORD_FILES: [&str; 3] = ["password-persist", "password-tmp", "password"];
/// More than such a file ever has.
const MAX: u64 = 4 << 20;

/// What is found in a home; `config` are its configuration files, `stores` its secondary user stores.
pub(super) fn found(
    root: &Root,
    inside: &Inside,
    home: &Path,
    config: &[String],
    stores: &[String],
    problems: &mut Vec<String>,
) -> SecretFacts {
    let mut facts = SecretFacts::default();
    let mut read = |name: &str| {
        let file = format!("{SECURITY}/{name}");
        inside.read(&file, MAX).unwrap_or_else(|error| {
            problems.push(format!("{file}: {error}"));
            None
        })
    };
    if let Some(bytes) = read("cipher-text.properties") {
        (facts.aliases, facts.plain_aliases) = secret::aliases(&bytes);
    }
    facts.cipher_paths = read("cipher-tool.properties").and_then(|bytes| cipher_paths(&bytes));
    for file in config.iter().filter(|file| file.ends_with(".xml")).chain(stores) {
        match conf::document(root, file) {
            Ok(Some(document)) => marked(file, &document, &mut facts),
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
    }
    let there = |name: &&str| matches!(inside.metadata(name), Ok(Some(_)));
    facts.password_files = PASSWORD_FILES
        .iter()
        .filter(|name| there(name))
        .map(|name| (*name).to_owned())
        .collect();
    if let Ok(Some(carbon)) = conf::document(root, "repository/conf/carbon.xml") {
        facts.keystores = keystores::found(&carbon, inside, home);
    }
    facts
}

fn marked(file: &str, document: &Document, facts: &mut SecretFacts) {
    let vaulted = document.vaulted().into_iter();
    facts
        .protected
        .extend(vaulted.map(|(path, _)| format!("{file}: {path}")));
    let encrypted = document.encrypted().into_iter();
    facts
        .encrypted
        .extend(encrypted.map(|path| format!("{file}: {path}")));
}

/// How `cipher-tool.properties` names files; none when it names none.
fn cipher_paths(bytes: &[u8]) -> Option<CipherPaths> {
    let entries = properties::parse(bytes).into_iter();
    let mut files = entries
        .filter_map(|(_, value)| Some(value.split_once("//")?.0.trim().to_owned()))
        .peekable();
    files.peek()?;
    Some(if files.any(|file| file.starts_with("repository/")) {
        CipherPaths::FromHome
    } else {
        CipherPaths::FileName
    })
}

/// The secondary user stores of the super tenant and of every tenant.
pub(super) fn user_stores(inside: &Inside, problems: &mut Vec<String>) -> Vec<String> {
    let mut folders = vec!["repository/deployment/server/userstores".to_owned()];
    let tenants = inside.names("repository/tenants").unwrap_or_default();
    folders.extend(
        tenants
            .iter()
            .map(|tenant| format!("repository/tenants/{tenant}/userstores")),
    );
    let mut stores = Vec::new();
    for folder in folders {
        match inside.names(&folder) {
            Ok(names) => stores.extend(
                names
                    .into_iter()
                    .filter(|name| name.ends_with(".xml"))
                    .map(|name| format!("{folder}/{name}")),
            ),
            // A file among the tenants' folders has no user stores.
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {}
            Err(error) => problems.push(format!("{folder}: {error}")),
        }
    }
    stores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cipher_tool_when_read_then_its_way_of_naming_files() {
        let old = b"#X=repository/conf/a.xml//A,true\nA=user-mgt.xml//UserManager/X,true\n";
        assert_eq!(cipher_paths(old), Some(CipherPaths::FileName));
        let new = b"A=repository/conf/user-mgt.xml//UserManager/X,true\n";
        assert_eq!(cipher_paths(new), Some(CipherPaths::FromHome));
        assert_eq!(cipher_paths(b"# nothing\n"), None);
    }
}
