//! Several databases in one upgrade: found by what the old homes use them for.

use cutover_proto::facts::MountFacts;

use super::guides::world;
use super::*;
use crate::planner::testing::source;

const SHARED: &str = r#"
[[database]]
name       = "shared"
datasource = "WSO2_REG_DB"
production = { url = "mysql://dss@db1/REG", password = "file:/pw" }
staging    = { url = "mysql://dss@db1/REG_320", password = "file:/pw" }
application = { user = "app", password = "file:/app" }
"#;

/// A fleet whose registry is mounted from a database of its own.
fn mounted() -> World {
    let mut world = World::new();
    let text = format!("{}{SHARED}", crate::planner::testing::FILE);
    world.upgrade = Upgrade::parse("dss.toml", &text).unwrap();
    for node in 0..2 {
        let home = world.home(node, 0);
        home.datasources.push(source(
            "WSO2_REG_DB",
            "jdbc/WSO2RegDB",
            "jdbc:mysql://db1:3306/REG",
        ));
        home.registry_datasources
            .insert("shared_reg".into(), "jdbc/WSO2RegDB".into());
        home.registry_mounts = vec![MountFacts {
            path: "/_system/governance".into(),
            target: "/_system/governance".into(),
            instance: "gov".into(),
            db_config: "shared_reg".into(),
            cache_id: "dss@jdbc:mysql://db1:3306/REG".into(),
        }];
    }
    let mut probe = world.databases["carbon"].clone();
    probe.production_identity = "p2".into();
    probe.staging_identity = "s2".into();
    probe.tenants.clear();
    world.databases.insert("shared".into(), probe);
    world
}

fn edits(plan: &Plan, step: &str) -> BTreeMap<String, (ConfigValue, bool)> {
    let step = plan.step(&step.parse().unwrap()).unwrap();
    let StepAction::Node(NodeAction::EditXml { edits, .. }) = &step.action else {
        panic!("not an edit")
    };
    edits
        .iter()
        .map(|edit| (edit.path.clone(), (edit.value.clone(), edit.only_if_present)))
        .collect()
}

fn literal(text: &str) -> ConfigValue {
    ConfigValue::Literal(text.to_owned())
}

#[test]
fn scripts_when_registry_has_its_own_database_then_only_that_of_users_is_migrated() {
    let plan = mounted().good();
    assert!(plan.step(&"data.migrate@carbon".parse().unwrap()).is_some());
    assert!(plan.step(&"data.migrate@shared".parse().unwrap()).is_none());
    assert!(plan.step(&"data.copy@shared".parse().unwrap()).is_some());
    let checks = format!(
        "{:?}",
        plan.step(&"checkpoint.check@shared".parse().unwrap())
            .unwrap()
            .action
    );
    assert!(
        checks.contains("REG_LOG") && !checks.contains("UM_DOMAIN"),
        "{checks}"
    );
    let why = &plan.databases[1].scripts_why;
    assert!(
        why.contains("registry") && why.contains("stay as they are"),
        "{why}"
    );
}

#[test]
fn script_when_named_for_a_database_of_another_role_then_refused() {
    let mut world = mounted();
    world.upgrade.databases[1].scripts = vec!["migration.sql".into()];
    assert_eq!(world.codes(), ["script-wrong-database"]);
}

#[test]
fn database_when_a_mount_uses_it_and_none_covers_it_then_refused() {
    let mut world = mounted();
    world.upgrade.databases.truncate(1);
    let (_, findings) = world.plan();
    assert_eq!(world.codes(), ["database-left-out"]);
    assert!(
        findings
            .iter()
            .any(|f| f.text.contains("mounted at /_system/governance")),
        "{findings:?}"
    );
}

/// The layout of a cluster: the local registry of each node embedded, the shared one and users elsewhere.
fn embedded() -> World {
    let mut world = mounted();
    for node in 0..2 {
        let home = world.home(node, 0);
        home.datasources.push(source(
            "LOCAL",
            "jdbc/Local",
            "jdbc:h2:repository/database/WSO2CARBON_DB",
        ));
        home.registry_datasources
            .insert("wso2registry".into(), "jdbc/Local".into());
    }
    world
}

#[test]
fn database_when_embedded_then_refused_until_it_may_stay_behind() {
    let mut world = embedded();
    assert_eq!(world.codes(), ["engine-unsupported"]);
    world.upgrade.leave = vec!["LOCAL".into()];
    let plan = world.good();
    let registry = edits(&plan, "prepare.edit-registry@n1");
    assert!(
        !registry.keys().any(|path| path.contains("currentDBConfig")),
        "{registry:?}"
    );
    assert!(plan.notes.iter().any(|note| note.contains("stays behind")));
}

#[test]
fn database_when_shared_then_it_can_not_be_left_behind() {
    let mut world = mounted();
    world.upgrade.databases.truncate(1);
    world.upgrade.leave = vec!["WSO2_REG_DB".into()];
    assert_eq!(world.codes(), ["database-left-out", "leave-answer"]);
}

#[test]
fn mount_when_planned_then_its_config_and_cache_follow_the_database() {
    let found = edits(&mounted().good(), "prepare.edit-registry@n1");
    let cache = &found["/wso2registry/remoteInstance[id='gov']/cacheId"];
    assert_eq!(cache, &(literal("app@jdbc:mysql://db1:3306/REG_320"), true));
    let source = &found["/wso2registry/dbConfig[@name='shared_reg']/dataSource"];
    assert_eq!(source, &(literal("jdbc/WSO2RegDB"), true));
    let current = &found["/wso2registry/dbConfig[@name=/wso2registry/currentDBConfig]/dataSource"];
    assert_eq!(current, &(literal("jdbc/WSO2CarbonDB"), false));
}

#[test]
fn data_source_when_of_another_name_and_the_same_database_then_it_goes_to_staging_too() {
    let mut world = World::new();
    for node in 0..2 {
        let home = world.home(node, 0);
        home.datasources.push(source(
            "WSO2_UM_DB",
            "jdbc/WSO2UM",
            "jdbc:mysql://db1:3306/CARBON",
        ));
        home.user_datasource = Some("jdbc/WSO2UM".into());
    }
    let plan = world.good();
    let found = edits(&plan, "prepare.edit-master-datasources@n1");
    let url = "/datasources-configuration/datasources/datasource[name='WSO2_UM_DB']/definition[@type='RDBMS']/configuration/url";
    assert_eq!(found[url].0, literal("jdbc:mysql://db1:3306/CARBON_320"));
    let users = edits(&plan, "prepare.edit-user-mgt@n1");
    assert_eq!(users.values().next().unwrap().0, literal("jdbc/WSO2UM"));
}

#[test]
fn index_when_the_old_home_keeps_one_then_the_new_server_makes_its_own() {
    let mut world = World::new();
    world.home(0, 0).index_location = Some("/_system/local/lastaccesstime".into());
    let plan = world.good();
    let path = "/wso2registry/indexingConfiguration/lastAccessTimeLocation";
    let value = (literal("/_system/local/lastaccesstime-dss-3.2.0"), true);
    assert_eq!(edits(&plan, "prepare.edit-registry@n1")[path], value);
    assert!(!edits(&plan, "prepare.edit-registry@n2").contains_key(path));
}

#[test]
fn storage_server_when_planned_then_each_database_gets_its_script_and_the_new_home_finds_both() {
    let plan = world("ss-1.1.0").good();
    let names = |at: usize| {
        plan.databases[at]
            .scripts
            .iter()
            .map(|s| s.blob.name.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(0), ["migration.sql"]);
    assert_eq!(
        names(1),
        ["ss-1.0.3-to-1.1.0-rss.mysql.sql", "ss-1.1.0-rss-ids.mysql.sql"]
    );
    assert!(plan.step(&"checkpoint.check@rss".parse().unwrap()).is_some());
    let sources = edits(&plan, "prepare.edit-master-datasources@n1");
    let base = "/datasources-configuration/datasources/datasource[name='MetadataRepoDS']";
    assert_eq!(
        sources[&format!("{base}/jndiConfig/name")].0,
        literal("MetadataRepoDS")
    );
    let url = &sources[&format!("{base}/definition[@type='RDBMS']/configuration/url")];
    assert_eq!(url.0, literal("jdbc:mysql://db1:3306/RSS_110"));
    let rss = edits(&plan, "prepare.edit-rss-config@n1");
    assert_eq!(rss["/RSSConfiguration/Provider"].0, literal("MYSQL"));
    let persistence = edits(&plan, "prepare.edit-persistence@n1");
    let dictionary = literal("org.apache.openjpa.jdbc.sql.MySQLDictionary");
    assert!(persistence.values().any(|(value, _)| value == &dictionary));
    let step = plan
        .step(&"prepare.edit-persistence@n1".parse().unwrap())
        .unwrap();
    let StepAction::Node(NodeAction::EditXml { elsewhere, .. }) = &step.action else {
        panic!("not an edit")
    };
    assert_eq!(elsewhere, &["repository/conf/persistence.xml"]);
}

#[test]
fn storage_server_when_its_rss_database_is_left_out_then_refused() {
    let mut world = world("ss-1.1.0");
    world.upgrade.databases.truncate(1);
    world.databases.remove("rss");
    assert_eq!(world.codes(), ["database-left-out"]);
}

#[test]
fn storage_server_when_one_database_holds_all_then_both_scripts_run_on_it_in_order() {
    let mut world = world("ss-1.1.0");
    world.upgrade.databases.truncate(1);
    world.databases.remove("rss");
    for node in 0..2 {
        world.home(node, 0).other_databases[0].url = "jdbc:mysql://db1:3306/CARBON".into();
    }
    world.databases.get_mut("carbon").unwrap().rss = RssLevel::At103;
    let plan = world.good();
    let names: Vec<&str> = plan.databases[0]
        .scripts
        .iter()
        .map(|script| script.blob.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "migration.sql",
            "ss-1.0.3-to-1.1.0-rss.mysql.sql",
            "ss-1.1.0-rss-ids.mysql.sql"
        ]
    );
    let sources = edits(&plan, "prepare.edit-master-datasources@n1");
    let url = "/datasources-configuration/datasources/datasource[name='MetadataRepoDS']/definition[@type='RDBMS']/configuration/url";
    assert_eq!(sources[url].0, literal("jdbc:mysql://db1:3306/CARBON_320"));
}

#[test]
fn rss_database_when_migrated_half_or_fully_then_refused_or_left_alone() {
    let mut world = world("ss-1.1.0");
    let level = |world: &mut World, level| world.databases.get_mut("rss").unwrap().rss = level;
    let (present, absent) = (
        vec!["RM_ENVIRONMENT".to_owned()],
        vec!["RM_USER_INSTANCE_ENTRY".to_owned()],
    );
    level(&mut world, RssLevel::Mixed { present, absent });
    assert_eq!(world.codes(), ["half-migrated"]);
    level(&mut world, RssLevel::None);
    assert_eq!(world.codes(), ["tables-missing"]);
    level(&mut world, RssLevel::At110);
    let plan = world.good();
    assert!(plan.databases[1].scripts.is_empty());
    assert!(
        plan.databases[1]
            .scripts_why
            .contains("of Storage Server 1.1.0 already")
    );
}

#[test]
fn script_when_a_sites_guide_has_its_own_then_its_tables_say_whether_it_runs() {
    let mut world = World::new();
    let script = &mut world.guide.scripts[0];
    (script.needs, script.makes) = (vec!["UM_USER".into()], vec!["MY_NEW".into(), "MY_OTHER".into()]);
    world.scripts.get_mut("migration.sql").unwrap().touches = ["MY_NEW".to_owned()].into();
    assert_eq!(world.good().databases[0].scripts.len(), 1);
    let tables = |world: &mut World, table: &str| {
        world
            .databases
            .get_mut("carbon")
            .unwrap()
            .tables
            .insert(table.to_owned());
    };
    tables(&mut world, "MY_NEW");
    assert_eq!(world.codes(), ["half-migrated"]);
    tables(&mut world, "MY_OTHER");
    assert!(world.good().databases[0].scripts.is_empty());
    world.databases.get_mut("carbon").unwrap().tables.clear();
    assert_eq!(world.codes(), ["tables-missing"]);
}

#[test]
fn xa_data_source_when_planned_then_its_class_is_no_driver_and_its_properties_go_to_staging_too() {
    let mut world = World::new();
    world.home(0, 0).datasources[0].driver = "com.mysql.jdbc.jdbc2.optional.MysqlXADataSource".into();
    let found = edits(&world.good(), "prepare.edit-master-datasources@n1");
    let driver = found
        .iter()
        .find(|(path, _)| path.ends_with("driverClassName"))
        .unwrap();
    assert_eq!(driver.1.0, literal("com.mysql.jdbc.Driver"));
    let props = found
        .iter()
        .find(|(path, _)| path.ends_with("dataSourceProps/property[@name='url']"))
        .unwrap();
    let staging = literal("jdbc:mysql://db1:3306/CARBON_320?autoReconnect=true");
    assert_eq!(props.1, &(staging, true));
}

#[test]
fn repair_when_asked_for_then_done_on_staging_before_the_checkpoints() {
    for copy_first in [false, true] {
        let mut world = World::new();
        world.upgrade.copy_first = copy_first;
        world.upgrade.databases[0].repair = Some("PRIMARY".into());
        let plan = world.good();
        let step = plan.step(&"data.repair@carbon".parse().unwrap()).unwrap();
        let StepAction::Database(DatabaseAction::Repair { role, checks, .. }) = &step.action else {
            panic!("not a repair")
        };
        assert_eq!(*role, DatabaseRole::Staging);
        assert_eq!(checks.as_array().unwrap().len(), 2, "{checks}");
        let last = if copy_first {
            "data.migrate@carbon"
        } else {
            "data.compare@carbon"
        };
        assert_eq!(step.after, [last.parse().unwrap()]);
    }
}

#[test]
fn repair_when_there_is_nothing_to_repair_then_refused() {
    let mut world = world("ss-1.1.0");
    world
        .guide
        .checkpoints
        .retain(|checkpoint| checkpoint.role != Role::Product);
    world.upgrade.databases[1].repair = Some("PRIMARY".into());
    assert_eq!(world.codes(), ["repair-nothing"]);
}

#[test]
fn script_when_it_names_another_database_than_it_runs_on_then_refused() {
    let mut world = World::new();
    let known = world.scripts.get_mut("migration.sql").unwrap();
    known.databases = ["CARBON".to_owned()].into();
    world.good();
    world.upgrade.copy_first = true;
    assert_eq!(world.codes(), ["script-other-database"]);
}
