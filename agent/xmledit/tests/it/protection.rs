//! What Secure Vault or the primary keystore keeps is not overwritten.

use crate::support::{document, path, text_of};
use cutover_xmledit::{EditError, NewElement};
use test_case::test_case;

const VAULT: &str = "xmlns:svns='http://org.wso2.securevault/configuration'";

#[test]
fn set_when_secret_alias_then_protected() {
    let text =
        format!("<a {VAULT}>\n<password svns:secretAlias='Db.Password'>password</password><url>u</url></a>");
    let mut edited = document(&text);
    let at = path("/a/password");
    assert_eq!(edited.secret_alias(&at).as_deref(), Some("Db.Password"));
    let error = edited.set(&at, "x").unwrap_err();
    assert_eq!(
        error,
        EditError::Protected {
            path: at.clone(),
            line: 2,
            alias: "Db.Password".to_owned()
        }
    );
    assert!(error.to_string().contains("cipher-text.properties"), "{error}");
    // The same value, and the way round by ensure, are refused as well.
    assert!(matches!(
        edited.set(&at, "password"),
        Err(EditError::Protected { .. })
    ));
    assert!(matches!(
        edited.ensure(&at, "x"),
        Err(EditError::Protected { .. })
    ));
    assert!(matches!(
        edited.set(&path("/a/password/@secretAlias"), ""),
        Err(EditError::Protected { .. })
    ));
    assert_eq!(text_of(&edited), text);
    assert_eq!(edited.secret_alias(&path("/a/url")), None);
    assert!(edited.set(&path("/a/url"), "v").is_ok());
}

#[test_case("<a><b s:secretAlias='x'/></a>", Some("x"); "unbound prefix counts")]
#[test_case("<a xmlns:s='urn:other'><b s:secretAlias='x'/></a>", None; "another namespace does not")]
#[test_case("<a><b secretAlias='x'/></a>", None; "no namespace does not")]
#[test_case("<a><b xmlns:v='http://org.wso2.securevault/configuration' v:secretAlias='x&amp;y'/></a>", Some("x&y"); "any prefix")]
#[test_case("<a><!-- <b s:secretAlias='x'/> --><b/></a>", None; "commented out")]
fn secret_alias_when_asked_then_by_namespace(text: &str, alias: Option<&str>) {
    assert_eq!(document(text).secret_alias(&path("/a/b")).as_deref(), alias);
}

#[test]
fn set_when_connector_has_alias_then_only_its_password_is_protected() {
    let text = format!(
        "<Server {VAULT}><Connector port='9443' keystorePass='wso2carbon' keystoreFile='x' \
         svns:secretAlias='Server.Service.Connector.keystorePass'/></Server>"
    );
    let mut edited = document(&text);
    assert!(edited.set(&path("/Server/Connector/@port"), "9444").is_ok());
    assert!(edited.set(&path("/Server/Connector/@keystoreFile"), "y").is_ok());
    let protected = edited.set(&path("/Server/Connector/@keystorePass"), "plain");
    assert!(matches!(protected, Err(EditError::Protected { .. })));
}

#[test]
fn set_when_alias_names_no_attribute_then_passwords_are_protected() {
    let mut edited = document(&format!(
        "<a {VAULT} port='1' keystorePass='x' svns:secretAlias='mine'/>"
    ));
    assert!(edited.set(&path("/a/@port"), "2").is_ok());
    assert!(matches!(
        edited.set(&path("/a/@keystorePass"), "y"),
        Err(EditError::Protected { .. })
    ));
}

#[test]
fn ensure_when_alias_is_for_the_missing_attribute_then_protected() {
    let mut edited = document(&format!("<a {VAULT} svns:secretAlias='A.keystorePass'/>"));
    assert!(matches!(
        edited.ensure(&path("/a/@keystorePass"), "y"),
        Err(EditError::Protected { .. })
    ));
    assert!(edited.ensure(&path("/a/@port"), "1").is_ok());
    let mut edited = document(&format!("<a {VAULT} svns:secretAlias='mine'/>"));
    assert!(matches!(
        edited.ensure(&path("/a/@keystorePass"), "y"),
        Err(EditError::Protected { .. })
    ));
}

#[test]
fn insert_when_parent_is_protected_then_refused() {
    let mut edited = document(&format!("<a {VAULT}><b svns:secretAlias='x'/></a>"));
    let refused = edited.insert(&path("/a/b"), &NewElement::new("c"));
    assert!(matches!(refused, Err(EditError::Protected { .. })));
}

#[test]
fn set_when_encrypted_then_refused() {
    let text = "<a><p name='password' encrypted='true'>AbC=</p><p name='url' encrypted='false'>u</p></a>";
    let mut edited = document(text);
    let at = path("/a/p[@name='password']");
    assert_eq!(
        edited.set(&at, "x"),
        Err(EditError::Encrypted { path: at, line: 1 })
    );
    assert!(edited.set(&path("/a/p[@name='url']"), "v").is_ok());
}

#[test]
fn leaves_tell_the_alias() {
    let document = document(&format!("<a {VAULT}><b svns:secretAlias='x'>1</b><c>2</c></a>"));
    let aliases: Vec<_> = document
        .leaves()
        .into_iter()
        .map(|leaf| (leaf.path.to_string(), leaf.alias))
        .collect();
    let alias = Some("x".to_owned());
    assert_eq!(
        aliases,
        [
            ("/a/b/@secretAlias".into(), alias.clone()),
            ("/a/b".into(), alias),
            ("/a/c".into(), None)
        ]
    );
}
