//! What `registry.xml` says: data sources, mounts, the index.

use std::collections::{BTreeMap, BTreeSet};

use cutover_proto::facts::{DatabaseUse, MountFacts, NamedBy, NamedDatabase};
use cutover_xmledit::{Document, Path};

use super::conf::{inline, one, text, without_password};

pub(super) const REGISTRY: &str = "repository/conf/registry.xml";

/// The data sources by `dbConfig`, and the `dbConfig` in use. A `dbConfig` that does not name exactly one is a problem,
/// and its URL, where it has one instead, goes to `named`.
pub(super) fn sources(
    document: &Document,
    named: &mut Vec<NamedDatabase>,
    problems: &mut Vec<String>,
) -> (BTreeMap<String, String>, Option<String>) {
    let mut sources = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (at, name) in elements(document, "/wso2registry/dbConfig", "@name") {
        if !seen.insert(name.clone()) {
            problems.push(format!("{REGISTRY}: dbConfig `{name}` occurs twice"));
            sources.remove(&name);
            continue;
        }
        match one(document, &format!("{at}/dataSource")) {
            Ok(source) => drop(sources.insert(name, source)),
            Err(why) => {
                let url = inline(document, &format!("{at}/url"));
                problems.push(format!(
                    "{REGISTRY}: the data source of dbConfig `{name}` {why}{}",
                    if url.is_empty() {
                        ""
                    } else {
                        ", and its database is named by an inline url"
                    }
                ));
                named.extend(url.into_iter().map(|url| NamedDatabase {
                    file: REGISTRY.to_owned(),
                    used_for: DatabaseUse::Registry(name.clone()),
                    by: NamedBy::Url(url),
                }));
            }
        }
    }
    let current = one(document, "/wso2registry/currentDBConfig");
    if let Err(why) = &current {
        problems.push(format!("{REGISTRY}: currentDBConfig {why}"));
    }
    (sources, current.ok())
}

/// What is mounted, with the instance that each mount names.
pub(super) fn mounts(document: &Document) -> Vec<MountFacts> {
    let instances: BTreeMap<String, String> = elements(document, "/wso2registry/remoteInstance", "id")
        .into_iter()
        .map(|(at, id)| (id, at))
        .collect();
    let mounts = elements(document, "/wso2registry/mount", "@path").into_iter();
    mounts
        .map(|(at, path)| {
            let instance = text(document, &format!("{at}/instanceId")).unwrap_or_default();
            let of_instance = |name: &str| {
                let at = instances.get(&instance)?;
                text(document, &format!("{at}/{name}"))
            };
            MountFacts {
                path,
                target: text(document, &format!("{at}/targetPath")).unwrap_or_default(),
                db_config: of_instance("dbConfig").unwrap_or_default(),
                cache_id: without_password(&of_instance("cacheId").unwrap_or_default()),
                instance,
            }
        })
        .collect()
}

/// Where the index notes how far it got.
pub(super) fn index_location(document: &Document) -> Option<String> {
    text(
        document,
        "/wso2registry/indexingConfiguration/lastAccessTimeLocation",
    )
}

/// The elements at a path, by their own paths, with the value of what names them.
fn elements(document: &Document, path: &str, named_by: &str) -> Vec<(String, String)> {
    let names = format!("{path}/{named_by}").parse::<Path>().ok();
    let names = names.map(|path| document.all(&path)).unwrap_or_default();
    names
        .into_iter()
        .filter_map(|leaf| {
            Some((
                leaf.path.parent()?.to_string(),
                leaf.value.ok()?.trim().to_owned(),
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_when_some_are_commented_out_then_only_the_live_ones_with_their_instance() {
        let text = "<wso2registry><currentDBConfig>a</currentDBConfig>\
            <dbConfig name='a'><dataSource>jdbc/A</dataSource></dbConfig>\
            <dbConfig name='gov'><dataSource>jdbc/G</dataSource></dbConfig>\
            <!--mount path='/off'><instanceId>off</instanceId></mount-->\
            <remoteInstance url='https://h:9443/registry'><id>gov1</id><dbConfig>gov</dbConfig>\
            <cacheId>reg@jdbc:mysql://db:3306/REG?password=hunter2</cacheId></remoteInstance>\
            <remoteInstance url='https://h:9443/registry'><id>other</id></remoteInstance>\
            <mount path='/_system/governance' overwrite='true'><instanceId>gov1</instanceId>\
            <targetPath>/_system/gov</targetPath></mount>\
            <mount path='/_system/config' overwrite='true'><instanceId>nowhere</instanceId>\
            <targetPath>/_system/c</targetPath></mount>\
            <indexingConfiguration><lastAccessTimeLocation> /_system/local/last </lastAccessTimeLocation></indexingConfiguration>\
            </wso2registry>";
        let document = Document::parse(text.as_bytes()).unwrap();
        let found = mounts(&document);
        let governance = MountFacts {
            path: "/_system/governance".into(),
            target: "/_system/gov".into(),
            instance: "gov1".into(),
            db_config: "gov".into(),
            cache_id: "reg@jdbc:mysql://db:3306/REG?password=***".into(),
        };
        assert_eq!(found[0], governance);
        assert_eq!(
            (
                found.len(),
                found[1].instance.as_str(),
                found[1].db_config.as_str()
            ),
            (2, "nowhere", "")
        );
        assert_eq!(index_location(&document).as_deref(), Some("/_system/local/last"));
        assert_eq!(sources(&document, &mut Vec::new(), &mut Vec::new()).0.len(), 2);
    }

    fn look(
        text: &str,
    ) -> (
        BTreeMap<String, String>,
        Option<String>,
        Vec<NamedDatabase>,
        Vec<String>,
    ) {
        let document = Document::parse(format!("<wso2registry>{text}</wso2registry>").as_bytes()).unwrap();
        let (mut named, mut problems) = (Vec::new(), Vec::new());
        let (sources, current) = sources(&document, &mut named, &mut problems);
        (sources, current, named, problems)
    }

    #[test]
    fn sources_when_an_element_occurs_twice_then_no_value_and_a_problem() {
        let twice = "<currentDBConfig>a</currentDBConfig><dbConfig name='a'><dataSource>jdbc/A</dataSource>\
            <dataSource>jdbc/B</dataSource></dbConfig>";
        let (sources, _, _, problems) = look(twice);
        assert!(
            sources.is_empty() && problems[0].contains("is there 2 times"),
            "{problems:?}"
        );
        let twice = "<currentDBConfig>a</currentDBConfig><dbConfig name='a'><dataSource>jdbc/A</dataSource></dbConfig>\
            <dbConfig name='a'><dataSource>jdbc/B</dataSource></dbConfig>";
        let (sources, _, _, problems) = look(twice);
        assert!(
            sources.is_empty() && problems[0].contains("`a` occurs twice"),
            "{problems:?}"
        );
        let twice = "<currentDBConfig>a</currentDBConfig><currentDBConfig>b</currentDBConfig>";
        let (_, current, _, problems) = look(twice);
        assert!(
            current.is_none() && problems[0].contains("is there 2 times"),
            "{problems:?}"
        );
    }

    #[test]
    fn sources_when_a_config_has_an_inline_url_then_told_without_its_password() {
        let (sources, current, named, problems) = look(
            "<currentDBConfig>a</currentDBConfig><dbConfig name='a'><url>jdbc:mysql://db/R?password=hunter2</url>\
             <password>hunter3</password></dbConfig>",
        );
        assert!(sources.is_empty());
        assert_eq!(current.as_deref(), Some("a"));
        let expected = NamedDatabase {
            file: REGISTRY.into(),
            used_for: DatabaseUse::Registry("a".into()),
            by: NamedBy::Url("jdbc:mysql://db/R?password=***".into()),
        };
        assert_eq!(named, [expected]);
        assert!(problems[0].contains("inline url"), "{problems:?}");
        assert!(!problems[0].contains("hunter"));
    }
}
