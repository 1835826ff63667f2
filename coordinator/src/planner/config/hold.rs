//! Ties a plan to the comparison it was made from: values that it carries stood in exactly these files.

use std::collections::BTreeMap;

use cutover_proto::config::ConfigComparison;
use cutover_proto::ids::{NodeName, Sha256Hex};
use cutover_proto::step::{BlobRef, NodeAction};

use crate::model::upgrade::{Distribution, Upgrade};
use crate::planner::{PlanNode, on_node};

/// Hash of what a comparison says of each file.
pub type Prints = BTreeMap<String, Sha256Hex>;

/// The hashes of a comparison.
#[must_use]
pub fn prints(comparison: &ConfigComparison) -> Prints {
    let print = |file: &cutover_proto::config::FileComparison| {
        let json = serde_json::to_vec(file).unwrap_or_default();
        (file.file.clone(), Sha256Hex::of(&json))
    };
    comparison.files.iter().map(print).collect()
}

/// What is different now, in words; none when nothing is.
#[must_use]
pub fn differences(planned: &Prints, now: &Prints) -> Option<String> {
    let changed = |(file, print): (&String, &Sha256Hex)| match now.get(file) {
        Some(other) if other == print => None,
        Some(_) => Some(format!("{file} is another one")),
        None => Some(format!("{file} is as shipped now, or gone")),
    };
    let mut words: Vec<String> = planned.iter().filter_map(changed).collect();
    let new = now.keys().filter(|file| !planned.contains_key(*file));
    words.extend(new.map(|file| format!("{file} is edited now")));
    (!words.is_empty()).then(|| words.join(", "))
}

/// Whether a node can be asked: it is connected, its old home is there, and so is what it is compared with.
#[must_use]
pub fn can_compare(upgrade: &Upgrade, node: &PlanNode) -> bool {
    let there = |home: &str| {
        node.home(&on_node(home, &node.name))
            .is_some_and(|home| home.exists)
    };
    node.connected && there(&upgrade.old_home) && (upgrade.distribution.is_some() || there(&upgrade.new_home))
}

/// The comparison of a node: what is asked for a plan, and again by its preflight.
#[must_use]
pub fn compare_action(
    upgrade: &Upgrade,
    attachments: &BTreeMap<String, BlobRef>,
    node: &NodeName,
) -> NodeAction {
    let archive = |named: &Option<Distribution>| attachments.get(&named.as_ref()?.file).cloned();
    NodeAction::CompareConfig {
        old: on_node(&upgrade.old_home, node),
        old_stock: archive(&upgrade.old_distribution),
        new: on_node(&upgrade.new_home, node),
        new_stock: archive(&upgrade.distribution),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prints_of(files: &[(&str, &str)]) -> Prints {
        let print = |(file, text): &(&str, &str)| ((*file).to_owned(), Sha256Hex::of(text.as_bytes()));
        files.iter().map(print).collect()
    }

    #[test]
    fn comparison_when_something_is_different_then_each_file_is_named() {
        let planned = prints_of(&[("a.xml", "1"), ("b.xml", "1"), ("c.xml", "1")]);
        assert_eq!(differences(&planned, &planned), None);
        let now = prints_of(&[("a.xml", "1"), ("b.xml", "2"), ("d.xml", "1")]);
        assert_eq!(
            differences(&planned, &now).unwrap(),
            "b.xml is another one, c.xml is as shipped now, or gone, d.xml is edited now"
        );
    }
}
