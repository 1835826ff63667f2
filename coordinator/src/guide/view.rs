//! A guide as an operator is shown it: WSO2's sentences beside the phases and steps that carry them out.

use cutover_proto::view::{GuidePhaseView, GuideSummary, GuideView, SentenceView};

use super::{Guide, GuideDirectory, GuideScript};
use crate::planner::phases;

/// One line of the list of guides.
#[must_use]
pub fn summary(guide: &Guide) -> GuideSummary {
    let product = if guide.is_for("") {
        "any product,"
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guides_when_shown_then_every_sentence_that_is_carried_out_stands_beside_a_phase() {
        for guide in Guide::shipped().unwrap() {
            let shown = view(&guide);
            let carried = shown
                .sentences
                .iter()
                .filter(|sentence| sentence.declined.is_none());
            for sentence in carried {
                let beside = shown
                    .phases
                    .iter()
                    .any(|phase| phase.sentences.contains(&sentence.id));
                assert!(beside, "{}: {}", guide.name, sentence.id);
            }
        }
    }

    #[test]
    fn guide_when_shown_then_scripts_edits_and_moved_places_are_told_in_words() {
        let guides = Guide::shipped().unwrap();
        let guide = guides.iter().find(|guide| guide.name == "ss-1.1.0").unwrap();
        let shown = view(guide);
        let has = |lines: &[String], text: &str| {
            assert!(lines.iter().any(|line| line.contains(text)), "{lines:#?}")
        };
        has(
            &shown.scripts,
            "product database on mysql: ss-1.0.3-to-1.1.0-rss.mysql.sql",
        );
        has(
            &shown.edits,
            "persistence.xml or repository/conf/persistence.xml, for the product's own database",
        );
        has(&shown.moved, "ReadLDAPGroups");
        has(&shown.moved, "MultiTenantRealmConfigBuilder'] is obsolete");
        has(
            &shown.directories,
            "org.wso2.carbon.directory: where the user store is the embedded LDAP server",
        );
        assert_eq!(shown.summary.from, "WSO2 Storage Server >=1.0.3, <1.1.0");
    }

    #[test]
    fn guide_for_any_product_when_listed_then_said_so() {
        let guides = Guide::shipped().unwrap();
        let guide = guides.iter().find(|guide| guide.name == "carbon-4.4.7").unwrap();
        assert_eq!(summary(guide).from, "any product, any version on kernel =4.4.6");
    }
}
