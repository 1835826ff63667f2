//! Databases that an old home names past its data sources, archives of another product, offsets on a command line.

use cutover_proto::config::{ArchiveVersion, ConfigComparison};
use cutover_proto::facts::{DatabaseUse, MountFacts, NamedBy, NamedDatabase};

use super::*;

fn named(file: &str, used_for: DatabaseUse, by: NamedBy) -> NamedDatabase {
    NamedDatabase {
        file: file.into(),
        used_for,
        by,
    }
}

const STORE: &str = "repository/deployment/server/userstores/A.xml";

fn with_store(by: NamedBy) -> World {
    let mut world = World::new();
    world.home(0, 0).named_databases = vec![named(STORE, DatabaseUse::SecondaryStore, by)];
    world
}

#[test]
fn users_when_no_one_data_source_is_named_then_refused() {
    let mut world = World::new();
    world.home(1, 0).user_datasource = None;
    assert_eq!(world.codes(), ["users-source-missing"]);
    let url = NamedBy::Url("jdbc:mysql://db1:3306/CARBON".into());
    world.home(1, 0).named_databases = vec![named("u", DatabaseUse::Realm, url)];
    assert_eq!(world.codes(), ["inline-database", "users-source-missing"]);
}

#[test]
fn registry_when_its_config_or_that_of_a_mount_has_no_source_then_refused() {
    for spoil in [
        (|home: &mut HomeFacts| home.registry_datasources.clear()) as fn(&mut HomeFacts),
        |home| home.registry_current = None,
        |home| {
            home.registry_mounts = vec![MountFacts {
                path: "/_system/governance".into(),
                target: "/_system/governance".into(),
                instance: "gov".into(),
                db_config: "inline".into(),
                cache_id: String::new(),
            }];
        },
    ] {
        let mut world = World::new();
        spoil(world.home(0, 0));
        assert_eq!(world.codes(), ["registry-source-missing"]);
    }
}

#[test]
fn primary_store_when_its_own_data_source_is_not_covered_then_refused() {
    let mut world = World::new();
    let by = |jndi: &str| named("u", DatabaseUse::PrimaryStore, NamedBy::Jndi(jndi.into()));
    world.home(0, 0).named_databases = vec![by("jdbc/WSO2CarbonDB")];
    world.good();
    world.home(0, 0).named_databases = vec![by("jdbc/Other")];
    assert_eq!(world.codes(), ["database-left-out"]);
}

#[test]
fn secondary_store_when_it_leads_to_production_then_refused_whatever_is_answered() {
    let mut world = with_store(NamedBy::Url("jdbc:mysql://db1:3306/CARBON".into()));
    assert_eq!(world.codes(), ["user-store-on-production"]);
    world.upgrade.user_stores = vec![STORE.into()];
    assert_eq!(world.codes(), ["user-store-on-production"]);
    with_store(NamedBy::Jndi("jdbc/WSO2CarbonDB".into())).good();
}

#[test]
fn secondary_store_when_no_database_covers_it_then_refused_until_answered() {
    for by in [
        NamedBy::Url("jdbc:mysql://elsewhere:3306/USERS".into()),
        NamedBy::Jndi("jdbc/Elsewhere".into()),
    ] {
        let mut world = with_store(by);
        assert_eq!(world.codes(), ["user-store-left-out"]);
        world.upgrade.user_stores = vec![STORE.into()];
        world.good();
    }
    let mut world = World::new();
    world.upgrade.user_stores = vec![STORE.into()];
    assert_eq!(world.codes(), ["user-store-answer"]);
}

/// The new homes come from an archive that says this of itself.
fn unpacking(product: &str, version: &str, kernel: &str) -> World {
    let mut world = World::new();
    let blob = world.attachments["migration.sql"].clone();
    world.upgrade.distribution = Some(crate::model::upgrade::Distribution {
        file: blob.name.clone(),
        sha256: blob.sha256,
    });
    for node in 0..2 {
        world.home(node, 1).exists = false;
    }
    for comparison in world.configs.values_mut() {
        *comparison = Ok(ConfigComparison {
            new_version: Some(ArchiveVersion {
                archive: "new.zip".into(),
                product: product.into(),
                version: version.into(),
                kernel: kernel.into(),
            }),
            ..ConfigComparison::default()
        });
    }
    world
}

#[test]
fn distribution_when_it_is_another_product_or_version_then_refused() {
    unpacking("WSO2 Data Services Server", "3.2.0", "4.2.0").good();
    let codes = |product, version, kernel| unpacking(product, version, kernel).codes();
    assert_eq!(codes("WSO2 Storage Server", "3.2.0", "4.2.0"), ["wrong-product"]);
    assert_eq!(codes("", "3.2.0", "4.2.0"), ["wrong-product"]);
    assert_eq!(
        codes("WSO2 Data Services Server", "3.1.0", "4.2.0"),
        ["wrong-version"]
    );
    assert_eq!(
        codes("WSO2 Data Services Server", "3.2.0", "4.1.0"),
        ["wrong-version"]
    );
}

#[test]
fn port_offset_when_the_server_was_started_with_another_one_then_warned_until_set() {
    let mut world = World::new();
    world.home(0, 0).port_offset = 5;
    world.home(0, 0).configured_offset = Some(0);
    let warned = |world: &World| world.plan().1.iter().any(|finding| finding.code == "port-offset");
    assert!(warned(&world));
    let set =
        "[[config]]\nfile = \"repository/conf/carbon.xml\"\nset = { \"/Server/Ports/Offset\" = \"5\" }\n";
    world.upgrade = Upgrade::parse("dss.toml", &format!("{}{set}", crate::planner::testing::FILE)).unwrap();
    assert!(!warned(&world));
}
