//! What `registry.xml` says: data sources, mounts, the index.

use std::collections::BTreeMap;

use cutover_proto::facts::MountFacts;
use cutover_xmledit::{Document, Path};

use super::conf::{text, without_password};

/// The data sources by `dbConfig`, and the `dbConfig` in use.
pub(super) fn sources(document: &Document) -> (BTreeMap<String, String>, Option<String>) {
    let sources = elements(document, "/wso2registry/dbConfig", "@name")
        .into_iter()
        .filter_map(|(at, name)| Some((name, text(document, &format!("{at}/dataSource"))?)))
        .collect();
    (sources, text(document, "/wso2registry/currentDBConfig"))
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

/// The places that must be there once: what the server reads there must be what an edit sets.
pub(super) fn single(sources: &BTreeMap<String, String>) -> Vec<String> {
    let names = sources.keys().filter_map(|name| Path::quote(name));
    names
        .map(|name| format!("/wso2registry/dbConfig[@name={name}]/dataSource"))
        .chain(["/wso2registry/currentDBConfig".to_owned()])
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
        assert_eq!(sources(&document).0.len(), 2);
    }
}
