//! Findings, as people read them, and the exit code they lead to.

use std::fmt::Write as _;

use cutover_proto::view::{Finding, Severity};

use crate::exit::Exit;
use crate::text::{Style, wrap};

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// The findings, errors first, and a count at the end. Empty when there are none.
pub(crate) fn render(findings: &[Finding], style: Style) -> String {
    let mut text = String::new();
    let counts = [Severity::Error, Severity::Warning, Severity::Note].map(|severity| {
        let group: Vec<&Finding> = findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .collect();
        for finding in &group {
            render_one(&mut text, finding, style);
        }
        (severity, group.len())
    });
    let counts: Vec<String> = counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(severity, count)| crate::human::count(count, word(severity)))
        .collect();
    if !counts.is_empty() {
        writeln!(text, "{}", counts.join(", ")).ok();
    }
    text
}

fn render_one(text: &mut String, finding: &Finding, style: Style) {
    let line = format!(
        "{} {} [{}] {}",
        word(finding.severity),
        finding.place,
        finding.code,
        finding.text
    );
    writeln!(text, "{}", wrap(&line, style.width, "", "    ")).ok();
    let arrow = if style.unicode { "  → " } else { "  -> " };
    // What follows the first line can be copied: it stays as it is.
    let (remedy, lines) = finding.remedy.split_once('\n').unwrap_or((&finding.remedy, ""));
    if !remedy.is_empty() {
        writeln!(text, "{}", wrap(remedy, style.width, arrow, "    ")).ok();
    }
    for line in lines.lines() {
        writeln!(text, "    {line}").ok();
    }
}

/// Whether any forbids to go on.
pub(crate) fn any_error(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}

/// Bad input when the file itself is wrong; refused when the file is right and nodes or databases forbid it.
pub(crate) fn exit(findings: &[Finding], file: &str) -> Exit {
    let errors = || {
        findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
    };
    let in_file = |finding: &Finding| {
        finding
            .place
            .strip_prefix(file)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    };
    if errors().any(in_file) {
        Exit::BadInput
    } else if errors().next().is_some() {
        Exit::Refused
    } else {
        Exit::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: Severity, place: &str) -> Finding {
        Finding {
            severity,
            code: "unknown-key".into(),
            place: place.into(),
            text: "`colour` is not a key of [nodes]".into(),
            remedy: "remove it".into(),
        }
    }

    #[test]
    fn findings_when_rendered_then_errors_stand_first_with_their_remedy() {
        let style = Style::new(100, false);
        let all = [
            finding(Severity::Note, "node dss-1"),
            finding(Severity::Error, "dss.toml:12"),
            finding(Severity::Warning, "database carbon"),
            finding(Severity::Warning, "database registry"),
        ];
        insta::assert_snapshot!(render(&all, style), @"
        error dss.toml:12 [unknown-key] `colour` is not a key of [nodes]
          -> remove it
        warning database carbon [unknown-key] `colour` is not a key of [nodes]
          -> remove it
        warning database registry [unknown-key] `colour` is not a key of [nodes]
          -> remove it
        note node dss-1 [unknown-key] `colour` is not a key of [nodes]
          -> remove it
        1 error, 2 warnings, 1 note
        ");
        assert_eq!(render(&[], style), "");
    }

    #[test]
    fn remedy_when_it_has_lines_to_copy_then_they_are_not_wrapped() {
        let long = format!("path = \"/a/b[@name='{}']\"  # x", "long ".repeat(30));
        let finding = Finding {
            remedy: format!("decide on it:\n[[decide]]\n{long}"),
            ..finding(Severity::Error, "n1")
        };
        let text = render(&[finding], Style::new(100, false));
        assert!(
            text.contains(&format!("  -> decide on it:\n    [[decide]]\n    {long}\n")),
            "{text}"
        );
    }

    #[test]
    fn exit_tells_a_bad_file_from_a_fleet_that_forbids_it() {
        assert_eq!(
            exit(&[finding(Severity::Warning, "dss.toml:1")], "dss.toml"),
            Exit::Done
        );
        assert_eq!(
            exit(&[finding(Severity::Error, "node dss-1")], "dss.toml"),
            Exit::Refused
        );
        assert_eq!(
            exit(&[finding(Severity::Error, "dss.toml.old:3")], "dss.toml"),
            Exit::Refused
        );
        let both = [
            finding(Severity::Error, "node dss-1"),
            finding(Severity::Error, "dss.toml:3"),
        ];
        assert_eq!(exit(&both, "dss.toml"), Exit::BadInput);
    }
}
