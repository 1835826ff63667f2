//! What the site changed in its configuration, in the plan.

use cutover_proto::config::{
    ChangeKind, ConfigComparison, FileComparison, FileState, NewPlace, ShownValue, SiteChange,
};
use cutover_proto::ids::Sha256Hex;
use cutover_proto::step::HomeValue;

use super::*;

const USERS: &str = "repository/conf/user-mgt.xml";
const CARBON: &str = "repository/conf/carbon.xml";

fn change(path: &str, site: ShownValue) -> SiteChange {
    SiteChange {
        path: path.into(),
        kind: ChangeKind::Changed,
        stock: Some(ShownValue::Plain("stock".into())),
        site: Some(site),
        new: NewPlace::There {
            value: ShownValue::Plain("stock".into()),
            same: false,
        },
    }
}

fn comparison(files: &[(&str, SiteChange)]) -> ConfigComparison {
    let file = |(file, change): &(&str, SiteChange)| FileComparison {
        file: (*file).into(),
        sha256: Sha256Hex::of(file.as_bytes()),
        state: FileState::Edited,
        changes: vec![change.clone()],
    };
    ConfigComparison {
        old: String::new(),
        stock: String::new(),
        new_version: None,
        files: files.iter().map(file).collect(),
    }
}

/// The fleet, with these changes on every node.
fn world(files: &[(&str, SiteChange)]) -> World {
    let mut world = World::new();
    for comparison in world.configs.values_mut() {
        *comparison = Ok(self::comparison(files));
    }
    world
}

fn edits(plan: &Plan, step: &str) -> Vec<(String, ConfigValue)> {
    let StepAction::Node(NodeAction::EditXml { edits, .. }) =
        &plan.step(&step.parse().unwrap()).unwrap().action
    else {
        panic!("{step} is no edit")
    };
    edits
        .iter()
        .map(|edit| (edit.path.clone(), edit.value.clone()))
        .collect()
}

#[test]
fn changes_when_carried_then_one_step_edits_a_file_and_secrets_go_from_home_to_home() {
    let password = "/UserManager/Realm/Configuration/AdminUser/Password";
    let plan = world(&[
        (USERS, change(password, ShownValue::Hidden)),
        (
            CARBON,
            change("/Server/Axis2Config/X", ShownValue::Plain("site".into())),
        ),
    ])
    .good();
    let users = edits(&plan, "prepare.edit-user-mgt@n1");
    assert!(
        users[0].0.ends_with("Property[@name='dataSource']"),
        "the guide's edits come first: {users:?}"
    );
    let place = HomeValue {
        home: "/opt/n1/old".into(),
        file: USERS.into(),
        path: password.into(),
    };
    assert_eq!(users[1], (password.to_owned(), ConfigValue::Carried(place)));
    let carbon = edits(&plan, "prepare.edit-carbon@n2");
    assert_eq!(
        carbon,
        [(
            "/Server/Axis2Config/X".to_owned(),
            ConfigValue::Literal("site".into())
        )]
    );
    assert!(
        plan.notes
            .iter()
            .any(|note| note.contains("2 change(s) of the site: put into the same place")),
        "{:?}",
        plan.notes
    );
}

#[test]
fn plan_when_made_then_its_preflight_compares_again_and_holds_the_files_to_their_hashes() {
    let mut world = world(&[(
        CARBON,
        change("/Server/Axis2Config/X", ShownValue::Plain("site".into())),
    )]);
    let blob = world.attachments["migration.sql"].clone();
    world.upgrade.old_distribution = Some(crate::model::upgrade::Distribution {
        file: "migration.sql".into(),
        sha256: blob.sha256.clone(),
    });
    let plan = world.good();
    let step = plan
        .step(&"preflight.compare-config@n1".parse().unwrap())
        .unwrap();
    let expected = NodeAction::CompareConfig {
        old: "/opt/n1/old".into(),
        old_stock: Some(blob),
        new: "/opt/n1/new".into(),
        new_stock: None,
    };
    assert_eq!(step.action, StepAction::Node(expected));
    let planned = &plan.configs[&world.nodes[0].name];
    let now = |value: &str| {
        let site = ShownValue::Plain(value.into());
        config::prints(&comparison(&[(CARBON, change("/Server/Axis2Config/X", site))]))
    };
    assert_eq!(config::differences(planned, &now("site")), None);
    assert!(
        config::differences(planned, &now("other"))
            .unwrap()
            .contains(CARBON)
    );
}

#[test]
fn change_when_undecided_then_no_plan_and_when_by_hand_then_the_servers_stop_after_an_approval() {
    let open = change("/Server/Axis2Config/X", ShownValue::Plain("/opt/n1/old/x".into()));
    let mut world = world(&[(CARBON, open)]);
    let n2 = world.nodes[1].name.clone();
    world.configs.insert(n2, Ok(ConfigComparison::default()));
    assert_eq!(world.codes(), ["config-undecided"]);
    let approval = |plan: &Plan| {
        plan.phases
            .iter()
            .find(|phase| phase.name == "quiesce")
            .unwrap()
            .approval
    };
    assert!(!approval(&World::new().good()));
    let text = format!(
        "{}[[decide]]\nfile = \"{CARBON}\"\ntake = \"by-hand\"\n",
        crate::planner::testing::FILE
    );
    world.upgrade = Upgrade::parse("dss.toml", &text).unwrap();
    let plan = world.good();
    assert!(approval(&plan));
    assert!(
        plan.notes
            .iter()
            .any(|note| note.starts_with("by hand, before phase quiesce is approved: n1: "))
    );
    assert!(plan.step(&"prepare.edit-carbon@n1".parse().unwrap()).is_none());
}

#[test]
fn keystore_when_another_one_since_the_plan_then_the_essentials_differ() {
    let mut world = World::new();
    let planned = world.good().inventory;
    let name = world.nodes[0].name.clone();
    world.home(0, 0).secrets.keystores = vec![cutover_proto::facts::KeystoreFacts {
        file: "repository/resources/security/wso2carbon.jks".into(),
        role: "key store".into(),
        sha256: Some(Sha256Hex::of(b"other")),
    }];
    assert_ne!(world.good().inventory[&name], planned[&name]);
}
