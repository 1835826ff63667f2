//! What is refused before anything is changed, and what is only worth knowing.

use super::*;
use crate::planner::testing::source;

fn warnings(world: &World) -> Vec<String> {
    let (plan, findings) = world.plan();
    assert!(plan.is_some(), "{findings:?}");
    let warnings = findings
        .into_iter()
        .filter(|finding| finding.severity == Severity::Warning);
    warnings
        .map(|finding| finding.code)
        .filter(|code| code != "not-running")
        .collect()
}

#[test]
fn config_file_when_not_well_formed_then_refused_if_the_plan_edits_it() {
    let problem = "line 3, column 7: `</datasource>` closes nothing";
    for home in 0..2 {
        let mut world = World::new();
        world.home(1, home).problems = vec![format!("repository/conf/user-mgt.xml: {problem}")];
        assert_eq!(world.codes(), ["config-unreadable"]);
    }
    let mut world = World::new();
    world.home(0, 0).problems = vec![format!("repository/conf/identity.xml: {problem}")];
    assert_eq!(warnings(&world), ["home-problem"]);
}

#[test]
fn element_when_it_occurs_twice_then_refused() {
    for home in 0..2 {
        let mut world = World::new();
        let mut twin = world.home(0, home).datasources[0].clone();
        twin.file = "repository/conf/datasources/backup-datasources.xml".into();
        world.home(0, home).datasources.push(twin);
        let codes = world.codes();
        assert!(codes.contains(&"datasource-twice".to_owned()), "{codes:?}");
    }
}

#[test]
fn jndi_name_when_two_databases_have_it_then_refused() {
    let mut world = World::new();
    let other = source("OTHER", "jdbc/WSO2CarbonDB", "jdbc:mysql://db1:3306/OTHER");
    world.home(0, 0).datasources.push(other);
    assert_eq!(world.codes(), ["datasource-twice"]);
}

#[test]
fn backup_of_data_sources_when_it_lies_in_the_new_home_then_refused() {
    let mut world = World::new();
    let mut stray = source("OLD", "jdbc/Old", "jdbc:mysql://db1:3306/CARBON");
    stray.file = "repository/conf/datasources/old-datasources.xml".into();
    world.home(0, 1).datasources.push(stray);
    assert_eq!(world.codes(), ["new-home-on-production"]);
}

#[test]
fn data_source_file_when_it_is_the_sites_own_then_worth_knowing_and_when_shipped_not() {
    let file = "repository/conf/datasources/custom-datasources.xml";
    let mut world = World::new();
    world.home(0, 0).extra_datasource_files = vec![file.into()];
    assert_eq!(warnings(&world), ["extra-datasource-file"]);
    world.home(0, 1).extra_datasource_files = vec![file.into()];
    assert_eq!(warnings(&world), Vec::<String>::new());
}

#[test]
fn surroundings_when_they_would_spoil_what_is_copied_then_worth_knowing() {
    let mut world = World::new();
    world.home(0, 0).deployment_synchronizer = true;
    world.home(1, 0).service_metadata = 3;
    assert_eq!(warnings(&world), ["deployment-synchronizer", "service-metadata"]);
}

#[test]
fn tenant_when_its_directory_is_nowhere_then_refused_until_answered() {
    let mut world = World::new();
    for node in 0..2 {
        world.home(node, 0).tenants = vec![1];
    }
    assert_eq!(world.codes(), ["tenant-directory-missing"]);
    world.upgrade.without_directory = [2].into();
    world.good();
    world.upgrade.without_directory = [1, 2].into();
    assert_eq!(world.codes(), ["tenant-answer"]);
}

#[test]
fn tenant_when_its_directory_is_on_another_node_then_it_is_somewhere() {
    let mut world = World::new();
    world.home(0, 0).tenants = vec![1];
    world.home(1, 0).tenants = vec![2];
    world.good();
}

#[test]
fn tenant_when_it_has_a_directory_and_no_row_then_refused() {
    let mut world = World::new();
    world.home(0, 0).tenants = vec![1, 2, 7];
    assert_eq!(world.codes(), ["tenant-without-row"]);
}

#[test]
fn tenants_when_told_not_to_be_copied_then_worth_knowing() {
    let mut world = World::new();
    world.upgrade.copy_tenants = Some(false);
    assert_eq!(warnings(&world), ["tenants-left-out"]);
}

#[test]
fn new_homes_when_of_different_versions_then_refused() {
    let mut world = World::new();
    world.home(0, 1).version = "3.2.1".into();
    assert_eq!(world.codes(), ["mixed-versions"]);
}

#[test]
fn database_of_users_when_it_holds_none_then_refused() {
    let mut world = World::new();
    world.databases.get_mut("carbon").unwrap().level = SchemaLevel::NoUserStore;
    assert_eq!(world.codes(), ["no-user-store"]);
}

#[test]
fn script_when_it_works_on_identity_tables_then_refused_whatever_its_name() {
    let mut world = World::new();
    let script = world.scripts.get_mut("migration.sql").unwrap();
    script.touches.insert("IDN_OAUTH_CONSUMER_APPS".into());
    assert_eq!(world.codes(), ["identity-script"]);
}

#[test]
fn production_when_the_homes_name_another_host_then_refused_until_somebody_has_checked() {
    let mut world = World::new();
    world.home(1, 0).datasources[0].url = "jdbc:mysql://db-alias:3306/CARBON".into();
    assert_eq!(world.codes(), ["other-host"]);
    let text = crate::planner::testing::FILE.replace("scripts    =", "same_server = true\nscripts    =");
    world.upgrade = Upgrade::parse("dss.toml", &text).unwrap();
    world.good();
}

#[test]
fn production_when_local_then_every_name_of_the_loopback_and_a_socket_are_one_host() {
    for (production, home) in [
        ("mysql://dss@localhost/CARBON", "127.0.0.1"),
        ("mysql://dss@127.0.0.1/CARBON", "localhost"),
        ("mysql://dss@DB1/CARBON", "db1"),
    ] {
        let mut world = World::new();
        world.upgrade.databases[0].production.url = production.into();
        for node in 0..2 {
            world.home(node, 0).datasources[0].url = format!("jdbc:mysql://{home}:3306/CARBON");
        }
        world.good();
        world.home(0, 0).datasources[0].url = format!("jdbc:mysql://{home}:3307/CARBON");
        assert_eq!(world.codes(), ["other-host"], "another port is another server");
    }
}

#[test]
fn prepared_home_when_a_data_source_stays_on_production_then_refused_until_an_edit_sets_its_url() {
    let mut world = World::new();
    let stray = source("EXTRA", "jdbc/Extra", "jdbc:mysql://db-alias:3306/CARBON");
    world.home(0, 1).datasources.push(stray);
    assert_eq!(world.codes(), ["new-home-on-production"]);
    let url = "/datasources-configuration/datasources/datasource[name='EXTRA']/definition/configuration/url";
    world.upgrade.configs = vec![crate::model::upgrade::SiteConfig {
        file: "repository/conf/datasources/master-datasources.xml".into(),
        set: [(url.to_owned(), "jdbc:mysql://db1/CARBON_320".to_owned())].into(),
    }];
    world.good();
}

#[test]
fn url_when_a_parameter_names_the_old_home_or_a_secret_then_refused_until_the_url_is_set() {
    for (parameter, code) in [
        (
            "trustCertificateKeyStoreUrl=file:/opt/n1/old/ts.jks",
            "old-home-in-url",
        ),
        ("trustCertificateKeyStorePassword=***", "secret-in-url"),
    ] {
        let mut world = World::new();
        world.home(0, 0).datasources[0].url = format!("jdbc:mysql://db1:3306/CARBON?{parameter}");
        assert_eq!(world.codes(), [code]);
        let url = "/datasources-configuration/datasources/datasource[name='WSO2_CARBON_DB']/definition[@type='RDBMS']/configuration/url";
        world.upgrade.configs = vec![crate::model::upgrade::SiteConfig {
            file: "repository/conf/datasources/master-datasources.xml".into(),
            set: [(url.to_owned(), "file:/etc/cutover/url".to_owned())].into(),
        }];
        world.good();
    }
}

#[test]
fn script_when_it_only_works_on_what_is_there_then_no_migration_unless_one_is_named_beside_it() {
    let mut world = World::new();
    let mut cleanup = world.scripts["migration.sql"].clone();
    cleanup.blob.name = "cleanup.sql".into();
    cleanup.touches = ["UM_USER".to_owned()].into();
    world.scripts.insert("cleanup.sql".into(), cleanup);
    world.upgrade.databases[0].scripts = vec!["cleanup.sql".into()];
    assert_eq!(world.codes(), ["script-no-migration"]);
    world.upgrade.databases[0].scripts = vec!["cleanup.sql".into(), "migration.sql".into()];
    assert_eq!(world.good().databases[0].scripts.len(), 2);
}
