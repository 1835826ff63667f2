//! Deciding what a copy does, before it does anything.

use std::collections::BTreeMap;

use crate::beneath::Root;
use crate::error::Context;
use crate::meta::{Kind, Meta, Mtime};
use crate::path::RelPath;
use crate::pattern::Patterns;
use crate::tree::TreeError;
use crate::tree::journal::{Held, HeldDir, Identity, Ledger, Line, Origin};
use crate::tree::keep::Keep;
use crate::tree::target::Target;
use crate::walk::Node;

/// How a staged file lands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing is there.
    Make,
    /// The original is preserved first.
    Replace,
    /// The original is preserved, or there was none; this copy's own file is there.
    Rewrite,
    /// The original is preserved, and somebody changed this copy's file: that is moved aside first.
    Aside,
}

/// Where content that may make copying needless is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Candidate {
    /// In its place in the target.
    Landed,
    /// Staged by an earlier run.
    Staged,
}

/// One file or link of the source and what becomes of it.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    /// Which node of the source.
    pub(crate) node: usize,
    /// Beneath the target's root.
    pub(crate) path: RelPath,
    pub(crate) number: u64,
    pub(crate) action: Action,
    /// Whether equal content may already be there; compared before the copy starts.
    pub(crate) candidate: Option<(Candidate, Meta)>,
}

impl Op {
    pub(crate) fn line(&self, node: &Node) -> Line {
        let identity = Identity::of(&node.meta, node.link.as_deref());
        let (path, number) = (self.path.clone(), self.number);
        match self.action {
            Action::Make => Line::Make {
                path,
                number,
                identity,
            },
            Action::Replace => Line::Replace {
                path,
                number,
                identity,
            },
            Action::Rewrite => Line::Rewrite {
                path,
                number,
                identity,
            },
            Action::Aside => Line::Aside {
                path,
                number,
                identity,
            },
        }
    }

    /// Whether the journal says exactly this already.
    pub(crate) fn is_journaled(&self, node: &Node, ledger: &Ledger) -> bool {
        let Some(held) = ledger.held.get(&self.path) else {
            return false;
        };
        let origin = match self.action {
            Action::Make => held.origin == Origin::Absent,
            Action::Replace => held.origin == Origin::Preserved(self.number),
            Action::Rewrite | Action::Aside => true,
        };
        let identity = Identity::of(&node.meta, node.link.as_deref());
        origin && held.number == self.number && held.identities.contains(&identity)
    }
}

/// A directory the copy makes, with the marks it gets.
#[derive(Clone, Debug)]
pub(crate) struct NewDir {
    pub(crate) path: RelPath,
    pub(crate) marks: Option<Meta>,
    /// Whether it is still to be made, and not only to be given its marks again.
    pub(crate) is_missing: bool,
}

/// Everything a copy is going to do.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) ops: Vec<Op>,
    /// Parents before children.
    pub(crate) dirs: Vec<NewDir>,
    /// Directories of the target whose time is going to change.
    pub(crate) entered: BTreeMap<RelPath, Mtime>,
    /// What the target had before the copy and keeps: nothing lands there.
    pub(crate) kept: Vec<Op>,
    /// Links that are already in place.
    pub(crate) links_in_place: u64,
}

/// What a plan is made from.
#[derive(Debug)]
pub(crate) struct Planner<'a> {
    pub(crate) to: &'a Root,
    pub(crate) prefix: &'a RelPath,
    pub(crate) nodes: &'a [Node],
    /// Directories that lead to the prefix, and itself, with the marks they get if they are made.
    pub(crate) leading: Vec<NewDir>,
    pub(crate) target: &'a Target,
    /// When the target's own files stay: those that do not.
    pub(crate) kept_but: Option<&'a Patterns>,
    pub(crate) keep: &'a Keep<'a>,
    pub(crate) ledger: &'a Ledger,
}

impl Planner<'_> {
    pub(crate) fn plan(&self) -> Result<Plan, TreeError> {
        let mut plan = Plan::default();
        let mut next = self.ledger.next;
        for dir in &self.leading {
            self.plan_dir(dir.clone(), &mut plan)?;
        }
        for (index, node) in self.nodes.iter().enumerate() {
            let path = self.prefix.join(&node.path);
            match node.meta.kind {
                Kind::Dir => self.plan_dir(
                    NewDir {
                        path,
                        marks: Some(node.meta),
                        is_missing: true,
                    },
                    &mut plan,
                )?,
                Kind::File | Kind::Link => self.plan_file(index, node, path, &mut next, &mut plan)?,
                Kind::Special => {}
            }
        }
        Ok(plan)
    }

    /// Directories whose listing changes, so that undo can put their time back. Known only once it is known what
    /// is really copied.
    pub(crate) fn enter(&self, plan: &mut Plan) -> Result<(), TreeError> {
        let made = plan.dirs.iter().map(|dir| &dir.path);
        let mut parents: Vec<RelPath> = made
            .chain(plan.ops.iter().map(|op| &op.path))
            .filter_map(RelPath::parent)
            .collect();
        parents.dedup();
        for parent in parents {
            if plan.entered.contains_key(&parent) {
                continue;
            }
            let found = match self.target.meta(&parent) {
                Some(meta) => Some(*meta),
                None if parent.is_root() => {
                    crate::beneath::look(self.to.fd(), ".").on("look at", || self.to.path().to_owned())?
                }
                None => None,
            };
            let Some(meta) = found else { continue };
            if meta.dev != self.keep.dev() {
                let (path, keep) = (self.to.full(&parent), self.keep.root().path().to_owned());
                return Err(TreeError::OtherFileSystem { path, keep });
            }
            plan.entered.insert(parent, meta.mtime);
        }
        plan.entered
            .retain(|path, _| !self.ledger.dirs.contains_key(path));
        Ok(())
    }

    fn plan_dir(&self, dir: NewDir, plan: &mut Plan) -> Result<(), TreeError> {
        match self.target.meta(&dir.path).map(|meta| meta.kind) {
            None => plan.dirs.push(dir),
            // Made by an earlier run that may not have finished its marks.
            Some(Kind::Dir) if self.ledger.dirs.get(&dir.path) == Some(&HeldDir::Made) => {
                plan.dirs.push(NewDir {
                    is_missing: false,
                    ..dir
                });
            }
            Some(Kind::Dir) => {}
            Some(kind @ (Kind::File | Kind::Link | Kind::Special)) => {
                return Err(self.conflict(dir.path, Kind::Dir, kind));
            }
        }
        Ok(())
    }

    fn plan_file(
        &self,
        index: usize,
        node: &Node,
        path: RelPath,
        next: &mut u64,
        plan: &mut Plan,
    ) -> Result<(), TreeError> {
        let there = self.target.get(&path);
        if let Some(kind @ (Kind::Dir | Kind::Special)) = there.map(|there| there.meta.kind) {
            return Err(self.conflict(path, node.meta.kind, kind));
        }
        let held = self.ledger.held.get(&path);
        // What an earlier run of this copy made is in its journal, and is not the target's own.
        if let (Some(there), None) = (there, held)
            && self.kept_but.is_some_and(|replaced| !replaced.matches(&path))
        {
            let alike = there.meta.kind == Kind::File
                && node.meta.kind == Kind::File
                && there.meta.size == node.meta.size;
            let same_link = there.meta.kind == Kind::Link && there.link == node.link;
            plan.links_in_place += u64::from(same_link);
            if !same_link {
                plan.kept.push(Op {
                    node: index,
                    path,
                    number: *next,
                    action: Action::Replace,
                    candidate: alike.then_some((Candidate::Landed, there.meta)),
                });
            }
            return Ok(());
        }
        let (action, number) = match there {
            Some(there) => self.action_on(there, held)?,
            None => self.action_on_nothing(held)?,
        };
        let in_place =
            there.filter(|there| matches!(action, Action::Replace | Action::Rewrite) && alike(node, there));
        if in_place.is_some() && node.meta.kind == Kind::Link {
            plan.links_in_place += 1;
            return Ok(());
        }
        let number = number.unwrap_or_else(|| {
            *next += 1;
            *next - 1
        });
        // A file of this copy must also have the source's time, or the site's watchers see a change later.
        let landed =
            in_place.filter(|there| action != Action::Rewrite || there.meta.mtime == node.meta.mtime);
        let candidate = match landed {
            Some(there) => Some((Candidate::Landed, there.meta)),
            None => self.staged(node, number)?.map(|meta| (Candidate::Staged, meta)),
        };
        plan.ops.push(Op {
            node: index,
            path,
            number,
            action,
            candidate,
        });
        Ok(())
    }

    /// What to do where the target has something, and under which number if that is given.
    fn action_on(&self, there: &Node, held: Option<&Held>) -> Result<(Action, Option<u64>), TreeError> {
        let Some(held) = held else {
            return Ok((Action::Replace, None));
        };
        let ours = held.is_ours(&there.meta, there.link.as_deref());
        let kept = match held.origin {
            Origin::Absent if ours => return Ok((Action::Rewrite, self.staged_number(held)?)),
            Origin::Absent => return Ok((Action::Replace, None)),
            Origin::Preserved(number) => (number, self.kept(number)?),
        };
        match kept {
            // The original was not preserved yet, so it is what is there.
            (number, None) => Ok((Action::Replace, Some(number))),
            (number, Some(kept)) if kept.same_inode(&there.meta) => Ok((Action::Replace, Some(number))),
            (_, Some(_)) if ours => Ok((Action::Rewrite, self.staged_number(held)?)),
            (_, Some(_)) => Ok((Action::Aside, None)),
        }
    }

    fn action_on_nothing(&self, held: Option<&Held>) -> Result<(Action, Option<u64>), TreeError> {
        let Some(held) = held else {
            return Ok((Action::Make, None));
        };
        match held.origin {
            Origin::Absent => Ok((Action::Make, Some(held.number))),
            Origin::Preserved(number) if self.kept(number)?.is_some() => {
                Ok((Action::Rewrite, Some(held.number)))
            }
            // Somebody removed the original before it was preserved.
            Origin::Preserved(_) => Ok((Action::Make, None)),
        }
    }

    fn kept(&self, number: u64) -> Result<Option<Meta>, TreeError> {
        Ok(self
            .keep
            .look_kept(number)
            .on("look at", || self.keep.root().path().join("kept"))?)
    }

    fn staged_number(&self, held: &Held) -> Result<Option<u64>, TreeError> {
        let staged = self
            .keep
            .look_staged(held.number)
            .on("look at", || self.keep.staged_path(held.number))?;
        Ok(staged.map(|_| held.number))
    }

    /// A file staged by an earlier run that may be complete: its marks are set last.
    fn staged(&self, node: &Node, number: u64) -> Result<Option<Meta>, TreeError> {
        if number >= self.ledger.next {
            return Ok(None);
        }
        let staged = self
            .keep
            .look_staged(number)
            .on("look at", || self.keep.staged_path(number))?;
        Ok(staged.filter(|staged| {
            node.meta.kind == Kind::File
                && staged.kind == Kind::File
                && staged.size == node.meta.size
                && staged.mtime == node.meta.mtime
                && staged.mode == node.meta.mode
        }))
    }

    fn conflict(&self, path: RelPath, source: Kind, target: Kind) -> TreeError {
        let root = self.to.path().to_owned();
        TreeError::Conflict {
            root,
            path,
            source_kind: source.noun(),
            target_kind: target.noun(),
        }
    }
}

/// Whether what is there can be the same as the source: for a link it is, for a file only its content can tell.
fn alike(node: &Node, there: &Node) -> bool {
    match node.meta.kind {
        Kind::Link => there.meta.kind == Kind::Link && there.link == node.link,
        Kind::File => {
            there.meta.kind == Kind::File
                && there.meta.size == node.meta.size
                && there.meta.mode == node.meta.mode
        }
        Kind::Dir | Kind::Special => false,
    }
}
