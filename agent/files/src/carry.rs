//! Single files from one home to another: JDBC drivers, keystores, whatever the site added.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::beneath::Root;
use crate::path::RelPath;
use crate::pattern::{BadPattern, Patterns};
use crate::progress::{Cancel, Progress};
use crate::space;
use crate::tree::{CopyReport, Job, Selection, TreeError, execute};
use crate::workers;

/// Files to carry from one home to another.
#[derive(Debug)]
pub struct CarryRequest<'a> {
    /// The old home.
    pub from: &'a Root,
    /// The new home. Files land under the paths they have in the old one.
    pub to: &'a Root,
    /// Patterns relative to the home, such as `repository/components/lib/*.jar`. `*` stays within one name, `**`
    /// crosses directories.
    pub patterns: &'a [String],
    /// As for a [copy](crate::tree::CopyRequest): the journal and what is needed to undo. Not shared with a copy.
    pub keep: &'a Root,
    /// Threads; one per core when not given.
    pub workers: Option<NonZeroUsize>,
    /// Told how far it is.
    pub progress: &'a dyn Progress,
    /// Stops it.
    pub cancel: &'a Cancel,
}

/// What was carried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarryReport {
    /// As for a copy.
    pub copy: CopyReport,
    /// Patterns that no file of the old home matches.
    pub unmatched: Vec<String>,
}

/// Carries single files, with the verification, journal and undo of a copy
/// ([`undo_copy`](crate::tree::undo_copy) takes it back). Configuration files are refused.
pub fn carry(request: &CarryRequest<'_>) -> Result<CarryReport, TreeError> {
    let patterns = Patterns::parse(request.patterns)
        .map_err(|BadPattern { pattern, source }| TreeError::Pattern { pattern, source })?;
    let workers = workers::count(request.workers);
    let unmatched = patterns.unmatched(&patterns.select(request.from, workers)?);
    let copy = execute(&Job {
        from: request.from,
        from_path: RelPath::root(),
        to: request.to,
        to_path: RelPath::root(),
        keep: request.keep,
        selection: Selection::Matching(&patterns),
        kept_but: None,
        workers,
        progress: request.progress,
        cancel: request.cancel,
        free: &|path| space::free_bytes(path),
    })?;
    Ok(CarryReport { copy, unmatched })
}
