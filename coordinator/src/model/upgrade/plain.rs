//! Secrets in values of the site: one that is written into the upgrade file would stand in the plan and in the audit
//! trail. What is not sure counts as one.

use std::collections::BTreeMap;

use crate::model::reader::{Findings, Section};

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

const REMEDY: &str =
    "put the value into a file that only the coordinator reads and write \"file:/PATH\" in its place";

/// Refuses each value that is a secret or holds one. No value is repeated.
pub(super) fn secrets(section: &Section<'_>, findings: &mut Findings<'_>, set: &BTreeMap<String, String>) {
    for (path, value) in set {
        if crate::secrets::is_reference(value) {
            continue;
        }
        let what = if is_secret_path(path) && !matches!(value.trim(), "" | "true" | "false") {
            format!("`{path}` looks like a secret, and its value stands in the file")
        } else if has_credentials(value) {
            format!("the value of `{path}` holds the credentials of an account, and stands in the file")
        } else {
            continue;
        };
        findings.error(&section.span_of("set"), "plain-secret", what, REMEDY);
    }
}

/// Whether any word of a path is that of a secret: the value's own name may say no more than `Value`.
fn is_secret_path(path: &str) -> bool {
    let mut words = path.split(|c: char| "/[]='\"@{}:".contains(c));
    words.any(is_secret_name)
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    !ABOUT.iter().any(|end| name.ends_with(end))
        && (INSIDE.iter().any(|word| name.contains(word)) || AT_END.iter().any(|end| name.ends_with(end)))
}

/// Whether a URL has a password before its host or among its parameters.
fn has_credentials(value: &str) -> bool {
    let in_authority = value.split("//").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', ';']).next().unwrap_or_default();
        authority
            .rsplit_once('@')
            .is_some_and(|(user, _)| user.contains(':'))
    });
    let parameters = value.split(['?', '&', ';', ',', '(', ')']).skip(1);
    let in_parameter = |parameter: &str| {
        let named = parameter.split_once('=');
        named.is_some_and(|(name, value)| {
            is_secret_name(name.trim()) && !matches!(value, "" | "true" | "false")
        })
    };
    in_authority || parameters.into_iter().any(in_parameter)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("/a/Security/KeyStore/Password", true; "an element")]
    #[test_case("/p/properties/property[@name='openjpa.ConnectionPassword']/@value", true; "a property's value")]
    #[test_case("/beans/property[@name='password']/value", true; "within a property")]
    #[test_case("/a/Password/Value", true; "within an element")]
    #[test_case("/a/Connector/@truststorePass", true; "an attribute")]
    #[test_case("/a/pwd", true; "short")]
    #[test_case("/a/OAuth/AccessToken", true; "a token")]
    #[test_case("/a/Passphrase", true; "a phrase")]
    #[test_case("/a/UserCredentials/x", true; "credentials")]
    #[test_case("/a/Property[@name='PasswordDigest']", false; "an algorithm")]
    #[test_case("/Server/HostName", false; "a host")]
    fn path_when_it_names_a_secret_then_known(path: &str, secret: bool) {
        assert_eq!(is_secret_path(path), secret);
    }

    #[test_case("jdbc:mysql://db1/X?user=a&password=b", true; "a parameter")]
    #[test_case("jdbc:mysql://u:p@db1/X", true; "before the host")]
    #[test_case("jdbc:mysql://db1/X?trustCertificateKeyStorePassword=b", true; "of a key store")]
    #[test_case("jdbc:mysql://u@db1:3306/X?useSSL=true", false; "an account alone")]
    #[test_case("https://dss.example.com:9443/carbon", false; "no account")]
    fn value_when_a_url_with_credentials_then_known(value: &str, secret: bool) {
        assert_eq!(has_credentials(value), secret);
    }
}
