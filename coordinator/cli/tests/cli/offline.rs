//! What needs no coordinator, and what happens when there is none.

use crate::authority::Authority;
use crate::coordinator::profile;
use crate::{cutover, run, write};

const COMMANDS: &[&str] = &[
    "guide list",
    "guide show",
    "guide lint",
    "init",
    "check",
    "plan",
    "show",
    "apply",
    "status",
    "watch",
    "pause",
    "resume",
    "abort",
    "approve",
    "retry",
    "skip",
    "node list",
    "node token",
    "node revoke",
    "node facts",
    "do",
    "audit list",
    "audit show",
    "audit export",
    "audit verify",
    "sql split",
    "sql lint",
    "completions",
];

#[test]
fn help_of_each_command_has_an_example() {
    for command in COMMANDS {
        run(cutover().args(command.split(' ')).arg("--help"))
            .exits(0)
            .says(&[
                "Usage: cutover",
                "Example",
                &format!("cutover {command}"),
                "--json",
            ]);
    }
    run(cutover().arg("--help")).exits(0).says(&["Exit codes", "130"]);
}

#[test]
fn unknown_command_is_bad_input() {
    run(cutover().arg("frobnicate")).exits(2);
    run(cutover().args(["do", "destroy", "--on", "a=b", "--home", "/x"]))
        .exits(2)
        .warns(&["destroy"]);
    run(cutover().args(["skip", "r", "--step", "s"]))
        .exits(2)
        .warns(&["--reason"]);
}

#[test]
fn profile_when_missing_then_bad_input_and_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none");
    run(cutover().args(["status", "--profile"]).arg(&missing))
        .exits(2)
        .warns(&[
            "endpoint",
            "No such file",
            "cutover-coordinator init",
            "CUTOVER_PROFILE",
        ]);
    let outcome = run(cutover().args(["status", "--json", "--profile"]).arg(&missing)).exits(2);
    let error: serde_json::Value = serde_json::from_str(&outcome.err).unwrap();
    assert_eq!(error["error"]["exit"], 2);
    assert_eq!(outcome.out, "");
}

#[test]
fn default_profile_lies_in_the_home_folder() {
    let home = tempfile::tempdir().unwrap();
    run(cutover().arg("status").env("HOME", home.path()))
        .exits(2)
        .warns(&[".config/cutover/endpoint"]);
}

#[test]
fn profile_with_unusable_files_then_bad_input() {
    let authority = Authority::new();
    let dir = profile(&authority, "127.0.0.1:1".parse().unwrap());
    write(&dir.path().join("endpoint"), "https://coordinator/");
    run(cutover().args(["status", "--profile"]).arg(dir.path()))
        .exits(2)
        .warns(&["host:port", "endpoint"]);
    write(&dir.path().join("endpoint"), "127.0.0.1:1");
    write(&dir.path().join("operator.pem"), "not a certificate");
    run(cutover().args(["status", "--profile"]).arg(dir.path()))
        .exits(2)
        .warns(&["certificates cannot be used"]);
}

#[test]
fn coordinator_when_away_then_failed_and_runs_go_on() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let dir = profile(&Authority::new(), closed);
    run(cutover().args(["status", "--profile"]).arg(dir.path()))
        .exits(1)
        .warns(&[&closed.to_string(), "runs go on by themselves"]);
}

#[test]
fn sql_split_lists_statements_with_place_kind_and_hash() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("m.sql");
    write(
        &file,
        "-- first\nALTER TABLE T ADD C INT;\n  UPDATE T SET C = 1\n  WHERE D = ';';\n",
    );
    run(cutover().args(["sql", "split", "--engine", "mysql"]).arg(&file))
        .exits(0)
        .says(&[
            "2:1",
            "ddl",
            "ALTER TABLE T ADD C INT",
            "3:3",
            "dml",
            "UPDATE T SET C = 1",
            "2 statements",
        ]);
    let json = run(cutover()
        .args(["sql", "split", "--engine", "mysql", "--json"])
        .arg(&file))
    .exits(0)
    .json();
    assert_eq!(
        json["statements"][1]["text"],
        "UPDATE T SET C = 1\n  WHERE D = ';'"
    );
    assert_eq!(json["statements"][1]["sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn sql_split_when_a_quote_stays_open_then_bad_input_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("m.sql");
    write(&file, "SELECT 1;\nSELECT 'open;\n");
    run(cutover().args(["sql", "split", "--engine", "mysql"]).arg(&file))
        .exits(2)
        .warns(&["m.sql:2:8", "next:"]);
    run(cutover().args(["sql", "lint", "--engine", "mysql"]).arg(&file))
        .exits(1)
        .says(&["[unsplittable]"]);
    run(cutover().args(["sql", "split", "--engine", "cobol"]).arg(&file))
        .exits(2)
        .warns(&["cobol"]);
}

#[test]
fn sql_lint_when_a_database_is_dropped_then_failed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("m.sql");
    write(&file, "DROP DATABASE CARBON;\n");
    run(cutover().args(["sql", "lint", "--engine", "mysql"]).arg(&file))
        .exits(1)
        .says(&["error", "m.sql:1:", "[drop-database]", "→"]);
    run(cutover()
        .args(["sql", "lint", "--engine", "mysql"])
        .arg(&file)
        .env("LANG", "C"))
    .exits(1)
    .says(&["->"]);
    write(&file, "SELECT 1;\n");
    run(cutover().args(["sql", "lint", "--engine", "mysql"]).arg(&file))
        .exits(0)
        .says(&["nothing found"]);
}

#[test]
fn completions_name_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        run(cutover().args(["completions", shell]))
            .exits(0)
            .says(&["approve", "audit", "completions"]);
    }
}
