//! What came of one checkpoint.

use super::{CheckResult, Checkpoint, Verdict};

pub(crate) struct Outcome {
    pub(crate) expected: String,
    pub(crate) found: String,
    pub(crate) verdict: Verdict,
    pub(crate) text: String,
}

impl Outcome {
    pub(crate) fn new(
        verdict: Verdict,
        expected: impl Into<String>,
        found: impl Into<String>,
        text: String,
    ) -> Self {
        Outcome {
            expected: expected.into(),
            found: found.into(),
            verdict,
            text,
        }
    }

    pub(super) fn result(self, checkpoint: Checkpoint) -> CheckResult {
        let Outcome {
            expected,
            found,
            verdict,
            text,
        } = self;
        CheckResult {
            checkpoint,
            expected,
            found,
            verdict,
            text,
        }
    }
}

/// The verdict on something of which there should be none.
pub(crate) fn none_of(count: u64, warn_only: bool) -> Verdict {
    match (count, warn_only) {
        (0, _) => Verdict::Pass,
        (_, true) => Verdict::Warn,
        (_, false) => Verdict::Fail,
    }
}

/// The explanation as the end of a sentence, when it is needed.
pub(crate) fn tail(verdict: Verdict, explain: &str) -> String {
    if verdict == Verdict::Pass || explain.is_empty() {
        String::new()
    } else {
        format!("; {explain}")
    }
}
