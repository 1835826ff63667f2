//! Large tables copied as files: who does it, and when it is refused or left out.

use cutover_copy::tablespaces::Exportable;
use cutover_proto::plan::{DataMode, Place, StepAction};
use cutover_proto::step::NodeAction;

use crate::planner::HostProbe;
use crate::planner::testing::{World, node};

/// A world whose database host is a node of its own.
fn world() -> World {
    let mut world = World::new();
    world.upgrade.databases[0].host = Some("db1".parse().unwrap());
    let mut host = node("db1");
    host.facts.as_mut().unwrap().database_dirs = vec!["/var/lib/mysql/".into()];
    world.databases.get_mut("carbon").unwrap().host = Some(HostProbe {
        node: Some(host),
        same_server: true,
        exportable: Exportable {
            data_dir: "/var/lib/mysql".into(),
            from: "CARBON".into(),
            to: "CARBON_NEW".into(),
            obstacle: None,
            tables: vec!["REG_CONTENT".into(), "REG_LOG".into()],
            bytes: 5 << 30,
        },
    });
    world
}

fn host(world: &mut World) -> &mut HostProbe {
    let probe = world.databases.get_mut("carbon").unwrap();
    probe.host.as_mut().unwrap()
}

#[test]
fn files_when_the_host_may_then_locked_copied_there_and_taken_in_by_the_copy() {
    let plan = world().good();
    let data = plan.phases.iter().find(|phase| phase.name == "data").unwrap();
    let at = |id: &str| {
        data.steps
            .iter()
            .position(|step| step.id.to_string() == id)
            .unwrap()
    };
    let [export, files, copy] = [
        "data.export@carbon",
        "data.copy-tablespaces-carbon@db1",
        "data.copy@carbon",
    ]
    .map(at);
    assert!(export < files && files < copy);
    let step = &data.steps[files];
    assert_eq!(step.place, Place::Node("db1".parse().unwrap()));
    assert_eq!(step.after, [data.steps[export].id.clone()]);
    assert_eq!(data.steps[copy].after, std::slice::from_ref(&step.id));
    let StepAction::Node(NodeAction::CopyTablespaces {
        data_dir,
        from,
        to,
        tables,
    }) = &step.action
    else {
        panic!("{:?}", step.action)
    };
    assert_eq!(
        (data_dir.as_str(), from.as_str(), to.as_str()),
        ("/var/lib/mysql", "CARBON", "CARBON_NEW")
    );
    assert_eq!(tables, &["REG_CONTENT", "REG_LOG"]);
    // The host is none of the nodes that are upgraded.
    assert!(!plan.nodes.contains(&"db1".parse().unwrap()));
    assert!(
        plan.notes
            .iter()
            .any(|note| note.contains("copied as files by db1")),
        "{:?}",
        plan.notes
    );
}

#[test]
fn files_when_nothing_can_be_copied_so_then_by_rows_and_the_plan_says_why() {
    let none = |change: &dyn Fn(&mut World), why: &str| {
        let mut world = world();
        change(&mut world);
        let plan = world.good();
        assert!(
            plan.steps().all(|step| step.action.kind() != "copy-tablespaces"),
            "{why}"
        );
        assert!(plan.databases[0].tablespaces.is_none());
        let told = |note: &String| note.contains("no table is copied as a file") && note.contains(why);
        assert!(plan.notes.iter().any(told), "{why}: {:?}", plan.notes);
    };
    none(
        &|world| host(world).same_server = false,
        "not on one MariaDB server",
    );
    none(&|world| host(world).exportable.tables.clear(), "worthwhile");
    none(
        &|world| host(world).exportable.obstacle = Some("it lacks RELOAD".into()),
        "lacks RELOAD",
    );
    none(
        &|world| world.upgrade.downtime.mode = Some(DataMode::Sync),
        "it serves",
    );
}

#[test]
fn files_when_the_host_can_not_then_no_plan() {
    let refused = |change: &dyn Fn(&mut HostProbe), code: &str| {
        let mut world = world();
        change(host(&mut world));
        assert_eq!(world.codes(), [code]);
    };
    refused(&|host| host.node = None, "no-database-host");
    refused(
        &|host| host.node.as_mut().unwrap().connected = false,
        "database-host-away",
    );
    let forget = |host: &mut HostProbe| {
        let facts = host.node.as_mut().unwrap().facts.as_mut().unwrap();
        facts.database_dirs = vec!["/srv/mysql".into()];
    };
    refused(&forget, "database-host-policy");
}
