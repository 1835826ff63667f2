//! `[copy]`: what of the old home goes with the data.

use std::collections::BTreeSet;

use crate::model::reader::{Findings, Section};

/// Patterns of paths under the home.
pub(super) fn overwrite(copy: &mut Section<'_>, findings: &mut Findings<'_>) -> Vec<String> {
    let span = copy.span_of("overwrite");
    let patterns = copy.texts(findings, "overwrite").unwrap_or_default();
    for pattern in &patterns {
        if pattern.starts_with('/') || pattern.is_empty() || pattern.split('/').any(|part| part == "..") {
            let text = format!("`copy.overwrite` has `{pattern}`");
            let remedy =
                "write a path under the home, for example \"repository/deployment/server/webapps/*.war\"";
            findings.error(&span, "bad-value", text, remedy);
        }
    }
    patterns
}

/// Ids of tenants.
pub(super) fn without_directory(copy: &mut Section<'_>, findings: &mut Findings<'_>) -> BTreeSet<i64> {
    let ids = copy.numbers(findings, "without_directory").unwrap_or_default();
    ids.into_iter().map(i64::from).collect()
}
