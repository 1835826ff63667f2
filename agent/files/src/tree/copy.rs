//! Running a copy from the scan to the last sync.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::Path;

use crate::beneath::{self, Root};
use crate::error::{Context, FileError};
use crate::meta::Kind;
use crate::path::RelPath;
use crate::pattern::{BadPattern, Patterns};
use crate::progress::{Cancel, Progress};
use crate::space::{self, FreeSpace};
use crate::tree::journal::{HeldDir, Journal, Ledger, Line};
use crate::tree::keep::Keep;
use crate::tree::plan::{NewDir, Planner};
use crate::tree::report::{CopyReport, UndoReport};
use crate::tree::run::{Copied, Run};
use crate::tree::target::Target;
use crate::tree::{TreeError, undo};
use crate::walk::{self, Node, Visit};
use crate::workers;

/// Configuration of a Carbon home; never copied from one home to another.
const CONFIGURATION: &str = "repository/conf";

/// What becomes of what the target has before the copy first runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing<'a> {
    /// It is replaced, and preserved for the undo.
    Replace,
    /// It stays: a new version's own files are not overwritten by those of an old one.
    Keep {
        /// Patterns of paths beneath the target's root that are replaced all the same. `*` stays within one name, `**`
        /// crosses directories.
        except: &'a [String],
    },
}

/// A directory tree to copy into another root.
#[derive(Debug)]
pub struct CopyRequest<'a> {
    /// The root of the source, such as the old home.
    pub from: &'a Root,
    /// The directory to copy, beneath it.
    pub from_path: &'a Path,
    /// The root of the target, such as the new home.
    pub to: &'a Root,
    /// Where the directory's content goes, beneath it; made when it does not exist.
    pub to_path: &'a Path,
    /// A directory for the journal, staged files and preserved originals, on the target's file system and outside
    /// the tree. Belongs to this copy alone: the same one resumes or repeats it, and undoes it.
    pub keep: &'a Root,
    /// What becomes of files that the target has already and with other content.
    pub existing: Existing<'a>,
    /// Threads; one per core when not given.
    pub workers: Option<NonZeroUsize>,
    /// Told how far the copy is.
    pub progress: &'a dyn Progress,
    /// Stops it.
    pub cancel: &'a Cancel,
}

/// Copies a directory tree; see the [module](crate::tree) for how, and [`undo_copy`](crate::tree::undo_copy) for
/// how it is taken back. The target keeps what the source does not have.
pub fn copy_tree(request: &CopyRequest<'_>) -> Result<CopyReport, TreeError> {
    let replaced = match request.existing {
        Existing::Replace => None,
        Existing::Keep { except } => Some(
            Patterns::parse(except)
                .map_err(|BadPattern { pattern, source }| TreeError::Pattern { pattern, source })?,
        ),
    };
    let job = Job {
        from: request.from,
        from_path: RelPath::parse(request.from_path)?,
        to: request.to,
        to_path: RelPath::parse(request.to_path)?,
        keep: request.keep,
        selection: Selection::Tree,
        kept_but: replaced.as_ref(),
        workers: workers::count(request.workers),
        progress: request.progress,
        cancel: request.cancel,
        free: &|path| space::free_bytes(path),
    };
    execute(&job)
}

/// Which entries of the source are copied.
#[derive(Debug)]
pub(crate) enum Selection<'a> {
    Tree,
    /// Files and links whose path matches, and the directories that lead to them.
    Matching(&'a Patterns),
}

/// A copy with everything it needs.
pub(crate) struct Job<'a> {
    pub(crate) from: &'a Root,
    pub(crate) from_path: RelPath,
    pub(crate) to: &'a Root,
    pub(crate) to_path: RelPath,
    pub(crate) keep: &'a Root,
    pub(crate) selection: Selection<'a>,
    /// When the target's own files stay: those that do not.
    pub(crate) kept_but: Option<&'a Patterns>,
    pub(crate) workers: usize,
    pub(crate) progress: &'a dyn Progress,
    pub(crate) cancel: &'a Cancel,
    pub(crate) free: FreeSpace<'a>,
}

/// Runs a copy.
pub(crate) fn execute(job: &Job<'_>) -> Result<CopyReport, TreeError> {
    let base = job.from.sub(&job.from_path)?;
    let nodes = job.scan(&base)?;
    let keep = Keep::open(job.keep)?;
    let Some((mut journal, mut ledger)) = Journal::open(&keep, true)? else {
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(FileError::new("open the journal in", keep.root().path(), missing).into());
    };
    job.check_owner(&ledger)?;
    let withdrawn = job.withdraw(&nodes, &keep, &mut journal, &mut ledger)?;

    let target = match job.selection {
        Selection::Tree => Target::of_tree(job.to, &job.to_path, job.workers)?,
        Selection::Matching(_) => Target::of_paths(job.to, nodes.iter().map(|node| &node.path))?,
    };
    let planner = Planner {
        to: job.to,
        prefix: &job.to_path,
        nodes: &nodes,
        leading: job.leading(&base)?,
        target: &target,
        kept_but: job.kept_but,
        keep: &keep,
        ledger: &ledger,
    };
    let mut plan = planner.plan()?;
    let mut run = Run::new(job, &base, &nodes, &keep);
    let (files, bytes) = run.totals();
    job.progress.total(files, bytes);
    let staged = run.compare(&mut plan)?;
    run.compare_kept(&mut plan)?;
    planner.enter(&mut plan)?;
    let bytes_copied = run.check_space(&plan, &staged)?;

    run.journal(&plan, &mut journal, &ledger)?;
    run.stage(&plan, &staged, bytes_copied)?;
    run.land(&plan)?;
    let copied = Copied {
        bytes: bytes_copied,
        staged_before: &staged,
        withdrawn,
    };
    let report = run.report(&plan, &target, &ledger, copied);
    keep.sync_all()?;
    journal.append(
        [Line::Complete {
            tree_hash: report.tree_hash,
        }]
        .iter(),
    )?;
    keep.clear_stage()?;
    Ok(report)
}

impl Job<'_> {
    /// The source's entries, checked to be copyable.
    fn scan(&self, base: &Root) -> Result<Vec<Node>, TreeError> {
        let nodes = match &self.selection {
            Selection::Tree => walk::walk(base.fd(), base.path(), self.workers, &|_| Visit::Take)?,
            Selection::Matching(patterns) => patterns.select(base, self.workers)?,
        };
        let configuration = RelPath::parse(CONFIGURATION)?;
        for node in &nodes {
            let (source, target) = (self.from_path.join(&node.path), self.to_path.join(&node.path));
            let is_file = node.meta.kind != Kind::Dir;
            if is_file && (source.starts_with(&configuration) || target.starts_with(&configuration)) {
                return Err(TreeError::Configuration { path: source });
            }
            if node.meta.kind == Kind::Special {
                return Err(TreeError::Special {
                    path: self.from.full(&source),
                });
            }
        }
        Ok(nodes)
    }

    pub(crate) fn name(&self) -> String {
        match self.selection {
            Selection::Tree => format!("`{}` to `{}`", self.from_path, self.to_path),
            Selection::Matching(_) => "single files".to_owned(),
        }
    }

    fn check_owner(&self, ledger: &Ledger) -> Result<(), TreeError> {
        let wanted = self.name();
        match &ledger.copy {
            Some(found) if *found != wanted => Err(TreeError::OtherCopy {
                keep: self.keep.path().to_owned(),
                found: found.clone(),
                wanted,
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Takes back what an earlier run made and the source no longer has.
    fn withdraw(
        &self,
        nodes: &[Node],
        keep: &Keep<'_>,
        journal: &mut Journal,
        ledger: &mut Ledger,
    ) -> Result<Vec<RelPath>, TreeError> {
        let kinds: HashMap<RelPath, Kind> = nodes
            .iter()
            .map(|node| (self.to_path.join(&node.path), node.meta.kind))
            .collect();
        let wanted =
            |path: &RelPath, dir: bool| kinds.get(path).is_some_and(|kind| (*kind == Kind::Dir) == dir);
        let leads = |path: &RelPath| self.to_path.starts_with(path);
        let mut report = UndoReport::default();
        let gone: Vec<RelPath> = ledger
            .held
            .keys()
            .filter(|path| !wanted(path, false))
            .cloned()
            .collect();
        for path in &gone {
            if let Some(held) = ledger.held.get(path) {
                undo::take_back(self.to, keep, path, held, &mut report)?;
            }
        }
        let made = ledger
            .dirs
            .iter()
            .rev()
            .filter(|(_, dir)| **dir == HeldDir::Made)
            .map(|(path, _)| path);
        let gone_dirs: Vec<RelPath> = made
            .filter(|path| !wanted(path, true) && !leads(path))
            .cloned()
            .collect();
        for path in &gone_dirs {
            undo::take_back_dir(self.to, path, &mut report)?;
        }
        if gone.is_empty() && gone_dirs.is_empty() {
            return Ok(gone);
        }
        keep.sync_all()?;
        let taken = gone
            .iter()
            .chain(gone_dirs.iter().filter(|path| !report.dirs_left.contains(path)));
        let lines: Vec<Line> = taken.map(|path| Line::Withdrawn { path: path.clone() }).collect();
        journal.append(lines.iter())?;
        lines.into_iter().for_each(|line| ledger.apply(line));
        Ok(gone)
    }

    /// The directories that lead to the target, and itself. They look like the source's where the paths agree.
    fn leading(&self, base: &Root) -> Result<Vec<NewDir>, TreeError> {
        let mut dirs = Vec::new();
        for path in self.to_path.ancestors() {
            let marks = if self.from_path == self.to_path {
                beneath::look_at(self.from.fd(), &path)
                    .ok()
                    .flatten()
                    .filter(|meta| meta.kind == Kind::Dir)
            } else {
                None
            };
            dirs.push(NewDir {
                path,
                marks,
                is_missing: true,
            });
        }
        if !self.to_path.is_root() {
            let marks = beneath::look(base.fd(), ".").on("look at", || base.path().to_owned())?;
            dirs.push(NewDir {
                path: self.to_path.clone(),
                marks,
                is_missing: true,
            });
        }
        Ok(dirs)
    }
}

#[cfg(test)]
mod tests;
