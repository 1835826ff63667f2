//! `cutover config report`: text, JSON, a page, and the exit code.

use cutover_proto::config::ShownValue;
use cutover_proto::config::report::{ComparedNode, ConfigReport, Fate, ReportChange, ReportFile};
use cutover_proto::view::Severity;

use crate::coordinator::{Coordinator, Script};
use crate::documents::finding;
use crate::{run, write};

fn report(undecided: usize) -> ConfigReport {
    let node = "dss-1".parse().unwrap();
    let change = ReportChange {
        nodes: vec![node],
        everywhere: true,
        path: Some("/Server/X".into()),
        kind: Some(cutover_proto::config::ChangeKind::Added),
        stock: None,
        site: Some(ShownValue::Plain("x".into())),
        new: "not there".into(),
        fate: if undecided > 0 {
            Fate::Undecided
        } else {
            Fate::Carried
        },
        why: "the site added it".into(),
        to: None,
        answer: (undecided > 0).then(|| "[[decide]]".into()),
    };
    ConfigReport {
        upgrade: "dss-prod".into(),
        guide: "dss-3.2.0".into(),
        nodes: vec![ComparedNode {
            node: "dss-1".parse().unwrap(),
            old: "/opt/old".into(),
            new: "/opt/new".into(),
            stock: "old.zip".into(),
            problem: None,
        }],
        files: vec![ReportFile {
            file: "repository/conf/carbon.xml".into(),
            changes: vec![change],
        }],
        undecided,
        answers: if undecided > 0 {
            "[[decide]]\n".into()
        } else {
            String::new()
        },
        ..ConfigReport::default()
    }
}

#[test]
fn report_when_something_is_undecided_then_the_exit_code_waits_for_a_person() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("dss.toml");
    write(&file, "name = \"dss-prod\"\n");
    write(&dir.path().join("old.zip"), "archive");
    let page = dir.path().join("config.html");
    let coordinator = Coordinator::start(Script {
        wanted: vec!["old.zip".into()],
        findings: vec![finding(Severity::Note, "dss-1")],
        report: Some(report(1)),
        ..Script::default()
    });
    run(coordinator
        .cutover(&["config", "report", "--node", "dss-1", "--html"])
        .arg(&page)
        .arg(&file))
    .exits(4)
    .says(&[
        "repository/conf/carbon.xml",
        "undecided",
        "the site added it",
        "[[decide]]",
    ])
    .warns(&["note dss-1"]);
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.starts_with("<!doctype html>") && html.contains("/Server/X"));
    assert_eq!(coordinator.script().blobs.len(), 1, "the archive was uploaded");
    let json = run(coordinator.cutover(&["config", "report", "--json"]).arg(&file))
        .exits(4)
        .json();
    assert_eq!(json["files"][0]["changes"][0]["fate"], "undecided");
    run(coordinator
        .cutover(&["config", "report", "--node", "other"])
        .arg(&file))
    .exits(2)
    .warns(&["no node `other`", "dss-1"]);
}

#[test]
fn report_when_all_is_decided_then_done_and_when_the_file_is_wrong_then_bad_input() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("dss.toml");
    write(&file, "");
    let coordinator = Coordinator::start(Script {
        report: Some(report(0)),
        ..Script::default()
    });
    run(coordinator.cutover(&["config", "report"]).arg(&file))
        .exits(0)
        .says(&["1 change: 1 carried"]);
    for (place, code) in [("dss.toml:3", 2), ("dss-1", 3)] {
        let coordinator = Coordinator::start(Script {
            findings: vec![finding(Severity::Error, place)],
            ..Script::default()
        });
        run(coordinator.cutover(&["config", "report"]).arg(&file))
            .exits(code)
            .warns(&[place]);
    }
}
