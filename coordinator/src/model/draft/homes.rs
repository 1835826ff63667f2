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
    let homes: Vec<(&str, Option<&str>)> = homes
        .map(|(node, home)| (node, home.map(|home| home.path.as_str())))
        .collect();
    // A node's name may stand in other words too: `ss-1` in `wso2ss-1.0.3`.
    let ways: [fn(&str, &str) -> String; 3] = [
        |path, _| path.to_owned(),
        in_whole_names,
        |path, node| path.replace(node, "{node}"),
    ];
    let written = ways.into_iter().find_map(|way| {
        let paths: BTreeSet<Option<String>> = homes
            .iter()
            .map(|(node, path)| path.map(|path| way(path, node)))
            .collect();
        match paths.first() {
            Some(Some(path)) if paths.len() == 1 => Some(path.clone()),
            Some(_) | None => None,
        }
    });
    written.unwrap_or_else(|| FILL_IN.to_owned())
}

fn in_whole_names(path: &str, node: &str) -> String {
    let names = path
        .split('/')
        .map(|name| if name == node { "{node}" } else { name });
    names.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(paths: &[(&str, &str)]) -> String {
        let homes: Vec<(&str, HomeFacts)> = paths
            .iter()
            .map(|(node, path)| {
                let path = (*path).to_owned();
                (
                    *node,
                    HomeFacts {
                        path,
                        ..HomeFacts::default()
                    },
                )
            })
            .collect();
        path_on_all(homes.iter().map(|(node, home)| (*node, Some(home))))
    }

    #[test]
    fn path_when_the_product_is_called_like_the_node_then_only_the_folder_is_replaced() {
        let homes = [
            ("ss-1", "/opt/ss-1/wso2ss-1.0.3"),
            ("ss-2", "/opt/ss-2/wso2ss-1.0.3"),
        ];
        assert_eq!(written(&homes), "/opt/{node}/wso2ss-1.0.3");
        assert_eq!(
            written(&[("a", "/opt/dss-a"), ("b", "/opt/dss-b")]),
            "/opt/dss-{node}"
        );
        assert_eq!(written(&[("a", "/x"), ("b", "/y")]), FILL_IN);
    }
}
