//! `[[override]]`: statements of migration scripts that are not run as they stand.

use cutover_proto::ids::Sha256Hex;
use cutover_proto::plan::{OverrideAction, StatementOverride};

use super::super::reader::{Findings, Section};

/// An override of the upgrade file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteOverride {
    /// The script's file name.
    pub script: String,
    /// The statement, and what is done about it.
    pub decision: StatementOverride,
}

/// Reads every `[[override]]`.
pub(super) fn read(top: &mut Section<'_>, findings: &mut Findings<'_>) -> Vec<SiteOverride> {
    let mut list: Vec<SiteOverride> = Vec::new();
    for mut section in top.sections(findings, "override") {
        let span = section.span();
        let read = one(&mut section, findings);
        section.finish(findings);
        let Some(read) = read else { continue };
        let same = |other: &SiteOverride| {
            other.script == read.script && other.decision.statement == read.decision.statement
        };
        if list.iter().any(same) {
            let text = format!(
                "statement {} of `{}` is overridden twice",
                read.decision.statement, read.script
            );
            findings.error(&span, "double-override", text, "keep one of them");
        }
        list.push(read);
    }
    list
}

fn one(section: &mut Section<'_>, findings: &mut Findings<'_>) -> Option<SiteOverride> {
    let script = section.required(findings, "script", "\"migration.sql\"");
    let statement = statement(section, findings);
    let sha256 = hash(section, findings);
    let action = action(section, findings);
    let with_span = section.span_of("with");
    let with = section.text(findings, "with");
    let reason_span = section.span_of("reason");
    let reason = section.required(findings, "reason", "\"the key was dropped by hand in 2014\"");
    if section.has("reason") && reason.trim().is_empty() {
        let text = "`override.reason` says nothing";
        findings.error(
            &reason_span,
            "bad-value",
            text,
            "say why; it is kept in the audit trail",
        );
    }
    let replaces = action == Some(OverrideAction::Replace);
    if action.is_some() && replaces != with.is_some() {
        let text = if replaces {
            "`override.with` is missing: it is the statement that runs in place of the script's"
        } else {
            "`override.with` belongs to do = \"replace\" only"
        };
        findings.error(&with_span, "bad-value", text, "add or remove `with`");
    }
    Some(SiteOverride {
        script,
        decision: StatementOverride {
            statement: statement?,
            sha256: sha256?,
            action: action?,
            with,
            reason,
        },
    })
}

fn statement(section: &mut Section<'_>, findings: &mut Findings<'_>) -> Option<u32> {
    let span = section.span_of("statement");
    if !section.has("statement") {
        let text = "`override.statement` is missing";
        findings.error(
            &span,
            "missing-key",
            text,
            "add the number that `cutover sql split` shows before the statement",
        );
    }
    let number = section.number(findings, "statement")?;
    if number == 0 {
        findings.error(&span, "bad-value", "statements are counted from 1", "correct it");
        return None;
    }
    Some(number)
}

fn hash(section: &mut Section<'_>, findings: &mut Findings<'_>) -> Option<Sha256Hex> {
    let span = section.span_of("sha256");
    let text = section.required(
        findings,
        "sha256",
        "\"…\" (`cutover sql split --json FILE` shows it)",
    );
    if text.is_empty() {
        return None;
    }
    text.parse()
        .map_err(|error| {
            findings.error(
                &span,
                "bad-value",
                format!("`override.sha256`: {error}"),
                "take the statement's sha256 from `cutover --json sql split FILE`",
            )
        })
        .ok()
}

fn action(section: &mut Section<'_>, findings: &mut Findings<'_>) -> Option<OverrideAction> {
    let span = section.span_of("do");
    let text = section.required(findings, "do", "\"skip\"");
    if text.is_empty() {
        return None;
    }
    text.parse()
        .map_err(|()| {
            findings.error(
                &span,
                "bad-value",
                format!("`override.do` is `{text}`"),
                "write \"skip\", \"replace\" or \"done-by-hand\"",
            )
        })
        .ok()
}
