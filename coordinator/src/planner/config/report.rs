//! What is shown: changes that are the same on several nodes stand once.

use std::collections::BTreeMap;

use cutover_proto::config::report::{ComparedNode, ConfigReport, Fate, ReportChange, ReportFile};
use cutover_proto::config::{FileState, NewPlace, SiteChange};
use cutover_proto::ids::NodeName;

use super::{Item, Resolution, answers};
use crate::planner::Inputs;

/// A change that is the same on these nodes.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) item: &'a Item,
    pub(super) nodes: Vec<NodeName>,
}

/// Changes that are the same on several nodes together, in the order of files and places.
pub(super) fn groups(items: &[Item]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for item in items {
        let same = |group: &&mut Group<'_>| alike(group.item, item);
        match groups.iter_mut().find(same) {
            Some(group) => group.nodes.push(item.node.clone()),
            None => groups.push(Group {
                item,
                nodes: vec![item.node.clone()],
            }),
        }
    }
    groups
}

/// Whether two nodes have the same change with the same fate. The reasons may name each node's own homes; edits are
/// not compared, as they do too.
fn alike(a: &Item, b: &Item) -> bool {
    (&a.file, &a.state, &a.change, a.outcome.fate, &a.outcome.to)
        == (&b.file, &b.state, &b.change, b.outcome.fate, &b.outcome.to)
        && a.outcome.refused.as_ref().map(|refusal| refusal.code)
            == b.outcome.refused.as_ref().map(|refusal| refusal.code)
}

/// A change's place, in words.
pub(super) fn place(item: &Item) -> String {
    match &item.change {
        Some(change) => format!("{}: {}", item.file, change.path),
        None => item.file.clone(),
    }
}

/// The nodes, in words.
pub(super) fn on(nodes: &[NodeName], all: usize) -> String {
    let names: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
    if names.len() == all && all > 1 {
        format!("all {all} nodes")
    } else {
        names.join(", ")
    }
}

/// The report.
#[must_use]
pub fn report(inputs: &Inputs<'_>, resolution: &Resolution) -> ConfigReport {
    let all = inputs.nodes.len();
    let mut files: BTreeMap<&str, Vec<ReportChange>> = BTreeMap::new();
    for group in groups(&resolution.items) {
        files
            .entry(&group.item.file)
            .or_default()
            .push(change(&group, all));
    }
    let file = |(file, changes): (&str, Vec<ReportChange>)| ReportFile {
        file: file.to_owned(),
        changes,
    };
    ConfigReport {
        upgrade: inputs.upgrade.name.clone(),
        guide: inputs.guide.name.clone(),
        nodes: inputs
            .ordered_nodes()
            .into_iter()
            .map(|node| compared(inputs, &node.name))
            .collect(),
        files: files.into_iter().map(file).collect(),
        secrets: resolution.secrets.clone(),
        undecided: resolution.undecided(),
        answers: answers::all(resolution, all),
    }
}

fn compared(inputs: &Inputs<'_>, node: &NodeName) -> ComparedNode {
    let (stock, problem) = match inputs.configs.get(node) {
        Some(Ok(comparison)) => (comparison.stock.clone(), None),
        Some(Err(why)) => (String::new(), Some(why.clone())),
        None => (String::new(), Some("its agent is not connected".to_owned())),
    };
    ComparedNode {
        node: node.clone(),
        old: inputs.old_home(node),
        new: inputs.new_home(node),
        stock,
        problem,
    }
}

fn change(group: &Group<'_>, all: usize) -> ReportChange {
    let item = group.item;
    let change = item.change.as_ref();
    ReportChange {
        nodes: group.nodes.clone(),
        everywhere: group.nodes.len() == all,
        path: change.map(|change| change.path.clone()),
        kind: change.map(|change| change.kind),
        stock: change.and_then(|change| change.stock.clone()),
        site: change.and_then(|change| change.site.clone()),
        new: new_words(&item.state, change),
        fate: item.outcome.fate,
        why: item.outcome.why.clone(),
        to: item.outcome.to.clone(),
        answer: (item.outcome.fate == Fate::Undecided).then(|| answers::answer(item)),
    }
}

fn new_words(state: &FileState, change: Option<&SiteChange>) -> String {
    let Some(change) = change else {
        return match state {
            FileState::AddedBySite | FileState::GoneInNew => "it is not shipped".to_owned(),
            FileState::Edited | FileState::StockUnknown | FileState::Opaque => "a file of its own".to_owned(),
            FileState::Malformed { .. } | FileState::Unread { .. } => "not compared".to_owned(),
        };
    };
    match &change.new {
        NewPlace::There { value, .. } => answers::shown(Some(value)),
        NewPlace::ParentOnly => "not there".to_owned(),
        NewPlace::Missing => "neither it nor its parent is there".to_owned(),
        NewPlace::Several { count } => format!("{count} such places"),
    }
}
