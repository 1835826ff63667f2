//! Sentences of a guide and the steps that carry them out.

use std::collections::BTreeSet;

use super::Report;
use crate::guide::{Order, Sentence};

/// Kinds of steps that the planner can make of a guide.
pub const STEP_KINDS: &[&str] = &[
    "inspect",
    "compare-config",
    "verify-databases",
    "unpack",
    "hold-server",
    "carry-files",
    "edit-xml",
    "backup-home",
    "stop-server",
    "prove-stopped",
    "prove-alone",
    "backup-database",
    "migrate",
    "repair",
    "copy-database",
    "compare-databases",
    "synchronise",
    "capture-manifest",
    "bring-delta",
    "compare-migrated",
    "copy-tree",
    "checkpoint",
    "start-server",
    "prove-ready",
    "prove-serving",
    "fence",
    "smoke",
    "finalize",
];

pub(super) fn check(report: &mut Report<'_>) {
    let guide = report.guide;
    let mut ids = BTreeSet::new();
    for sentence in &guide.sentences {
        let place = format!("sentence `{}`", sentence.id);
        if !ids.insert(sentence.id.as_str()) {
            report.error(
                "double-sentence",
                &place,
                "the name is used twice",
                "give each its own name",
            );
        }
        fate(report, &place, sentence);
        for kind in &sentence.steps {
            step(report, &place, sentence, kind);
        }
    }
}

fn fate(report: &mut Report<'_>, place: &str, sentence: &Sentence) {
    match (sentence.steps.is_empty(), &sentence.declined) {
        (true, None) => report.error(
            "sentence-left-out",
            place,
            format!(
                "nothing carries out \"{}\", and no reason is given",
                sentence.text
            ),
            "name the kinds of steps that carry it out (steps = […]) or say why not (declined = \"…\")",
        ),
        (false, Some(_)) => report.error(
            "sentence-both",
            place,
            "it is carried out and declined at once",
            "keep one of `steps` and `declined`",
        ),
        (true, Some(why)) if why.trim().is_empty() => report.error(
            "sentence-left-out",
            place,
            "it is declined without a reason",
            "say why nothing carries it out",
        ),
        (true, Some(_)) | (false, None) => {}
    }
}

fn step(report: &mut Report<'_>, place: &str, sentence: &Sentence, kind: &str) {
    let guide = report.guide;
    if !STEP_KINDS.contains(&kind) {
        let remedy = "use a kind that docs/guides.md lists";
        report.error(
            "unknown-step",
            place,
            format!("there is no step `{kind}`"),
            remedy,
        );
    }
    let never = match kind {
        "migrate" | "repair" => guide.order == Order::CopyOnly,
        "copy-tree" => guide.directories.is_empty(),
        "edit-xml" => guide.edits.is_empty(),
        "carry-files" => guide.carry.is_empty(),
        "capture-manifest" | "bring-delta" | "compare-migrated" => !guide.delta,
        "checkpoint" => guide.checkpoints.is_empty(),
        _ => false,
    };
    if never {
        report.error(
            "step-never",
            place,
            format!(
                "\"{}\" is to be carried out by `{kind}`, and this guide makes no such step",
                sentence.text
            ),
            "name what the guide does for it, or say why nothing does",
        );
    }
}
