mod configuration;
mod databases;
mod guides;
mod named;
mod online;
mod refusals;
mod stock;
mod tablespaces;

use cutover_proto::plan::{DatabaseAction, DatabaseRole, StepAction};
use cutover_proto::step::{ConfigValue, NodeAction};

use super::testing::World;
use super::*;

/// Every sentence that is not declined stands behind a step. The smoke tests need an admin account; without one the
/// plan says so in its notes.
fn assert_every_sentence(world: &World, plan: &Plan) {
    let carried = world
        .guide
        .sentences
        .iter()
        .filter(|sentence| sentence.declined.is_none());
    for sentence in carried.filter(|sentence| sentence.steps != ["smoke"]) {
        let found = plan.steps().any(|step| step.sentences.contains(&sentence.text));
        assert!(found, "{}: {}", world.guide.name, sentence.id);
    }
}

fn ids(plan: &Plan, phase: &str) -> Vec<String> {
    let phase = plan.phases.iter().find(|p| p.name == phase).unwrap();
    phase.steps.iter().map(|step| step.id.to_string()).collect()
}

#[test]
fn plan_when_made_twice_then_same_hash() {
    assert_eq!(World::new().good().hash(), World::new().good().hash());
}

#[test]
fn guide_order_when_planned_then_production_is_migrated_before_the_copy_and_can_be_restored() {
    let plan = World::new().good();
    let data = ids(&plan, "data");
    let expected = [
        "data.backup@carbon",
        "data.migrate@carbon",
        "data.copy@carbon",
        "data.compare@carbon",
    ];
    assert_eq!(data[..4], expected);
    let migrate = plan.step(&"data.migrate@carbon".parse().unwrap()).unwrap();
    assert_eq!(
        migrate.action,
        StepAction::Database(DatabaseAction::Migrate {
            role: DatabaseRole::Production
        })
    );
    assert_eq!(migrate.reversal, cutover_proto::plan::Reversal::Undo);
    assert_eq!(migrate.after, ["data.backup@carbon".parse().unwrap()]);
}

#[test]
fn copy_first_when_planned_then_only_staging_is_migrated() {
    let mut world = World::new();
    world.upgrade.copy_first = true;
    let plan = world.good();
    let expected = [
        "data.backup@carbon",
        "data.copy@carbon",
        "data.compare@carbon",
        "data.migrate@carbon",
    ];
    assert_eq!(ids(&plan, "data")[..4], expected);
    let touches_production = plan.steps().any(|step| {
        step.action
            == StepAction::Database(DatabaseAction::Migrate {
                role: DatabaseRole::Production,
            })
    });
    assert!(!touches_production);
}

#[test]
fn phases_when_planned_then_nothing_changes_before_its_backup_and_the_point_of_no_return_is_last() {
    let plan = World::new().good();
    let names: Vec<&str> = plan.phases.iter().map(|phase| phase.name.as_str()).collect();
    let expected = [
        "preflight",
        "prepare",
        "backup",
        "quiesce",
        "data",
        "checkpoint",
        "cutover",
        "finalize",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        plan.point_of_no_return.as_ref().unwrap().as_str(),
        "finalize.finalize@coordinator"
    );
    assert!(plan.phases.last().unwrap().approval);
}

#[test]
fn cutover_when_planned_then_manager_is_ready_before_the_others_start() {
    let plan = World::new().good();
    assert_eq!(plan.nodes[0].as_str(), "n2");
    let other = plan.step(&"cutover.start@n1".parse().unwrap()).unwrap();
    assert_eq!(other.after, ["cutover.ready@n2".parse().unwrap()]);
    let manager = plan.step(&"cutover.start@n2".parse().unwrap()).unwrap();
    assert_eq!(manager.after, ["cutover.prove-alone@carbon".parse().unwrap()]);
}

#[test]
fn edits_when_planned_then_staging_url_keeps_the_sites_parameters_and_the_password_is_a_reference() {
    let plan = World::new().good();
    let step = plan
        .step(&"prepare.edit-master-datasources@n1".parse().unwrap())
        .unwrap();
    let StepAction::Node(NodeAction::EditXml { home, edits, .. }) = &step.action else {
        panic!("not an edit")
    };
    assert_eq!(home, "/opt/n1/new");
    let value = |name: &str| &edits.iter().find(|edit| edit.path.ends_with(name)).unwrap().value;
    assert_eq!(
        value("/url"),
        &ConfigValue::Literal("jdbc:mysql://db1:3306/CARBON_320?autoReconnect=true".into())
    );
    assert!(matches!(value("/password"), ConfigValue::Secret(reference) if reference.0 == "file:/pw"));
    assert!(plan.step(&"prepare.edit-user-mgt@n1".parse().unwrap()).is_some());
    assert!(plan.step(&"prepare.edit-registry@n1".parse().unwrap()).is_some());
}

#[test]
fn sentences_when_planned_then_every_one_that_is_not_declined_stands_behind_a_step() {
    let world = World::new();
    let plan = world.good();
    assert_every_sentence(&world, &plan);
}

#[test]
fn schema_when_already_at_the_new_level_then_no_script_runs_and_the_plan_says_so() {
    let mut world = World::new();
    world.databases.get_mut("carbon").unwrap().level = SchemaLevel::At42;
    let plan = world.good();
    assert!(plan.databases[0].scripts.is_empty());
    assert!(plan.step(&"data.migrate@carbon".parse().unwrap()).is_none());
    assert!(
        plan.notes
            .iter()
            .any(|note| note.contains("at the level of Carbon 4.2.0 already"))
    );
}

#[test]
fn tenants_when_there_are_none_then_their_directory_is_not_copied() {
    let mut world = World::new();
    world.databases.get_mut("carbon").unwrap().tenants.clear();
    for node in 0..2 {
        world.home(node, 0).tenants.clear();
    }
    let plan = world.good();
    assert!(plan.step(&"data.copy-tenants@n1".parse().unwrap()).is_none());
    assert!(plan.step(&"data.copy-server@n1".parse().unwrap()).is_some());
}

#[test]
fn script_when_for_identity_server_then_refused() {
    let mut world = World::new();
    world.upgrade.databases[0].scripts = vec!["migration-identity.sql".into()];
    assert_eq!(world.codes(), ["identity-script"]);
}

#[test]
fn script_when_none_is_named_on_postgres_then_ours_is_offered_and_on_mysql_refused() {
    let mut world = World::new();
    world.upgrade.databases[0].scripts.clear();
    assert_eq!(world.codes(), ["no-script"]);
}

#[test]
fn fleet_when_wrong_then_every_reason_is_found_at_once() {
    let mut world = World::new();
    world.nodes[0].connected = false;
    world.home(1, 0).version = "3.2.0".into();
    world.upgrade.expect = 3;
    assert_eq!(
        world.codes(),
        ["already-upgraded", "mixed-versions", "node-away", "wrong-count"]
    );
}

#[test]
fn home_when_not_as_the_guide_needs_then_refused() {
    type Change = fn(&mut World);
    let cases: [(&str, Change); 8] = [
        ("wrong-product", |w| {
            w.home(0, 0).product = "WSO2 Application Server".into()
        }),
        ("wrong-version", |w| {
            w.home(0, 1).kernel = "4.1.0".into();
            w.home(1, 1).kernel = "4.1.0".into();
        }),
        ("home-missing", |w| w.home(0, 1).exists = false),
        ("mixed-versions", |w| w.home(0, 0).version = "3.0.2".into()),
        ("database-left-out", |w| {
            w.home(0, 0).user_datasource = Some("jdbc/Other".into())
        }),
        ("other-database", |w| {
            w.home(0, 0).datasources[0].url = "jdbc:mysql://db1:3306/OTHER".into()
        }),
        ("engine-unsupported", |w| {
            w.home(0, 0).datasources[0].url = "jdbc:h2:x".into()
        }),
        ("no-room", |w| w.home(0, 0).bytes = 1 << 50),
    ];
    for (code, change) in cases {
        let mut world = World::new();
        change(&mut world);
        assert_eq!(world.codes(), [code]);
    }
}

#[test]
fn database_when_half_migrated_then_refused() {
    let mut world = World::new();
    world.databases.get_mut("carbon").unwrap().level = SchemaLevel::Mixed {
        present: vec!["UM_DOMAIN".into()],
        absent: vec!["UM_MODULE".into()],
    };
    assert_eq!(world.codes(), ["half-migrated"]);
}

#[test]
fn site_value_when_it_names_node_and_label_then_each_node_gets_its_own() {
    let mut world = World::new();
    world.upgrade.configs = vec![crate::model::upgrade::SiteConfig {
        file: "repository/conf/carbon.xml".into(),
        set: [(
            "/Server/HostName".to_owned(),
            "{node}.{label.zone}.example/${carbon.home}".to_owned(),
        )]
        .into(),
    }];
    assert_eq!(world.codes(), ["label-missing"]);
    for (node, zone) in world.nodes.iter_mut().zip(["east", "west"]) {
        node.labels.insert("zone".into(), zone.into());
    }
    let plan = format!("{:?}", world.good());
    assert!(
        plan.contains("n1.east.example/${carbon.home}") && plan.contains("n2.west.example/${carbon.home}")
    );
}

#[test]
fn node_when_changed_since_the_plan_then_its_essentials_differ_and_a_stopped_server_is_no_change() {
    let mut world = World::new();
    let planned = world.good().inventory;
    let homes = ["/opt/n1/old".to_owned(), "/opt/n1/new".to_owned()];
    let now = |world: &World| essentials(world.nodes[0].facts.as_ref().unwrap(), &homes);
    let name = world.nodes[0].name.clone();
    world.home(0, 0).bytes += 1;
    world.home(0, 0).server = None;
    assert_eq!(now(&world), planned[&name]);
    world.home(0, 0).datasources[0].url = "jdbc:mysql://db1:3306/OTHER".into();
    assert_ne!(now(&world), planned[&name]);
}
