//! A guide as an operator is shown it: WSO2's sentences beside the steps that carry them out.

use cutover_proto::view::{GuideSummary, GuideView, SentenceView};

use super::{Guide, Order};

/// One line of the list of guides.
#[must_use]
pub fn summary(guide: &Guide) -> GuideSummary {
    GuideSummary {
        name: guide.name.clone(),
        title: guide.title.clone(),
        from: format!("{} {}", guide.product, guide.from),
        to: format!("{} {}", guide.product, guide.to),
        order: guide.order.as_str().to_owned(),
    }
}

/// The whole guide.
#[must_use]
pub fn view(guide: &Guide) -> GuideView {
    let mut edits = Vec::new();
    for edit in &guide.edits {
        for (path, value) in &edit.set {
            edits.push(format!("{}: {path} = {}", edit.file, value.describe()));
        }
    }
    let phases = crate::planner::phases::names(guide.order == Order::MigrateThenCopy);
    GuideView {
        summary: summary(guide),
        sentences: guide
            .sentences
            .iter()
            .map(|sentence| SentenceView {
                id: sentence.id.clone(),
                text: sentence.text.clone(),
                steps: sentence.steps.clone(),
                declined: sentence.declined.clone(),
            })
            .collect(),
        checkpoints: guide.checkpoints.iter().map(|c| c.text.clone()).collect(),
        edits,
        directories: guide
            .directories
            .iter()
            .map(|d| {
                if d.tenants {
                    format!("{} (when there are tenants)", d.path)
                } else {
                    d.path.clone()
                }
            })
            .collect(),
        phases,
        notes: guide.notes.clone(),
    }
}
