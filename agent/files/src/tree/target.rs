//! What the target already has where the source is going to land.

use std::collections::HashMap;

use crate::beneath::{self, Root};
use crate::error::{Context, FileError};
use crate::meta::{Kind, Meta};
use crate::path::RelPath;
use crate::tree::TreeError;
use crate::walk::{self, Node, Visit};

/// Entries of the target by their path beneath its root.
#[derive(Debug, Default)]
pub(crate) struct Target {
    nodes: HashMap<RelPath, Node>,
}

impl Target {
    /// Everything beneath `prefix`, and the directories that lead to it.
    pub(crate) fn of_tree(to: &Root, prefix: &RelPath, workers: usize) -> Result<Self, TreeError> {
        let mut target = Self::default();
        let mut leading = prefix.ancestors();
        leading.extend((!prefix.is_root()).then(|| prefix.clone()));
        if !target.look_down(to, &leading)? {
            return Ok(target);
        }
        let base = beneath::open_dir(to.fd(), prefix).on("open directory", || to.full(prefix))?;
        let nodes = walk::walk(
            std::os::fd::AsFd::as_fd(&base),
            &to.full(prefix),
            workers,
            &|_| Visit::Take,
        )?;
        let placed = nodes.into_iter().map(|node| Node {
            path: prefix.join(&node.path),
            ..node
        });
        target.nodes.extend(placed.map(|node| (node.path.clone(), node)));
        Ok(target)
    }

    /// Only these paths, and the directories that lead to them.
    pub(crate) fn of_paths<'a>(
        to: &Root,
        paths: impl Iterator<Item = &'a RelPath>,
    ) -> Result<Self, TreeError> {
        let mut target = Self::default();
        for path in paths {
            let mut leading = path.ancestors();
            leading.push(path.clone());
            target.look_down(to, &leading)?;
        }
        Ok(target)
    }

    /// Looks at paths each of which lies in the one before; says whether all are directories.
    fn look_down(&mut self, to: &Root, paths: &[RelPath]) -> Result<bool, FileError> {
        for path in paths {
            let kind = match self.nodes.get(path) {
                Some(node) => Some(node.meta.kind),
                None => self.look_at(to, path)?,
            };
            if kind != Some(Kind::Dir) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn look_at(&mut self, to: &Root, path: &RelPath) -> Result<Option<Kind>, FileError> {
        let parent = path.parent().unwrap_or_default();
        let dir = beneath::open_dir(to.fd(), &parent).on("open directory", || to.full(&parent))?;
        let name = path.name().unwrap_or_default();
        let node =
            walk::node(std::os::fd::AsFd::as_fd(&dir), name, path.clone()).on("look at", || to.full(path))?;
        let kind = node.as_ref().map(|node| node.meta.kind);
        self.nodes.extend(node.map(|node| (path.clone(), node)));
        Ok(kind)
    }

    pub(crate) fn get(&self, path: &RelPath) -> Option<&Node> {
        self.nodes.get(path)
    }

    pub(crate) fn meta(&self, path: &RelPath) -> Option<&Meta> {
        self.nodes.get(path).map(|node| &node.meta)
    }

    /// All entries, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }
}
