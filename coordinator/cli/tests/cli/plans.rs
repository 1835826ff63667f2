//! From an upgrade file to a plan: uploads, findings, plan files.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use cutover_proto::ids::Sha256Hex;
use cutover_proto::view::Severity;
use tempfile::TempDir;

use crate::authority::Authority;
use crate::coordinator::{Coordinator, Script};
use crate::documents::{finding, plan};
use crate::{run, write};

/// A folder with an upgrade file and a script of a bit more than two messages.
fn upgrade() -> (TempDir, PathBuf, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("dss.toml");
    write(&file, "name = \"dss-prod\"\n");
    std::fs::create_dir(dir.path().join("sql")).unwrap();
    let script: Vec<u8> = b"SELECT 1;\n"
        .iter()
        .copied()
        .cycle()
        .take(2 * 256 * 1024 + 7)
        .collect();
    write(&dir.path().join("sql/migration.sql"), &script);
    (dir, file, script)
}

fn wanting(names: &[&str]) -> Script {
    Script {
        wanted: names.iter().map(|name| (*name).to_owned()).collect(),
        plan: Some(plan()),
        ..Script::default()
    }
}

#[test]
fn wanted_file_is_uploaded_whole_and_once() {
    let (_dir, file, content) = upgrade();
    let coordinator = Coordinator::start(wanting(&["sql/migration.sql"]));
    run(coordinator.cutover(&["plan"]).arg(&file))
        .exits(0)
        .says(&[
            "dss-prod: dss-3.2.0",
            "1. stop and hold the server of /opt/dss on dss-1",
            "undo: start it",
        ])
        .says(&["“Stop all running instances.”", plan().hash().as_str()]);
    run(coordinator.cutover(&["check"]).arg(&file)).exits(0);
    let script = coordinator.script();
    assert_eq!(script.blobs.get(Sha256Hex::of(&content).as_str()), Some(&content));
    assert_eq!(script.messages, [256 * 1024, 256 * 1024, 7]);
}

#[test]
fn empty_file_is_uploaded_too() {
    let (dir, file, _) = upgrade();
    write(&dir.path().join("empty.sql"), "");
    let coordinator = Coordinator::start(wanting(&["empty.sql"]));
    run(coordinator.cutover(&["plan"]).arg(&file)).exits(0);
    assert_eq!(coordinator.script().messages, [0]);
}

#[test]
fn wanted_file_when_missing_then_bad_input_that_names_it() {
    let (dir, file, _) = upgrade();
    let coordinator = Coordinator::start(wanting(&["sql/other.sql"]));
    let path = dir.path().join("sql/other.sql").display().to_string();
    run(coordinator.cutover(&["plan"]).arg(&file)).exits(2).warns(&[
        "sql/other.sql",
        &path,
        "upgrade file's folder",
    ]);
}

#[test]
fn upgrade_file_when_missing_then_bad_input() {
    let coordinator = Coordinator::start(Script::default());
    run(&mut coordinator.cutover(&["check", "none.toml"]))
        .exits(2)
        .warns(&["none.toml"]);
}

#[test]
fn error_in_the_file_is_bad_input_and_one_of_the_fleet_is_refused() {
    let (_dir, file, _) = upgrade();
    for (place, code) in [("dss.toml:12", 2), ("database carbon", 3)] {
        let findings = vec![finding(Severity::Note, "x"), finding(Severity::Error, place)];
        let coordinator = Coordinator::start(Script {
            findings,
            ..Script::default()
        });
        let first = format!("error {place} [not-empty] staging has 12 tables\n  → name an empty database");
        run(coordinator.cutover(&["check"]).arg(&file))
            .exits(code)
            .says(&[&first, "1 error, 1 note"]);
        run(coordinator.cutover(&["plan"]).arg(&file))
            .exits(code)
            .warns(&[&first]);
        run(coordinator.cutover(&["apply", "--yes"]).arg(&file)).exits(code);
        assert!(coordinator.script().applied.is_empty());
        let json = run(coordinator.cutover(&["plan", "--json"]).arg(&file))
            .exits(code)
            .json();
        assert_eq!(json["findings"][1]["place"], place);
        assert!(json["plan"].is_null());
    }
}

#[test]
fn plan_file_is_the_hashed_bytes_and_can_be_shown() {
    let (dir, file, _) = upgrade();
    let coordinator = Coordinator::start(Script {
        plan: Some(plan()),
        ..Script::default()
    });
    let out = dir.path().join("dss.plan");
    run(coordinator.cutover(&["plan", "--out"]).arg(&out).arg(&file))
        .exits(0)
        .says(&["cutover apply"]);
    assert_eq!(Sha256Hex::of(&std::fs::read(&out).unwrap()), plan().hash());
    run(coordinator.cutover(&["show"]).arg(&out))
        .exits(0)
        .says(&["Phase quiesce"]);
    run(&mut coordinator.cutover(&["show", plan().hash().short()]))
        .exits(0)
        .says(&["Phase quiesce"]);
    run(coordinator.cutover(&["show"]).arg(&file))
        .exits(2)
        .warns(&["is an upgrade file"]);
    run(&mut coordinator.cutover(&["show", "0123456789abcdef"]))
        .exits(2)
        .warns(&["no such plan"]);
    let json = run(coordinator.cutover(&["plan", "--json"]).arg(&file)).exits(0);
    assert!(
        json.out.contains(&String::from_utf8(plan().canonical()).unwrap()),
        "the plan stands byte for byte"
    );
    assert_eq!(json.json()["plan_hash"], plan().hash().as_str());
}

#[test]
fn init_writes_the_file_to_standard_output_alone() {
    let coordinator = Coordinator::start(Script {
        findings: vec![finding(Severity::Warning, "node dss-1")],
        ..Script::default()
    });
    let outcome = run(&mut coordinator.cutover(&["init", "dss-3.2.0", "--select", "a=b"])).exits(0);
    assert_eq!(outcome.out, "guide = \"dss-3.2.0\"\n");
    outcome.warns(&["warning node dss-1"]);
}

#[test]
fn guide_lint_sends_a_file_and_fails_on_errors() {
    let (_dir, file, _) = upgrade();
    let findings = vec![finding(Severity::Error, "guide:3")];
    let coordinator = Coordinator::start(Script {
        findings,
        ..Script::default()
    });
    run(coordinator.cutover(&["guide", "lint"]).arg(&file))
        .exits(2)
        .says(&["error guide:3"]);
    let page = file.with_file_name("page.txt");
    write(&page, "Stop the server.");
    let mut lint = coordinator.cutover(&["guide", "lint"]);
    run(lint.arg(&file).arg("--page").arg(&page))
        .exits(2)
        .says(&["Stop the server."]);
}

#[test]
fn operator_who_may_not_ask_is_refused_with_a_hint() {
    let coordinator = Coordinator::start(Script::default());
    run(&mut coordinator.cutover(&["guide", "list"]))
        .exits(3)
        .warns(&["was revoked", "--profile"]);
}

#[test]
fn certificate_of_another_authority_is_refused() {
    let coordinator = Coordinator::start(Script::default());
    let stranger = Authority::new().operator();
    write(&coordinator.profile.path().join("operator.pem"), stranger.cert);
    write(&coordinator.profile.path().join("operator.key"), stranger.key);
    let outcome = run(&mut coordinator.cutover(&["guide", "list"])).warns(&["profile's certificate"]);
    // The server may hang up before its reason is read; then the connection broke, and that is all there is to know.
    assert!(matches!(outcome.code, Some(1 | 3)), "{outcome:?}");
    assert!(outcome.out.is_empty());
}

#[test]
fn key_that_others_can_read_is_warned_about() {
    let coordinator = Coordinator::start(Script::default());
    let key = coordinator.profile.path().join("operator.key");
    let quiet = run(&mut coordinator.cutover(&["guide", "list"]));
    assert!(!quiet.err.contains("chmod"), "{quiet:?}");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    run(&mut coordinator.cutover(&["guide", "list"])).warns(&["operator.key", "chmod 600"]);
}
