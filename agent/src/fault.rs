//! From system errors to [`StepError`]s: what failed, on what, why, and what a person can do.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;

use cutover_files::beneath::BeneathError;
use cutover_proto::report::{ErrorCode, StepError};

/// The code for a system error.
#[must_use]
pub(crate) fn code_of(kind: io::ErrorKind) -> ErrorCode {
    if kind == io::ErrorKind::StorageFull || kind == io::ErrorKind::QuotaExceeded {
        ErrorCode::DiskFull
    } else if kind == io::ErrorKind::NotFound {
        ErrorCode::NotFound
    } else if kind == io::ErrorKind::AlreadyExists {
        ErrorCode::AlreadyExists
    } else {
        ErrorCode::Io
    }
}

fn remedy(code: ErrorCode) -> &'static str {
    if code == ErrorCode::DiskFull {
        "make room on that file system, then retry the step"
    } else if code == ErrorCode::NotFound {
        "look whether the path in the plan is right and the file is there, then retry the step"
    } else if code == ErrorCode::PolicyRefused {
        "only what lies under the home is touched; put a file or folder of the home in the link's place, then retry \
         the step"
    } else {
        "look at the file system and at the agent's rights there, then retry the step"
    }
}

/// Whether a link led out of a home.
fn is_escape(error: &io::Error) -> bool {
    let beneath = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(beneath, Some(BeneathError::Escape { .. }))
}

/// A file that could not be read or written.
pub(crate) fn io(doing: &str, path: &Path, error: &io::Error) -> StepError {
    let code = if is_escape(error) {
        ErrorCode::PolicyRefused
    } else {
        code_of(error.kind())
    };
    StepError::new(
        code,
        format!("cannot {doing} `{}`", path.display()),
        error.to_string(),
        remedy(code),
    )
}

/// Any other failure, with its whole chain of causes.
pub(crate) fn other(code: ErrorCode, what: impl fmt::Display, error: &dyn Error, next: &str) -> StepError {
    StepError::new(code, what.to_string(), chain(error), next)
}

/// A failure that only a defect can cause.
pub(crate) fn internal(what: &str, error: &dyn fmt::Display) -> StepError {
    StepError::new(
        ErrorCode::Internal,
        what,
        error.to_string(),
        "this is a defect in the agent: keep its log and report it",
    )
}

/// Someone cancelled the command; it stopped at a place where nothing is half done.
pub(crate) fn cancelled(what: &str) -> StepError {
    StepError::new(
        ErrorCode::Cancelled,
        what,
        "the command was cancelled",
        "retry the step, or abort the run to take back what it did",
    )
}

/// An error and everything beneath it, on one line.
#[must_use]
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
