//! Checks a guide without a fleet: every sentence that orders something is carried out or declined with a reason, and
//! everything that the guide does has a sentence or a reason.

mod edits;
mod parts;
mod sentences;

use cutover_proto::view::Finding;

use super::Guide;
use crate::planner::error;

pub use self::sentences::STEP_KINDS;

/// Findings about one guide.
struct Report<'a> {
    guide: &'a Guide,
    findings: Vec<Finding>,
}

impl Report<'_> {
    /// Adds a finding at a part of the guide.
    fn error(&mut self, code: &str, part: impl std::fmt::Display, text: impl Into<String>, remedy: &str) {
        let place = format!("{}: {part}", self.guide.name);
        self.findings.push(error(code, place, text, remedy));
    }

    /// Something that the guide does must name a sentence of the page, or say why it is done without one.
    fn reasoned(&mut self, part: &str, sentence: Option<&String>, why: Option<&String>) {
        match (sentence, why) {
            (Some(id), None) => {
                if !self.guide.sentences.iter().any(|sentence| &sentence.id == id) {
                    self.error(
                        "unknown-sentence",
                        part,
                        format!("it names sentence `{id}`, which the guide does not have"),
                        "add the sentence or correct its name",
                    );
                }
            }
            (None, Some(why)) if !why.trim().is_empty() => {}
            (Some(_), Some(_)) | (None, Some(_) | None) => self.error(
                "without-reason",
                part,
                "it must name a sentence of the page, or say why it is done without one; one of both",
                "add sentence = \"…\" or why = \"…\"",
            ),
        }
    }
}

/// Everything wrong with a guide; empty when it is good.
#[must_use]
pub fn lint(guide: &Guide) -> Vec<Finding> {
    let mut report = Report {
        guide,
        findings: Vec::new(),
    };
    sentences::check(&mut report);
    parts::check(&mut report);
    edits::check(&mut report);
    report.findings
}

#[cfg(test)]
mod tests;
