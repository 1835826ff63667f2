//! Every shipped guide on a fleet that it is for.

use super::*;
use crate::planner::testing::{World, shipped, source};

/// Product, old version and kernel, new version and kernel.
fn hop(name: &str) -> [&'static str; 5] {
    match name {
        "ss-1.1.0" => ["WSO2 Storage Server", "1.0.3", "4.1.0", "1.1.0", "4.2.0"],
        "dss-3.2.0" => ["WSO2 Data Services Server", "3.0.1", "4.1.0", "3.2.0", "4.2.0"],
        "as-5.2.0" => ["WSO2 Application Server", "5.1.0", "4.1.0", "5.2.0", "4.2.0"],
        "carbon-4.2.0" => ["WSO2 Governance Registry", "4.1.1", "4.0.0", "4.6.0", "4.2.0"],
        "carbon-4.4.7" => ["WSO2 Message Broker", "3.1.0", "4.4.6", "3.1.0", "4.4.7"],
        other => panic!("no fleet for {other}"),
    }
}

const RSS: &str = r#"
[[database]]
name       = "rss"
datasource = "MetadataRepoDS"
production = { url = "mysql://dss@db1/RSS", password = "file:/pw" }
staging    = { url = "mysql://dss@db1/RSS_110", password = "file:/pw" }
"#;

/// A good fleet for a guide.
pub(super) fn world(name: &str) -> World {
    let mut world = World::new();
    let [product, old_version, old_kernel, new_version, new_kernel] = hop(name);
    world.guide = shipped(name);
    for node in 0..2 {
        for (home, version, kernel) in [(0, old_version, old_kernel), (1, new_version, new_kernel)] {
            let facts = world.home(node, home);
            (facts.product, facts.version, facts.kernel) = (product.into(), version.into(), kernel.into());
        }
    }
    if name == "carbon-4.4.7" {
        world.databases.get_mut("carbon").unwrap().level = SchemaLevel::At42;
        world.upgrade.databases[0].scripts.clear();
    }
    if name == "ss-1.1.0" {
        add_rss(&mut world);
    }
    world
}

fn add_rss(world: &mut World) {
    let text = format!("{}{RSS}", crate::planner::testing::FILE);
    world.upgrade = Upgrade::parse("ss.toml", &text).unwrap();
    for node in 0..2 {
        let mut rss = source("RSS metadata", "", "jdbc:mysql://db1:3306/RSS");
        rss.file = "repository/conf/etc/rss-config.xml".into();
        world.home(node, 0).other_databases = vec![rss];
    }
    let mut probe = world.databases["carbon"].clone();
    probe.production_identity = "p2".into();
    probe.staging_identity = "s2".into();
    probe.level = SchemaLevel::NoUserStore;
    probe.tenants.clear();
    probe.rss = RssLevel::At103;
    probe.tables = ["RM_SERVER_INSTANCE", "RM_DATABASE", "RM_DATABASE_USER"]
        .map(str::to_owned)
        .into();
    world.databases.insert("rss".into(), probe);
    for engine in ["mysql", "postgres"] {
        for name in ["ss-1.0.3-to-1.1.0-rss", "ss-1.1.0-rss-ids"] {
            let name = format!("{name}.{engine}.sql");
            let mut script = world.scripts["migration.sql"].clone();
            script.blob.name.clone_from(&name);
            script.touches = ["RM_ENVIRONMENT".to_owned()].into();
            world.scripts.insert(name, script);
        }
    }
}

pub(super) const GUIDES: [&str; 5] = [
    "ss-1.1.0",
    "dss-3.2.0",
    "carbon-4.4.7",
    "carbon-4.2.0",
    "as-5.2.0",
];

/// What happens to data, in the plan's order.
fn data_steps(plan: &Plan, database: &str) -> Vec<String> {
    let place = format!("@{database}");
    let ids = ids(plan, "data").into_iter();
    ids.filter_map(|id| Some(id.strip_suffix(&place)?.strip_prefix("data.")?.to_owned()))
        .collect()
}

#[test]
fn guides_when_planned_then_each_in_its_own_order() {
    for name in GUIDES {
        let expected: &[&str] = match shipped(name).order {
            Order::MigrateThenCopy => &["backup", "migrate", "copy", "compare"],
            Order::CopyThenMigrate => &["backup", "copy", "compare", "migrate"],
            Order::CopyOnly => &["backup", "copy", "compare"],
        };
        assert_eq!(data_steps(&world(name).good(), "carbon"), expected, "{name}");
    }
}

#[test]
fn guides_when_copied_first_then_production_is_never_changed() {
    for name in GUIDES {
        let mut world = world(name);
        world.upgrade.copy_first = true;
        let plan = world.good();
        let on_production = |step: &cutover_proto::plan::PlanStep| {
            step.action
                == StepAction::Database(DatabaseAction::Migrate {
                    role: DatabaseRole::Production,
                })
        };
        assert!(!plan.steps().any(on_production), "{name}");
        let migrates = world.guide.order != Order::CopyOnly;
        let expected: &[&str] = if migrates {
            &["backup", "copy", "compare", "migrate"]
        } else {
            &["backup", "copy", "compare"]
        };
        assert_eq!(data_steps(&plan, "carbon"), expected, "{name}");
    }
}

#[test]
fn guides_when_planned_then_every_sentence_that_is_not_declined_stands_behind_a_step() {
    for name in GUIDES {
        let world = world(name);
        assert_every_sentence(&world, &world.good());
    }
}

#[test]
fn copy_only_when_a_script_is_named_then_refused() {
    let mut world = world("carbon-4.4.7");
    world.upgrade.databases[0].scripts = vec!["migration.sql".into()];
    assert_eq!(world.codes(), ["script-unwanted"]);
}

#[test]
fn copy_only_when_the_schema_is_older_then_refused() {
    let mut world = world("carbon-4.4.7");
    world.databases.get_mut("carbon").unwrap().level = SchemaLevel::Before42;
    assert_eq!(world.codes(), ["schema-too-old"]);
}

#[test]
fn any_product_when_homes_hold_different_ones_then_refused() {
    let mut world = world("carbon-4.2.0");
    world.home(0, 1).product = "WSO2 Message Broker".into();
    assert_eq!(world.codes(), ["mixed-versions", "wrong-product"]);
    world.home(1, 1).product = "WSO2 Message Broker".into();
    assert_eq!(world.codes(), ["wrong-product"]);
}

#[test]
fn any_product_when_the_old_home_is_on_the_new_kernel_then_already_upgraded() {
    let mut world = world("carbon-4.4.7");
    for node in 0..2 {
        world.home(node, 0).kernel = "4.4.7".into();
    }
    assert_eq!(world.codes(), ["already-upgraded"]);
}

#[test]
fn identity_server_when_its_scripts_are_not_named_then_refused_and_elsewhere_they_are_refused() {
    let mut world = world("carbon-4.2.0");
    for node in 0..2 {
        for home in 0..2 {
            world.home(node, home).product = "WSO2 Identity Server".into();
        }
    }
    assert_eq!(world.codes(), ["identity-scripts-missing"]);
    for name in ["migration-identity.sql", "migration-service-provider.sql"] {
        let mut script = world.scripts["migration.sql"].clone();
        script.touches = ["IDN_BASE_TABLE".to_owned()].into();
        world.scripts.insert(name.into(), script);
        world.upgrade.databases[0].scripts.push(name.into());
    }
    assert_eq!(world.good().databases[0].scripts.len(), 3);
    for node in 0..2 {
        for home in 0..2 {
            world.home(node, home).product = "WSO2 Message Broker".into();
        }
    }
    assert_eq!(world.codes(), ["identity-script"]);
}

#[test]
fn shipped_artifacts_when_directories_are_copied_then_they_stay_unless_the_operator_says() {
    let mut world = world("as-5.2.0");
    world.upgrade.overwrite = vec!["repository/deployment/server/webapps/*.war".into()];
    let plan = world.good();
    let step = plan.step(&"data.copy-server@n1".parse().unwrap()).unwrap();
    let StepAction::Node(NodeAction::CopyTree {
        protect, overwrite, ..
    }) = &step.action
    else {
        panic!("not a copy")
    };
    assert!(*protect && overwrite.len() == 1);
    let tenants = plan.step(&"data.copy-tenants@n1".parse().unwrap()).unwrap();
    assert!(matches!(
        &tenants.action,
        StepAction::Node(NodeAction::CopyTree { protect: false, .. })
    ));
}

#[test]
fn embedded_ldap_when_planned_then_its_users_are_copied_while_stopped() {
    for name in GUIDES {
        let plan = world(name).good();
        let steps = ids(&plan, "data");
        let copies = steps
            .iter()
            .filter(|id| *id == "data.copy-org.wso2.carbon.directory@n1");
        assert_eq!(copies.count(), 1, "{name}");
    }
}

#[test]
fn test_beside_production_when_the_page_speaks_of_it_then_declined_as_nothing_serves_beside_it() {
    let guide = shipped("carbon-4.2.0");
    let beside = guide
        .sentences
        .iter()
        .find(|sentence| sentence.id == "beside")
        .unwrap();
    assert!(beside.steps.is_empty() && beside.declined.is_some());
    let mut world = World::new();
    let told = |world: &World| {
        let notes = world.good().notes;
        notes.into_iter().find(|note| note.contains("beside production"))
    };
    assert_eq!(told(&world), None);
    world.guide.beside = true;
    assert!(told(&world).unwrap().contains("none has yet"));
}
