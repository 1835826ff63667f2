//! Where users are kept: the realm of `user-mgt.xml`, and user stores with a database of their own.

use cutover_files::Root;
use cutover_proto::facts::{DatabaseUse, NamedBy, NamedDatabase};
use cutover_xmledit::Document;

use super::conf;

pub(super) const USERS: &str = "repository/conf/user-mgt.xml";
const REALM: &str = "/UserManager/Realm/Configuration";
const PRIMARY: &str = "/UserManager/Realm/UserStoreManager";
const SECONDARY: &str = "/UserStoreManager";

/// The realm's data source; what else names a database of users goes to `named`.
pub(super) fn source(
    document: &Document,
    named: &mut Vec<NamedDatabase>,
    problems: &mut Vec<String>,
) -> Option<String> {
    own(USERS, document, PRIMARY, &DatabaseUse::PrimaryStore, named);
    match conf::one(document, &property(REALM, "dataSource")) {
        Ok(source) => Some(source),
        Err(why) => {
            let urls = conf::inline(document, &property(REALM, "url"));
            let inline = if urls.is_empty() {
                ""
            } else {
                ", and the database of users is named by an inline url"
            };
            problems.push(format!(
                "{USERS}: the realm's property `dataSource` {why}{inline}"
            ));
            named.extend(urls.into_iter().map(|url| NamedDatabase {
                file: USERS.to_owned(),
                used_for: DatabaseUse::Realm,
                by: NamedBy::Url(url),
            }));
            None
        }
    }
}

/// The databases of secondary user stores. A file that can't be read is told with the secrets.
pub(super) fn secondary(root: &Root, files: &[String]) -> Vec<NamedDatabase> {
    let mut named = Vec::new();
    for file in files {
        let Ok(Some(document)) = conf::document(root, file) else {
            continue;
        };
        let disabled = conf::values(&document, &property(SECONDARY, "Disabled"));
        if !disabled.iter().any(|value| value.eq_ignore_ascii_case("true")) {
            own(
                file,
                &document,
                SECONDARY,
                &DatabaseUse::SecondaryStore,
                &mut named,
            );
        }
    }
    named
}

/// A user store's own database: its data source, which goes before a URL.
fn own(file: &str, document: &Document, at: &str, used_for: &DatabaseUse, named: &mut Vec<NamedDatabase>) {
    let sources = conf::values(document, &property(at, "dataSource"));
    let by: Vec<NamedBy> = if sources.is_empty() {
        let urls = conf::inline(document, &property(at, "url"));
        urls.into_iter().map(NamedBy::Url).collect()
    } else {
        sources.into_iter().map(NamedBy::Jndi).collect()
    };
    named.extend(by.into_iter().map(|by| NamedDatabase {
        file: file.to_owned(),
        used_for: used_for.clone(),
        by,
    }));
}

fn property(at: &str, name: &str) -> String {
    format!("{at}/Property[@name='{name}']")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(realm: &str, store: &str) -> (Option<String>, Vec<NamedDatabase>, Vec<String>) {
        let text = format!(
            "<UserManager><Realm><Configuration>{realm}</Configuration><UserStoreManager class='x'>{store}\
             </UserStoreManager></Realm></UserManager>"
        );
        let document = Document::parse(text.as_bytes()).unwrap();
        let (mut named, mut problems) = (Vec::new(), Vec::new());
        let source = source(&document, &mut named, &mut problems);
        (source, named, problems)
    }

    #[test]
    fn users_when_the_data_source_occurs_twice_or_not_at_all_then_none_and_a_problem() {
        let one = "<Property name='dataSource'>jdbc/A</Property>";
        assert_eq!(look(one, ""), (Some("jdbc/A".into()), vec![], vec![]));
        for (realm, why) in [
            (format!("{one}{one}"), "is there 2 times"),
            (String::new(), "is missing"),
            ("<Property name='dataSource'/>".to_owned(), "has no value"),
        ] {
            let (source, named, problems) = look(&realm, "");
            assert_eq!((source, named), (None, vec![]), "{realm}");
            assert!(problems[0].contains(why), "{problems:?}");
        }
    }

    #[test]
    fn users_when_named_by_a_url_or_by_the_store_itself_then_told_without_the_password() {
        let (source, named, problems) = look(
            "<Property name='url'>jdbc:mysql://db/U?password=hunter2</Property>",
            "<Property name='dataSource'>jdbc/S</Property><Property name='url'>jdbc:mysql://db/T</Property>",
        );
        assert_eq!(source, None);
        assert!(problems[0].contains("inline url"), "{problems:?}");
        let found: Vec<_> = named.iter().map(|named| (&named.used_for, &named.by)).collect();
        assert_eq!(
            found,
            [
                (&DatabaseUse::PrimaryStore, &NamedBy::Jndi("jdbc/S".into())),
                (
                    &DatabaseUse::Realm,
                    &NamedBy::Url("jdbc:mysql://db/U?password=***".into())
                )
            ]
        );
    }

    #[test]
    fn secondary_stores_when_some_have_a_database_then_those_that_are_on() {
        let home = tempfile::tempdir().unwrap();
        let put = |file: &str, text: &str| {
            std::fs::write(
                home.path().join(file),
                format!("<UserStoreManager class='x'>{text}</UserStoreManager>"),
            )
            .unwrap();
            file.to_owned()
        };
        let url = "<Property name='url'>jdbc:mysql://db/U</Property>";
        let files = [
            put("a.xml", url),
            put(
                "off.xml",
                &format!("{url}<Property name='Disabled'>true</Property>"),
            ),
            put("ldap.xml", "<Property name='ConnectionURL'>ldap://x</Property>"),
        ];
        let named = secondary(&Root::open(home.path()).unwrap(), &files);
        let expected = NamedDatabase {
            file: "a.xml".into(),
            used_for: DatabaseUse::SecondaryStore,
            by: NamedBy::Url("jdbc:mysql://db/U".into()),
        };
        assert_eq!(named, [expected]);
    }
}
