//! Which values of a configuration are secrets. What is not sure counts as one.

use cutover_proto::config::ShownValue;
use cutover_xmledit::{Document, Kept, Path};

use crate::facts::conf::without_password;
use crate::properties;

/// What stands in place of a secret in a text.
pub const MASK: &str = "***";
/// A value longer than this is cut where it is shown.
const VALUE_MAX: usize = 2 << 10;
/// An element longer than this is cut where it is shown.
const ELEMENT_MAX: usize = 8 << 10;

const INSIDE: [&str; 6] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "credential",
    "privatekey",
];
const AT_END: [&str; 5] = ["pass", "pwd", "token", "apikey", "accesskey"];
/// Endings of names that are about secrets and hold none.
const ABOUT: [&str; 9] = [
    "regex",
    "digest",
    "method",
    "errormsg",
    "provider",
    "alias",
    "enabled",
    "attribute",
    "bypass",
];

/// Whether a name is that of a secret.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let name = name.as_str();
    !ABOUT.iter().any(|end| name.ends_with(end))
        && (INSIDE.iter().any(|word| name.contains(word)) || AT_END.iter().any(|end| name.ends_with(end)))
}

/// Whether what stands at a path is a secret.
#[must_use]
pub fn is_secret_path(path: &Path) -> bool {
    path.words().into_iter().any(is_secret_name)
}

/// Whether a value at a secret's place is one: nobody's password is empty, `true` or `false`.
fn can_be_secret(value: &str) -> bool {
    !matches!(value, "" | "true" | "false")
}

/// A value of an XML file as it may be shown.
#[must_use]
pub fn shown(path: &Path, kept: &Kept) -> ShownValue {
    match kept {
        Kept::Vault(alias) => ShownValue::Vault(alias.clone()),
        Kept::Encrypted(_) => ShownValue::Encrypted,
        Kept::Plain(value) | Kept::Unresolved(value) => plain(is_secret_path(path), value),
    }
}

/// A value of a properties file as it may be shown.
#[must_use]
pub fn shown_property(file: &str, key: &str, value: &str) -> ShownValue {
    if is_cipher_text(file) {
        return if is_in_plain(value) {
            ShownValue::Hidden
        } else {
            ShownValue::Encrypted
        };
    }
    plain(
        is_secret_name(key) || key.rsplit('.').next().is_some_and(is_secret_name),
        value,
    )
}

/// Whether a file is Secure Vault's list of secrets.
#[must_use]
pub fn is_cipher_text(file: &str) -> bool {
    file.rsplit('/').next() == Some("cipher-text.properties")
}

/// Whether a value of `cipher-text.properties` is not encrypted yet: `alias=[plain]`.
#[must_use]
pub fn is_in_plain(value: &str) -> bool {
    value.trim().starts_with('[')
}

fn plain(secret: bool, value: &str) -> ShownValue {
    if secret && can_be_secret(value) {
        return ShownValue::Hidden;
    }
    ShownValue::Plain(cut(without_password(value), VALUE_MAX))
}

/// An element as it may be shown.
#[must_use]
pub fn shown_element(document: &Document, path: &Path) -> Option<ShownValue> {
    let hide = |at: &Path| match document.kept(at) {
        Ok(Some(Kept::Plain(value) | Kept::Unresolved(value))) => match plain(is_secret_path(at), &value) {
            ShownValue::Plain(shown) if shown == value => None,
            ShownValue::Plain(shown) => Some(shown),
            ShownValue::Hidden | ShownValue::Vault(_) | ShownValue::Encrypted => Some(MASK.to_owned()),
        },
        Ok(Some(Kept::Vault(_) | Kept::Encrypted(_))) => Some(MASK.to_owned()),
        Ok(None) | Err(_) => None,
    };
    Some(ShownValue::Plain(cut(document.shown(path, &hide)?, ELEMENT_MAX)))
}

fn cut(mut text: String, max: usize) -> String {
    if text.len() > max {
        let end = (0..=max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push_str(" … (cut)");
    }
    text
}

/// Every secret that a file holds, commented-out ones included: what a diff of it must not show.
#[must_use]
pub fn in_file(document: &Document, bytes: &[u8]) -> Vec<String> {
    let mut found: Vec<String> = document
        .leaves()
        .into_iter()
        // An alias is a name, and people need to see it.
        .filter(|leaf| leaf.path.attribute_name() != Some("secretAlias"))
        .filter_map(|leaf| {
            let value = leaf.value.ok()?;
            let secret =
                leaf.alias.is_some() || is_secret_path(&leaf.path) || without_password(&value) != value;
            secret.then_some(value)
        })
        .collect();
    let encrypted = document.encrypted().into_iter();
    found.extend(encrypted.filter_map(|path| document.text(&path).ok().flatten()));
    found.extend(in_markup(&String::from_utf8_lossy(bytes)));
    found.retain(|value| can_be_secret(value.trim()));
    found.sort();
    found.dedup();
    found
}

/// Values of tags that look like secrets, wherever they stand.
fn in_markup(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in text.split('<') {
        let Some((tag, content)) = part.split_once('>') else {
            continue;
        };
        let secret = tag
            .split(|c: char| c.is_whitespace() || "='\"/!-".contains(c))
            .any(is_secret_name);
        let mut name = "";
        for (index, piece) in tag.split(['"', '\'']).enumerate() {
            if index % 2 == 0 {
                name = piece
                    .trim_end_matches(['=', ' '])
                    .rsplit([' ', '\t', '\n', ':'])
                    .next()
                    .unwrap_or_default();
            } else if is_secret_name(name) || (secret && name == "value") {
                found.push(piece.to_owned());
            }
        }
        if secret {
            found.push(content.trim().to_owned());
        }
    }
    found
}

/// The aliases that `cipher-text.properties` knows: those encrypted, and those still in plain.
#[must_use]
pub fn aliases(bytes: &[u8]) -> (Vec<String>, Vec<String>) {
    let all = properties::parse(bytes).into_iter();
    let known = all.filter(|(_, value)| !value.trim().is_empty());
    let (plain, encrypted): (Vec<_>, Vec<_>) = known.partition(|(_, value)| is_in_plain(value));
    let names = |entries: Vec<(String, String)>| {
        let mut names: Vec<String> = entries.into_iter().map(|(alias, _)| alias).collect();
        names.sort();
        names
    };
    (names(encrypted), names(plain))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("/a/password", true; "an element")]
    #[test_case("/a/Property[@name='ConnectionPassword']", true; "a property by its name")]
    #[test_case("/a/property[@name='password']/@value", true; "its value")]
    #[test_case("/a/Connector[@scheme='https']/@keystorePass", true; "an attribute")]
    #[test_case("/a/Password/Value", true; "within one")]
    #[test_case("/a/property[@name='openjpa.ConnectionPwd']", true; "short")]
    #[test_case("/a/Property[@name='PasswordJavaRegEx']", false; "a rule for passwords")]
    #[test_case("/a/Property[@name='PasswordDigest']", false; "an algorithm")]
    #[test_case("/a/datasource[name='PASSWORDS']/definition/url", false; "far above")]
    fn path_when_it_names_a_secret_then_known(path: &str, secret: bool) {
        assert_eq!(is_secret_path(&path.parse().unwrap()), secret);
    }

    #[test]
    fn value_when_secret_then_not_shown() {
        let path = |text: &str| text.parse::<Path>().unwrap();
        let kept = |text: &str| Kept::Plain(text.to_owned());
        assert_eq!(shown(&path("/a/password"), &kept("x")), ShownValue::Hidden);
        assert_eq!(
            shown(&path("/a/StorePassword"), &kept("true")),
            ShownValue::Plain("true".to_owned())
        );
        let url = shown(
            &path("/a/url"),
            &kept("jdbc:mysql://u:hunter2@db/X?password=hunter2"),
        );
        assert!(!format!("{url:?}").contains("hunter2"), "{url:?}");
        let file = "repository/conf/security/cipher-text.properties";
        assert_eq!(shown_property(file, "A", "[hunter2]"), ShownValue::Hidden);
        assert_eq!(shown_property(file, "A", "Zm9v"), ShownValue::Encrypted);
        assert_eq!(
            shown_property("x.properties", "log.password", "hunter2"),
            ShownValue::Hidden
        );
    }

    #[test]
    fn secrets_when_in_a_file_then_found_in_comments_too() {
        let text = "<a xmlns:s='u'><password>p-1</password><!-- <c><password>p-2</password> <K keystorePass=\"p-3\"/></c> -->\
                    <Property name='ConnectionPassword'>p-4</Property><url>jdbc:mysql://db/X?password=p-5</url><x>no</x></a>";
        let document = Document::parse(text.as_bytes()).unwrap();
        let found = in_file(&document, text.as_bytes()).join(" ");
        for secret in ["p-1", "p-2", "p-3", "p-4", "p-5"] {
            assert!(found.contains(secret), "{secret}: {found}");
        }
        assert!(!found.contains("no"));
        let vaulted = "<a xmlns:s='http://org.wso2.securevault/configuration'><password s:secretAlias='A'>x</password></a>";
        let document = Document::parse(vaulted.as_bytes()).unwrap();
        assert_eq!(in_file(&document, vaulted.as_bytes()), ["x"]);
        let shown = shown_element(&document, &"/a".parse().unwrap()).unwrap();
        assert!(!format!("{shown:?}").contains("p-"), "{shown:?}");
    }

    #[test]
    fn aliases_when_plain_or_encrypted_then_told_apart() {
        let (encrypted, plain) = aliases(b"# x\nB=Zm9v\nA=[secret]\nC=\n");
        assert_eq!((encrypted, plain), (vec!["B".to_owned()], vec!["A".to_owned()]));
    }
}
