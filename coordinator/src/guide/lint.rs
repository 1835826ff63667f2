//! Checks a guide without a fleet: every sentence that orders something is carried out or declined with a reason.

use std::collections::BTreeSet;

use cutover_proto::view::{Finding, Severity};

use super::Guide;

/// Kinds of steps that the planner can make of a guide.
pub const STEP_KINDS: &[&str] = &[
    "inspect",
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
    "copy-database",
    "compare-databases",
    "copy-tree",
    "checkpoint",
    "start-server",
    "prove-ready",
    "prove-serving",
    "smoke",
    "finalize",
];

/// Everything wrong with a guide; empty when it is good.
#[must_use]
pub fn lint(guide: &Guide) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut error = |code: &str, place: String, text: String, remedy: &str| {
        findings.push(Finding {
            severity: Severity::Error,
            code: code.into(),
            place,
            text,
            remedy: remedy.into(),
        });
    };
    let name = &guide.name;
    for (key, range) in [
        ("from", &guide.from),
        ("to", &guide.to),
        ("kernel", &guide.kernel),
    ] {
        if semver::VersionReq::parse(range).is_err() {
            let text = format!("`{range}` is not a version range");
            error(
                "bad-range",
                format!("{name}: {key}"),
                text,
                "write it as `>=3.0.0, <3.2.0`",
            );
        }
    }
    let mut ids = BTreeSet::new();
    for sentence in &guide.sentences {
        let place = format!("{name}: sentence `{}`", sentence.id);
        if !ids.insert(sentence.id.as_str()) {
            error(
                "double-sentence",
                place.clone(),
                "the name is used twice".into(),
                "give each its own name",
            );
        }
        match (sentence.steps.is_empty(), &sentence.declined) {
            (true, None) => error(
                "sentence-left-out",
                place.clone(),
                format!(
                    "nothing carries out \"{}\", and no reason is given",
                    sentence.text
                ),
                "name the kinds of steps that carry it out (steps = […]) or say why not (declined = \"…\")",
            ),
            (false, Some(_)) => error(
                "sentence-both",
                place.clone(),
                "it is carried out and declined at once".into(),
                "keep one of `steps` and `declined`",
            ),
            (true, Some(_)) | (false, None) => {}
        }
        for kind in sentence
            .steps
            .iter()
            .filter(|kind| !STEP_KINDS.contains(&kind.as_str()))
        {
            let text = format!("there is no step `{kind}`");
            error(
                "unknown-step",
                place.clone(),
                text,
                "use a kind that docs/guides.md lists",
            );
        }
    }
    let named = guide
        .edits
        .iter()
        .map(|edit| (&edit.file, Some(&edit.sentence)))
        .chain(
            guide
                .directories
                .iter()
                .map(|directory| (&directory.path, Some(&directory.sentence))),
        )
        .chain(
            guide
                .checkpoints
                .iter()
                .map(|checkpoint| (&checkpoint.text, checkpoint.sentence.as_ref())),
        );
    for (what, sentence) in named {
        if let Some(id) = sentence.filter(|id| !ids.contains(id.as_str())) {
            let text = format!("it names sentence `{id}`, which the guide does not have");
            error(
                "unknown-sentence",
                format!("{name}: {what}"),
                text,
                "add the sentence or correct its name",
            );
        }
    }
    for checkpoint in &guide.checkpoints {
        if let Err(problem) =
            serde_json::from_value::<cutover_database::checkpoint::Checkpoint>(checkpoint.check.clone())
        {
            let place = format!("{name}: checkpoint `{}`", checkpoint.text);
            error(
                "bad-checkpoint",
                place,
                problem.to_string(),
                "write it as docs/guides.md shows",
            );
        }
    }
    for (engine, script) in &guide.scripts {
        if guide.script(engine).is_none() {
            let text = format!("script `{}` does not ship with this build", script.name);
            error(
                "unknown-script",
                format!("{name}: scripts.{engine}"),
                text,
                "name a script that ships",
            );
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guide() -> Guide {
        Guide::shipped().unwrap().remove(0)
    }

    fn codes(guide: &Guide) -> Vec<String> {
        lint(guide).into_iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn sentence_when_nothing_carries_it_out_then_found() {
        let mut guide = guide();
        guide.sentences[0].steps.clear();
        guide.sentences[0].declined = None;
        assert_eq!(codes(&guide), ["sentence-left-out"]);
    }

    #[test]
    fn step_when_unknown_then_found() {
        let mut guide = guide();
        guide.sentences[0].steps = vec!["dance".into()];
        guide.sentences[0].declined = None;
        assert_eq!(codes(&guide), ["unknown-step"]);
    }

    #[test]
    fn edit_when_its_sentence_is_missing_then_found() {
        let mut guide = guide();
        guide.edits[0].sentence = "nowhere".into();
        assert_eq!(codes(&guide), ["unknown-sentence"]);
    }

    #[test]
    fn checkpoint_when_not_readable_then_found() {
        let mut guide = guide();
        guide.checkpoints[0].check = serde_json::json!({ "no": "such" });
        assert_eq!(codes(&guide), ["bad-checkpoint"]);
    }
}
