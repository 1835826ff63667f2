//! `[downtime]`: how long the servers may be down, and how the data gets to staging.

use cutover_proto::plan::DataMode;

use super::super::reader::{Findings, Section};

/// What the operator allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Downtime {
    /// Seconds between the first server stopped and the last one up again.
    pub budget_secs: Option<u64>,
    /// The way, when it is not left to the planner.
    pub mode: Option<DataMode>,
}

/// Reads the section.
pub(super) fn read(top: &mut Section<'_>, findings: &mut Findings<'_>) -> Downtime {
    let mut section = top.section(findings, "downtime");
    let downtime = Downtime {
        budget_secs: budget(&mut section, findings),
        mode: mode(&mut section, findings),
    };
    section.finish(findings);
    downtime
}

fn budget(section: &mut Section<'_>, findings: &mut Findings<'_>) -> Option<u64> {
    let span = section.span_of("budget");
    let text = section.text(findings, "budget")?;
    let secs = seconds(&text).filter(|secs| *secs > 0);
    if secs.is_none() {
        findings.error(
            &span,
            "bad-value",
            format!("`downtime.budget` is `{text}`, which is no length of time"),
            "write for example \"5m\" or \"90s\"",
        );
    }
    secs
}

/// A length of time such as `5m`, in seconds.
#[must_use]
pub(crate) fn seconds(text: &str) -> Option<u64> {
    let span: jiff::Span = text.parse().ok()?;
    let secs = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?;
    u64::try_from(secs.as_secs()).ok()
}

fn mode(section: &mut Section<'_>, findings: &mut Findings<'_>) -> Option<DataMode> {
    let span = section.span_of("mode");
    let text = section.text(findings, "mode")?;
    if text == "auto" {
        return None;
    }
    let found = DataMode::ALL.into_iter().find(|mode| mode.as_str() == text);
    if found.is_none() {
        findings.error(
            &span,
            "bad-value",
            format!("`downtime.mode` is `{text}`"),
            "write \"auto\", \"stop-copy\", \"sync\" or \"delta\"",
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_when_written_then_seconds() {
        assert_eq!(seconds("5m"), Some(300));
        assert_eq!(seconds("1h 30s"), Some(3630));
        assert_eq!(seconds("2d"), Some(172_800));
        assert_eq!(seconds("soon"), None);
    }
}
