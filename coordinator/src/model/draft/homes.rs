//! Which directories are the old and the new home.

use std::collections::BTreeSet;

use cutover_proto::facts::HomeFacts;

use super::FILL_IN;
use crate::guide::Guide;
use crate::planner::PlanNode;

/// The homes that a guide is about, node by node.
pub(super) struct Homes<'a> {
    nodes: Vec<(&'a str, Option<&'a HomeFacts>, Option<&'a HomeFacts>)>,
}

impl<'a> Homes<'a> {
    pub(super) fn of(guide: &Guide, nodes: &'a [PlanNode]) -> Self {
        let of_node = |node: &'a PlanNode| {
            let old = old(guide, node);
            (node.name.as_str(), old, new(guide, node, old))
        };
        Self {
            nodes: nodes.iter().map(of_node).collect(),
        }
    }

    /// The old home of the first node that has one.
    pub(super) fn any_old(&self) -> Option<&'a HomeFacts> {
        self.nodes.iter().find_map(|(_, old, _)| *old)
    }

    /// The new home of the first node that has one.
    pub(super) fn any_new(&self) -> Option<&'a HomeFacts> {
        self.nodes.iter().find_map(|(_, _, new)| *new)
    }

    /// Every old home.
    pub(super) fn all_old(&self) -> impl Iterator<Item = &'a HomeFacts> {
        self.nodes.iter().filter_map(|(_, old, _)| *old)
    }

    /// How many tenants have a directory.
    pub(super) fn tenants(&self) -> usize {
        self.all_old()
            .flat_map(|home| &home.tenants)
            .collect::<BTreeSet<_>>()
            .len()
    }

    pub(super) fn old_path(&self) -> String {
        path_on_all(self.nodes.iter().map(|(node, old, _)| (*node, *old)))
    }

    pub(super) fn new_path(&self) -> String {
        path_on_all(self.nodes.iter().map(|(node, _, new)| (*node, *new)))
    }
}

/// The old home of a node: of several the one whose server runs.
fn old<'a>(guide: &Guide, node: &'a PlanNode) -> Option<&'a HomeFacts> {
    let fits = |home: &&HomeFacts| {
        home.exists && guide.is_for(&home.product) && guide.upgrades(&home.version, &home.kernel)
    };
    let mut homes: Vec<&HomeFacts> = node
        .facts
        .iter()
        .flat_map(|facts| &facts.homes)
        .filter(fits)
        .collect();
    homes.retain(|home| !guide.reaches(&home.version, &home.kernel));
    homes.sort_by_key(|home| (home.server.is_none(), &home.path));
    homes.first().copied()
}

/// The new home of a node: of the old one's product, and not running.
fn new<'a>(guide: &Guide, node: &'a PlanNode, old: Option<&HomeFacts>) -> Option<&'a HomeFacts> {
    let fits = |home: &&HomeFacts| {
        home.exists
            && home.server.is_none()
            && guide.reaches(&home.version, &home.kernel)
            && old.map_or_else(|| guide.is_for(&home.product), |old| old.product == home.product)
    };
    let mut homes: Vec<&HomeFacts> = node
        .facts
        .iter()
        .flat_map(|facts| &facts.homes)
        .filter(fits)
        .collect();
    homes.sort_by_key(|home| &home.path);
    homes.first().copied()
}

/// The path of a home on every node, with `{node}` where the node's name stands in it; `FILL IN` when there is no one
/// way to write it.
fn path_on_all<'a>(homes: impl Iterator<Item = (&'a str, Option<&'a HomeFacts>)>) -> String {
    let (mut plain, mut named) = (BTreeSet::new(), BTreeSet::new());
    for (node, home) in homes {
        let path = home.map(|home| home.path.clone());
        named.insert(path.as_ref().map(|path| path.replace(node, "{node}")));
        plain.insert(path);
    }
    let single = |paths: &BTreeSet<Option<String>>| match paths.first() {
        Some(Some(path)) if paths.len() == 1 => Some(path.clone()),
        Some(_) | None => None,
    };
    single(&plain)
        .or_else(|| single(&named))
        .unwrap_or_else(|| FILL_IN.to_owned())
}
