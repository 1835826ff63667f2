//! The new home, while the old server serves: unpacked or held, with what it needs from the old one, and configured.

use std::collections::{BTreeMap, BTreeSet};

use cutover_proto::plan::{PlanPhase, PlanStep};
use cutover_proto::step::{NodeAction, XmlEdit};

use super::builder::{self, Builder, Draft};
use crate::planner::{PlanNode, edits};

pub(super) fn phase(b: &Builder<'_>) -> PlanPhase {
    let mut steps = Vec::new();
    for node in b.inputs.ordered_nodes() {
        steps.extend(prepare_node(b, node));
    }
    b.phase("prepare", steps)
}

/// The new home of one node, step behind step: nothing may be carried or edited before the home is there and held.
fn prepare_node(b: &Builder<'_>, node: &PlanNode) -> Vec<PlanStep> {
    let mut chain = Vec::new();
    let home = b.new_home(node);
    if let Some(distribution) = &b.inputs.upgrade.distribution
        && let Some(blob) = b.inputs.attachments.get(&distribution.file)
    {
        let action = NodeAction::Unpack {
            home: home.clone(),
            distribution: blob.clone(),
        };
        let draft = Draft::node(node, action, format!("unpack {} to {home}", blob.name))
            .undo("remove the directory it made")
            .deadline(1800);
        chain.push(b.step("prepare.unpack", draft));
    }
    let hold = Draft::node(
        node,
        NodeAction::HoldServer { home: home.clone() },
        format!("hold the server of {home} down"),
    )
    .undo("release the hold");
    chain.push(b.step("prepare.hold-new", hold));
    let mut patterns = b
        .inputs
        .upgrade
        .carry
        .clone()
        .unwrap_or_else(|| b.inputs.guide.carry.clone());
    patterns.extend(b.config.carries(&node.name).iter().cloned());
    if !patterns.is_empty() {
        let title = format!("carry {} to the new home", patterns.join(", "));
        let action = NodeAction::CarryFiles {
            from: b.old_home(node),
            to: home.clone(),
            patterns,
        };
        let draft = Draft::node(node, action, title)
            .undo("remove what was carried, restore what it replaced")
            .deadline(900);
        chain.push(b.step("prepare.carry", draft));
    }
    let configs = config_files(b, node);
    let files: Vec<String> = configs.iter().map(|config| config.file.clone()).collect();
    for config in configs {
        let title = format!("edit {}: {} value(s)", config.file, config.edits.len());
        let name = file_name(&config.file, &files);
        let action = NodeAction::EditXml {
            home: home.clone(),
            file: config.file,
            elsewhere: config.elsewhere,
            edits: config.edits,
        };
        let draft = Draft::node(node, action, title)
            .undo("restore the file byte for byte")
            .sentences(config.sentences);
        chain.push(b.step(&format!("prepare.edit-{name}"), draft));
    }
    builder::in_a_row(chain)
}

/// A file in a step's id: its own name where no other file has it, else its whole path. Two steps of one id would be
/// taken for one.
fn file_name(file: &str, all: &[String]) -> String {
    let last = |path: &str| {
        path.rsplit('/')
            .next()
            .unwrap_or(path)
            .trim_end_matches(".xml")
            .to_owned()
    };
    let alone = all.iter().filter(|other| last(other) == last(file)).count() == 1;
    if alone {
        last(file)
    } else {
        file.trim_end_matches(".xml").replace('/', "-")
    }
}

/// A file to edit on a node.
struct ConfigFile {
    file: String,
    elsewhere: Vec<String>,
    edits: Vec<XmlEdit>,
    /// The sentences of the guide that ask for it.
    sentences: Vec<String>,
}

/// The files to edit on a node: those of the guide with the site's changes and values added, then those of the site alone. One
/// file is edited once, however many edits of the guide are about it: its undo gives back the whole of it.
fn config_files(b: &Builder<'_>, node: &PlanNode) -> Vec<ConfigFile> {
    let mut site: BTreeMap<String, Vec<XmlEdit>> = edits::site_edits(b.inputs, node);
    let old = node.home(&b.old_home(node));
    let mut files: Vec<ConfigFile> = Vec::new();
    for edit in &b.inputs.guide.edits {
        let values = edits::edits_of(b.inputs, edit, old);
        if values.is_empty() {
            continue;
        }
        let known = files.iter_mut().find(|known| known.file == edit.file);
        match known {
            Some(known) => {
                known.edits.extend(values);
                known.sentences.extend(edit.sentence.clone());
            }
            None => files.push(ConfigFile {
                file: edit.file.clone(),
                elsewhere: edit.elsewhere.clone(),
                edits: values,
                sentences: edit.sentence.iter().cloned().collect(),
            }),
        }
    }
    let mut changes = b.config.edits(&node.name);
    for known in &mut files {
        let names: Vec<&String> = std::iter::once(&known.file).chain(&known.elsewhere).collect();
        let guide = std::mem::take(&mut known.edits);
        let changes = taken(&mut changes, &names);
        known.edits = b
            .config
            .merge(&node.name, &names, guide, changes, taken(&mut site, &names));
    }
    let others: BTreeSet<String> = changes.keys().chain(site.keys()).cloned().collect();
    files.extend(others.into_iter().map(|file| {
        let (changes, site) = (taken(&mut changes, &[&file]), taken(&mut site, &[&file]));
        ConfigFile {
            edits: b.config.merge(&node.name, &[&file], Vec::new(), changes, site),
            file,
            elsewhere: Vec::new(),
            sentences: Vec::new(),
        }
    }));
    files.retain(|file| !file.edits.is_empty());
    files
}

/// The edits of a file under any of its names.
fn taken(edits: &mut BTreeMap<String, Vec<XmlEdit>>, names: &[&String]) -> Vec<XmlEdit> {
    names
        .iter()
        .filter_map(|name| edits.remove(*name))
        .flatten()
        .collect()
}
