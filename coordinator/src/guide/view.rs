//! A guide as an operator is shown it: WSO2's sentences beside the phases and steps that carry them out.

use cutover_proto::view::{GuidePhaseView, GuideSummary, GuideView, SentenceView};

use super::{Guide, GuideDirectory, GuideScript};
use crate::planner::phases;

/// One line of the list of guides.
#[must_use]
pub fn summary(guide: &Guide) -> GuideSummary {
    let product = if guide.is_for("") {
        "any product"
    } else {
        &guide.product
    };
    GuideSummary {
        name: guide.name.clone(),
        title: guide.title.clone(),
        from: format!("{product} {}", guide.from_words()),
        to: format!("{product} {}", guide.to_words()),
        order: guide.order.as_str().to_owned(),
    }
}

/// The whole guide.
#[must_use]
pub fn view(guide: &Guide) -> GuideView {
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
        checkpoints: guide
            .checkpoints
            .iter()
            .map(|c| format!("{} ({} database)", c.text, c.role))
            .collect(),
        edits: edits(guide),
        directories: guide.directories.iter().map(directory).collect(),
        scripts: guide.scripts.iter().flat_map(scripts).collect(),
        moved: moved(guide),
        phases: phases::outline(guide.order)
            .into_iter()
            .map(|phase| beside(guide, &phase))
            .collect(),
        notes: guide.notes.clone(),
    }
}

/// A phase beside the sentences that steps of it carry out.
fn beside(guide: &Guide, phase: &phases::Outline) -> GuidePhaseView {
    let carried = |kinds: &[String]| kinds.iter().any(|kind| phase.kinds.contains(&kind.as_str()));
    let sentences = guide.sentences.iter().filter(|sentence| carried(&sentence.steps));
    GuidePhaseView {
        name: phase.name.to_owned(),
        does: phase.does.to_owned(),
        sentences: sentences.map(|sentence| sentence.id.clone()).collect(),
    }
}

fn edits(guide: &Guide) -> Vec<String> {
    let mut lines = Vec::new();
    for edit in &guide.edits {
        let file = std::iter::once(&edit.file)
            .chain(&edit.elsewhere)
            .cloned()
            .collect::<Vec<_>>()
            .join(" or ");
        for (path, setting) in &edit.set {
            lines.push(format!(
                "{file}, {}: {path} = {}",
                edit.subject.describe(),
                setting.describe()
            ));
        }
    }
    lines
}

fn directory(directory: &GuideDirectory) -> String {
    let mut line = directory.path.clone();
    if directory.tenants {
        line.push_str(" (when there are tenants)");
    }
    if directory.protect {
        line.push_str(" (what the new version ships there stays)");
    }
    if let Some(why) = &directory.why {
        line.push_str(&format!(": {why}"));
    }
    line
}

fn scripts(script: &GuideScript) -> Vec<String> {
    let role = script.role;
    if script.ships.is_empty() {
        return vec![format!("{role} database: the one that the upgrade file names")];
    }
    let shipped = script.ships.iter().map(|(engine, set)| {
        format!(
            "{role} database on {engine}: {}, unless the upgrade file names one. {}",
            set.files.join(", "),
            set.origin
        )
    });
    shipped.collect()
}

fn moved(guide: &Guide) -> Vec<String> {
    let renames = guide.renames.iter().map(|rename| {
        let to = if rename.to_file.is_some() {
            rename.target_file()
        } else {
            ""
        };
        format!(
            "{} {} -> {} {}: {}",
            rename.file, rename.from, to, rename.to, rename.why
        )
    });
    let gone = guide
        .obsolete
        .iter()
        .map(|gone| format!("{} {} is obsolete: {}", gone.file, gone.path, gone.why));
    renames.chain(gone).collect()
}
