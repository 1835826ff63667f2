//! The steps of a copy that is under way.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::beneath::{self, Root};
use crate::error::Context;
use crate::hash::Digest;
use crate::meta::Kind;
use crate::path::RelPath;
use crate::space;
use crate::tree::TreeError;
use crate::tree::copy::{Job, Selection};
use crate::tree::journal::{Journal, Ledger, Line, Origin};
use crate::tree::keep::Keep;
use crate::tree::land::Landing;
use crate::tree::manifest::{self, Entry};
use crate::tree::plan::{Action, Candidate, Op, Plan};
use crate::tree::report::CopyReport;
use crate::tree::stage::{self, Scratch, Stage};
use crate::tree::target::Target;
use crate::walk::Node;
use crate::workers;

/// The version of the journal's lines.
const JOURNAL_VERSION: u32 = 1;
/// What a small file takes on a disk beside its content.
const ENTRY_OVERHEAD: u64 = 4096;
/// Files from this size on are a thread's work of their own.
const LARGE: u64 = 4 << 20;

/// What the report needs of the steps before it.
pub(crate) struct Copied<'a> {
    pub(crate) bytes: u64,
    pub(crate) staged_before: &'a BTreeSet<u64>,
    pub(crate) withdrawn: Vec<RelPath>,
}

/// A copy under way.
pub(crate) struct Run<'a> {
    job: &'a Job<'a>,
    base: &'a Root,
    nodes: &'a [Node],
    keep: &'a Keep<'a>,
    hashes: Vec<OnceLock<Digest>>,
    lost: u64,
}

impl<'a> Run<'a> {
    pub(crate) fn new(job: &'a Job<'a>, base: &'a Root, nodes: &'a [Node], keep: &'a Keep<'a>) -> Self {
        let hashes = nodes.iter().map(|_| OnceLock::new()).collect();
        Self {
            job,
            base,
            nodes,
            keep,
            hashes,
            lost: 0,
        }
    }

    pub(crate) fn totals(&self) -> (u64, u64) {
        let copied = self.nodes.iter().filter(|node| node.meta.kind != Kind::Dir);
        (copied.count() as u64, manifest::total_bytes(self.nodes.iter()))
    }

    fn node(&self, op: &Op) -> Option<&Node> {
        self.nodes.get(op.node)
    }

    fn set_hash(&self, node: usize, hash: Digest) {
        if let Some(slot) = self.hashes.get(node) {
            slot.get_or_init(|| hash);
        }
    }

    /// Compares content with what may already be there: files in place leave the plan, complete staged ones are
    /// returned.
    pub(crate) fn compare(&self, plan: &mut Plan) -> Result<BTreeSet<u64>, TreeError> {
        let ops: Vec<(&Op, AtomicBool)> = plan.ops.iter().map(|op| (op, AtomicBool::new(false))).collect();
        let checks: Vec<&(&Op, AtomicBool)> = ops.iter().filter(|(op, _)| op.candidate.is_some()).collect();
        workers::run(self.job.workers, &checks, Scratch::new, |scratch, (op, equal)| {
            equal.store(self.is_equal(op, scratch)?, Ordering::Relaxed);
            Ok::<(), TreeError>(())
        })?;
        let equal: Vec<bool> = ops.into_iter().map(|(_, equal)| equal.into_inner()).collect();
        let mut staged = BTreeSet::new();
        let mut results = equal.into_iter();
        plan.ops.retain(|op| {
            let equal = results.next() == Some(true);
            let found = op.candidate.filter(|_| equal).map(|(candidate, _)| candidate);
            staged.extend((found == Some(Candidate::Staged)).then_some(op.number));
            found != Some(Candidate::Landed)
        });
        Ok(staged)
    }

    /// Finds out which of the files that stay are the source's files anyway: those leave the list.
    pub(crate) fn compare_kept(&self, plan: &mut Plan) -> Result<(), TreeError> {
        let ops: Vec<(&Op, AtomicBool)> = plan.kept.iter().map(|op| (op, AtomicBool::new(false))).collect();
        workers::run(self.job.workers, &ops, Scratch::new, |scratch, (op, equal)| {
            let found = self.is_equal(op, scratch)?;
            if !found && let Some(node) = self.node(op) {
                self.job.progress.add(1, node.meta.size);
            }
            equal.store(found, Ordering::Relaxed);
            Ok::<(), TreeError>(())
        })?;
        let mut equal = ops
            .into_iter()
            .map(|(_, equal)| equal.into_inner())
            .collect::<Vec<_>>()
            .into_iter();
        plan.kept.retain(|_| equal.next() == Some(false));
        Ok(())
    }

    fn is_equal(&self, op: &Op, scratch: &mut Scratch) -> Result<bool, TreeError> {
        let (Some(node), Some((candidate, meta))) = (self.node(op), op.candidate) else {
            return Ok(false);
        };
        let cancel = self.job.cancel;
        let shown = || self.base.full(&node.path);
        let (buffer, _) = scratch.split();
        let source = manifest::open_parent(self.base, &node.path)?;
        let source = manifest::open_file(source.as_fd(), &node.path).on("open", shown)?;
        let hash = manifest::hash_file(source, &node.meta, buffer, cancel, &shown)?;
        let Some(hash) = hash else {
            return Err(TreeError::SourceChanged { path: shown() });
        };
        let there = match candidate {
            Candidate::Landed => {
                let shown = || self.job.to.full(&op.path);
                let dir = manifest::open_parent(self.job.to, &op.path)?;
                let file = manifest::open_file(dir.as_fd(), &op.path).on("open", shown)?;
                manifest::hash_file(file, &meta, buffer, cancel, &shown)?
            }
            Candidate::Staged => {
                let shown = || self.keep.staged_path(op.number);
                let file = self.keep.open_staged(op.number).on("open", shown)?;
                manifest::hash_file(file, &meta, buffer, cancel, &shown)?
            }
        };
        if there != Some(hash) {
            return Ok(false);
        }
        self.set_hash(op.node, hash);
        self.job.progress.add(1, node.meta.size);
        Ok(true)
    }

    /// Refuses to start what cannot fit; returns the bytes that will be copied.
    pub(crate) fn check_space(&self, plan: &Plan, staged: &BTreeSet<u64>) -> Result<u64, TreeError> {
        let open = plan.ops.iter().filter(|op| !staged.contains(&op.number));
        let (mut bytes, mut entries) = (0, plan.dirs.iter().filter(|dir| dir.is_missing).count() as u64);
        for node in open.filter_map(|op| self.node(op)) {
            entries += 1;
            if node.meta.kind == Kind::File {
                bytes += node.meta.size;
            }
        }
        let needed = bytes + entries * ENTRY_OVERHEAD;
        if entries > 0 {
            space::ensure(self.keep.root().path(), needed, self.job.free)?;
        }
        Ok(bytes)
    }

    /// Writes down everything that is going to be done.
    pub(crate) fn journal(
        &self,
        plan: &Plan,
        journal: &mut Journal,
        ledger: &Ledger,
    ) -> Result<(), TreeError> {
        let begin = Line::Begin {
            version: JOURNAL_VERSION,
            copy: self.job.name(),
        };
        let new_dirs = plan
            .dirs
            .iter()
            .filter(|dir| !ledger.dirs.contains_key(&dir.path));
        let dirs = new_dirs.map(|dir| Line::MakeDir {
            path: dir.path.clone(),
        });
        let entered = plan.entered.iter().map(|(path, mtime)| Line::EnterDir {
            path: path.clone(),
            mtime: *mtime,
        });
        let ops = plan
            .ops
            .iter()
            .filter_map(|op| self.node(op).map(|node| (op, node)));
        let files = ops
            .filter(|(op, node)| !op.is_journaled(node, ledger))
            .map(|(op, node)| op.line(node));
        let lines: Vec<Line> = std::iter::once(begin)
            .chain(entered)
            .chain(dirs)
            .chain(files)
            .collect();
        journal.append(lines.iter())?;
        Ok(self.keep.sync_own()?)
    }

    /// Stages what is not staged yet and waits until it is on the disk.
    pub(crate) fn stage(&mut self, plan: &Plan, staged: &BTreeSet<u64>, bytes: u64) -> Result<(), TreeError> {
        let (from, keep) = (self.base, self.keep);
        let (progress, cancel) = (self.job.progress, self.job.cancel);
        let stage = Stage {
            from,
            keep,
            gives: stage::gives(),
            needed: bytes,
            progress,
            cancel,
        };
        let mut open: Vec<&Op> = plan
            .ops
            .iter()
            .filter(|op| !staged.contains(&op.number))
            .collect();
        keep.make_shards(open.iter().map(|op| op.number))?;
        // Large files first, so that the last thread to end is not one that has just begun a large one.
        let size = |op: &&Op| self.node(op).map_or(0, |node| node.meta.size);
        open.sort_by_key(|op| std::cmp::Reverse(size(op) / LARGE));
        let batches: Vec<&[&Op]> = split(&open, size);
        let lost = AtomicU64::new(0);
        workers::run(self.job.workers, &batches, Scratch::new, |scratch, batch| {
            for op in *batch {
                let Some(node) = self.node(op) else { continue };
                let done = stage.stage(op, node, scratch)?;
                lost.fetch_add(done.attributes_lost, Ordering::Relaxed);
                if let Some(hash) = done.hash {
                    self.set_hash(op.node, hash);
                }
            }
            Ok::<(), TreeError>(())
        })?;
        self.lost += lost.into_inner();
        if !plan.ops.is_empty() {
            keep.sync_all()?;
        }
        Ok(())
    }

    /// Makes directories, preserves originals, puts the staged files in place.
    pub(crate) fn land(&mut self, plan: &Plan) -> Result<(), TreeError> {
        let landing = Landing {
            to: self.job.to,
            keep: self.keep,
        };
        self.job.cancel.check()?;
        let replaced: Vec<&Op> = plan
            .ops
            .iter()
            .filter(|op| op.action == Action::Replace)
            .collect();
        workers::run(self.job.workers, &replaced, || (), |(), op| landing.preserve(op))?;
        if !replaced.is_empty() {
            self.keep.sync_kept()?;
        }
        for dir in &plan.dirs {
            landing.make_dir(dir)?;
        }
        let ops: Vec<&Op> = plan.ops.iter().collect();
        let runs: Vec<&[&Op]> = ops.chunk_by(|a, b| a.path.parent() == b.path.parent()).collect();
        workers::run(
            self.job.workers,
            &runs,
            || (),
            |(), run| {
                self.job.cancel.check()?;
                landing.land(run)
            },
        )?;
        for dir in plan.dirs.iter().rev() {
            self.lost += landing.finish_dir(dir, self.source_dir(&dir.path))?;
        }
        Ok(())
    }

    /// The directory of the source that a directory of the target comes from.
    fn source_dir(&self, path: &RelPath) -> Option<OwnedFd> {
        beneath::open_dir(self.base.fd(), &path.strip_prefix(&self.job.to_path)?).ok()
    }

    pub(crate) fn report(
        &self,
        plan: &Plan,
        target: &Target,
        ledger: &Ledger,
        done: Copied<'_>,
    ) -> CopyReport {
        let left: BTreeSet<usize> = plan.kept.iter().map(|op| op.node).collect();
        let there: Vec<(&Node, Option<Digest>)> = self
            .nodes
            .iter()
            .zip(&self.hashes)
            .enumerate()
            .filter(|(index, _)| !left.contains(index))
            .map(|(_, (node, hash))| (node, hash.get().copied()))
            .collect();
        let count = |kind| there.iter().filter(|(node, _)| node.meta.kind == kind).count() as u64;
        let with = |action| {
            plan.ops
                .iter()
                .filter(move |op| op.action == action)
                .map(|op| op.path.clone())
        };
        let replaced_before = ledger.held.iter().filter(|(path, held)| {
            matches!(held.origin, Origin::Preserved(_)) && target.meta(path).is_some()
        });
        let overwritten: BTreeSet<RelPath> = with(Action::Replace)
            .chain(replaced_before.map(|(path, _)| path.clone()))
            .collect();
        let entries: Vec<Entry> = there
            .iter()
            .map(|(node, hash)| Entry::new(node.path.clone(), &node.meta, *hash, node.link.clone()))
            .collect();
        let is_file = |op: &&Op| self.node(op).is_some_and(|node| node.meta.kind == Kind::File);
        let copied = plan
            .ops
            .iter()
            .filter(is_file)
            .filter(|op| !done.staged_before.contains(&op.number));
        CopyReport {
            files: count(Kind::File),
            dirs: count(Kind::Dir),
            links: count(Kind::Link),
            bytes: manifest::total_bytes(there.iter().map(|(node, _)| *node)),
            reused: count(Kind::File) - copied.count() as u64,
            bytes_copied: done.bytes,
            overwritten: overwritten.into_iter().collect(),
            kept_own: self.kept_own(target, ledger),
            kept: plan
                .kept
                .iter()
                .map(|op| op.path.clone())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
            withdrawn: done.withdrawn,
            set_aside: with(Action::Aside).collect(),
            attributes_lost: self.lost,
            tree_hash: manifest::hash_entries(&entries),
        }
    }

    fn kept_own(&self, target: &Target, ledger: &Ledger) -> Vec<RelPath> {
        let Selection::Tree = self.job.selection else {
            return Vec::new();
        };
        let ours: BTreeSet<RelPath> = self
            .nodes
            .iter()
            .map(|node| self.job.to_path.join(&node.path))
            .collect();
        let own = target
            .iter()
            .filter(|node| node.meta.kind != Kind::Dir && !ours.contains(&node.path));
        let own = own.filter(|node| !ledger.held.contains_key(&node.path));
        own.map(|node| node.path.clone())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }
}

/// Cuts a list into batches: a large file alone, small ones by 64, so that threads do not queue for the next item.
fn split<'a, 'b>(ops: &'a [&'b Op], size: impl Fn(&&'b Op) -> u64) -> Vec<&'a [&'b Op]> {
    let mut batches = Vec::new();
    for run in ops.chunk_by(|a, b| size(a) < LARGE && size(b) < LARGE) {
        batches.extend(run.chunks(64));
    }
    batches
}
