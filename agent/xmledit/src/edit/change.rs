//! What an edit did, and how it is taken back.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use crate::document::Document;
use crate::edit::{ByteSplice, Subject};
use crate::lookup::Target;
use crate::path::Path;

/// One edit of a document: which bytes went and which came.
///
/// Its `Debug` form does not show values, which may be passwords; for the same reason it cannot be serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    path: Path,
    line: usize,
    before: Option<String>,
    after: Option<String>,
    offset: usize,
    removed: Vec<u8>,
    inserted: Vec<u8>,
    /// Fingerprints of the whole file: a change fits only the file it was made in.
    from: u64,
    to: u64,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change")
            .field("path", &self.path.to_string())
            .field("line", &self.line)
            .field("removed", &self.removed_span())
            .field("inserted", &self.inserted_span())
            .finish_non_exhaustive()
    }
}

/// A change that does not fit the document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The document is not the one the change was made in, or was edited since.
    #[error("the change of `{path}` does not fit: the file was edited since; undo the later changes first")]
    Stale {
        /// The path of the change.
        path: Path,
    },
    /// The document would not be XML any more.
    #[error("the change of `{path}` would leave a file that is not XML")]
    Broken {
        /// The path of the change.
        path: Path,
        /// What would be wrong with it.
        #[source]
        source: crate::parse::error::ParseError,
    },
}

impl Change {
    pub(crate) fn new(before: &Document, after: &Document, splice: ByteSplice, subject: Subject<'_>) -> Self {
        Self {
            path: subject.path.clone(),
            line: subject.line,
            before: subject.before,
            after: Some(subject.after),
            offset: splice.offset,
            removed: splice.removed,
            inserted: splice.inserted,
            from: fingerprint(&before.to_bytes()),
            to: fingerprint(&after.to_bytes()),
        }
    }

    pub(crate) fn unchanged(document: &Document, subject: Subject<'_>, target: Target) -> Self {
        let start = document.tree.elements[target.element()].start_tag.start;
        let length = document
            .encoding
            .encode(&document.text[..start])
            .map_or(0, |bytes| bytes.len());
        let bom = if document.bom {
            crate::encoding::BOM.len()
        } else {
            0
        };
        let splice = ByteSplice {
            offset: bom + length,
            removed: Vec::new(),
            inserted: Vec::new(),
        };
        Self::new(document, document, splice, subject)
    }

    /// The path the edit was asked for.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The line of the element or attribute; for something new, of the element it was added to.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The value before, or `None` when there was none.
    pub fn before(&self) -> Option<&str> {
        self.before.as_deref()
    }

    /// The value after, or `None` when the change takes away what another one added.
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// Where in the file's bytes before the change something was replaced.
    pub fn removed_span(&self) -> Range<usize> {
        self.offset..self.offset + self.removed.len()
    }

    /// Where in the file's bytes after the change the new bytes are.
    pub fn inserted_span(&self) -> Range<usize> {
        self.offset..self.offset + self.inserted.len()
    }

    /// Whether the value was there already and no byte changed.
    pub fn is_unchanged(&self) -> bool {
        self.removed == self.inserted
    }

    /// The change that takes this one back.
    #[must_use]
    pub fn inverse(&self) -> Change {
        Change {
            path: self.path.clone(),
            line: self.line,
            before: self.after.clone(),
            after: self.before.clone(),
            offset: self.offset,
            removed: self.inserted.clone(),
            inserted: self.removed.clone(),
            from: self.to,
            to: self.from,
        }
    }
}

impl Document {
    /// Makes a change again in a document as it was when the change was made.
    ///
    /// # Errors
    /// When the document is another one; it is then left alone.
    pub fn apply(&mut self, change: &Change) -> Result<(), ChangeError> {
        let stale = || ChangeError::Stale {
            path: change.path.clone(),
        };
        let mut bytes = self.to_bytes();
        let span = change.removed_span();
        if fingerprint(&bytes) != change.from || bytes.get(span.clone()) != Some(change.removed.as_slice()) {
            return Err(stale());
        }
        bytes.splice(span, change.inserted.iter().copied());
        if fingerprint(&bytes) != change.to {
            return Err(stale());
        }
        *self = Document::parse(&bytes).map_err(|source| ChangeError::Broken {
            path: change.path.clone(),
            source,
        })?;
        Ok(())
    }

    /// Takes a change back: the bytes are those from before it. Several are undone last first.
    ///
    /// # Errors
    /// When the document was edited since; it is then left alone.
    pub fn undo(&mut self, change: &Change) -> Result<(), ChangeError> {
        self.apply(&change.inverse())
    }
}

fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
