//! Registries that the site mounts.

use cutover_proto::facts::MountFacts;

use super::*;

const REGISTRY: &str = "repository/conf/registry.xml";

/// A site whose `registry.xml` mounts a registry from the database of the upgrade, as three added elements.
fn mounting(known: bool) -> World {
    let instance = "<remoteInstance url=\"x\"> <id>shared</id> <dbConfig>other</dbConfig> \
                    <cacheId>dss@jdbc:mysql://db1:3306/CARBON</cacheId> </remoteInstance>";
    let changes = [
        (
            "/wso2registry/dbConfig[@name='other']",
            "<dbConfig name=\"other\"> <dataSource>jdbc/WSO2CarbonDB</dataSource> </dbConfig>",
        ),
        ("/wso2registry/remoteInstance", instance),
        ("/wso2registry/mount", "<mount path=\"/_system/config\"/>"),
    ]
    .map(|(path, site)| added(path, ChangeKind::AddedElement, site))
    .to_vec();
    let mut world = World::new(vec![edited(REGISTRY, changes)]);
    if known {
        for node in &mut world.nodes {
            let home = &mut node.facts.as_mut().unwrap().homes[0];
            home.registry_datasources
                .insert("other".into(), "jdbc/WSO2CarbonDB".into());
            home.registry_mounts = vec![MountFacts {
                path: "/_system/config".into(),
                target: "/_system/config".into(),
                instance: "shared".into(),
                db_config: "other".into(),
                cache_id: "dss@jdbc:mysql://db1:3306/CARBON".into(),
            }];
        }
    }
    world
}

#[test]
fn mount_when_its_database_is_upgraded_then_carried_and_led_to_staging() {
    assert_eq!(mounting(true).codes(), Vec::<String>::new());
}

#[test]
fn mount_when_nothing_leads_it_to_staging_then_a_person_decides() {
    let codes = mounting(false).codes();
    assert!(
        codes.iter().all(|code| code == "config-undecided") && !codes.is_empty(),
        "{codes:?}"
    );
}
