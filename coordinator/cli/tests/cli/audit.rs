//! The audit trail, exported and proven.

use cutover_proto::audit::{AuditEntry, AuditHead, AuditLine, AuditRecord, GENESIS};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use tempfile::TempDir;

use crate::coordinator::{Coordinator, Script};
use crate::{Outcome, cutover, run, write};

fn key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

/// Five records and the signed head.
fn trail() -> Vec<String> {
    let mut prev = GENESIS.to_owned();
    let mut lines = Vec::new();
    for seq in 1..=5 {
        let entry = AuditEntry {
            at: format!("2026-01-01T00:00:0{seq}Z"),
            actor: "operator:alice".into(),
            action: format!("step.ended {seq}"),
            node: Some("dss-1".into()),
            ..AuditEntry::default()
        };
        let record = AuditRecord::chain(seq, entry, &prev);
        prev.clone_from(&record.hash);
        lines.push(serde_json::to_string(&AuditLine::Record(Box::new(record))).unwrap());
    }
    let at = "2026-01-02T00:00:00Z".to_owned();
    let signature = hex::encode(key().sign(&AuditHead::message(5, &prev, &at)));
    let head = AuditHead {
        last: 5,
        hash: prev,
        at,
        signature,
    };
    lines.push(serde_json::to_string(&AuditLine::Head(head)).unwrap());
    lines
}

/// A folder with the key and `lines` as an export.
fn exported(lines: &[String]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(
        &dir.path().join("audit.pub"),
        format!("{}\n", hex::encode(key().public_key())),
    );
    write(&dir.path().join("audit.jsonl"), lines.join("\n") + "\n");
    dir
}

fn verify(dir: &TempDir, json: bool) -> Outcome {
    let mut command = cutover();
    command
        .args(["audit", "verify"])
        .arg(dir.path().join("audit.jsonl"));
    command.arg("--key").arg(dir.path().join("audit.pub"));
    if json {
        command.arg("--json");
    }
    run(&mut command)
}

#[test]
fn export_when_untouched_then_whole() {
    let dir = exported(&trail());
    verify(&dir, false).exits(0).says(&["whole: 5 records"]);
    let json = verify(&dir, true).exits(0).json();
    assert_eq!(
        (json["whole"].as_bool(), json["records"].as_u64()),
        (Some(true), Some(5))
    );
}

#[test]
fn key_of_the_profile_is_used_when_none_is_given() {
    let dir = exported(&trail());
    let file = dir.path().join("audit.jsonl");
    run(cutover()
        .args(["audit", "verify"])
        .arg(&file)
        .arg("--profile")
        .arg(dir.path()))
    .exits(0);
}

#[test]
fn record_when_changed_then_named() {
    let mut lines = trail();
    lines[2] = lines[2].replace("operator:alice", "operator:mallory");
    verify(&exported(&lines), false)
        .exits(1)
        .says(&["BROKEN", "record 3 was changed"]);
    let json = verify(&exported(&lines), true).exits(1).json();
    assert_eq!(json["whole"], false);
    assert!(json["fault"].as_str().unwrap().contains("record 3"));
}

#[test]
fn end_when_cut_off_then_broken() {
    let mut lines = trail();
    lines.remove(4);
    verify(&exported(&lines), false)
        .exits(1)
        .says(&["the last record is 4"]);
    lines.pop();
    verify(&exported(&lines), false)
        .exits(1)
        .says(&["no signed head"]);
}

#[test]
fn bytes_that_are_no_text_are_a_broken_export_not_a_crash() {
    let dir = exported(&trail());
    let mut bytes = trail().join("\n").into_bytes();
    bytes[20] = 0xff;
    write(&dir.path().join("audit.jsonl"), bytes);
    verify(&dir, false).exits(1).says(&["BROKEN", "line 1"]);
}

#[test]
fn missing_export_or_foreign_key_file_is_bad_input() {
    let dir = exported(&trail());
    write(&dir.path().join("audit.pub"), "no key");
    verify(&dir, false).exits(2).warns(&["is not an audit key"]);
    std::fs::remove_file(dir.path().join("audit.jsonl")).unwrap();
    write(&dir.path().join("audit.pub"), hex::encode(key().public_key()));
    verify(&dir, false).exits(2).warns(&["audit.jsonl"]);
}

#[test]
fn exported_trail_can_be_proven() {
    let coordinator = Coordinator::start(Script {
        audit: trail(),
        ..Script::default()
    });
    let dir = exported(&[]);
    let file = dir.path().join("audit.jsonl");
    run(coordinator.cutover(&["audit", "export", "--out"]).arg(&file))
        .exits(0)
        .says(&["5 records", "audit verify"]);
    verify(&dir, false).exits(0);
    let out = run(&mut coordinator.cutover(&["audit", "export"])).exits(0).out;
    assert_eq!(out, std::fs::read_to_string(&file).unwrap());
}

#[test]
fn export_without_its_head_leaves_no_file() {
    let mut audit = trail();
    audit.pop();
    let coordinator = Coordinator::start(Script {
        audit,
        ..Script::default()
    });
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("audit.jsonl");
    run(coordinator.cutover(&["audit", "export", "--out"]).arg(&file))
        .exits(1)
        .warns(&["not whole"]);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn records_are_listed_and_shown() {
    let coordinator = Coordinator::start(Script {
        audit: trail(),
        ..Script::default()
    });
    let listed = run(&mut coordinator.cutover(&["audit", "list"])).exits(0);
    assert_eq!(listed.out.lines().count(), 5);
    run(&mut coordinator.cutover(&["audit", "show", "3"]))
        .exits(0)
        .says(&["record 3", "step.ended 3", "previous"]);
    run(&mut coordinator.cutover(&["audit", "show", "9"]))
        .exits(2)
        .warns(&["no record 9"]);
}
