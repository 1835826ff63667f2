//! Why a text is not a path.

/// A text that is not a path of the form described at [`Path`](crate::Path).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is not an element path: {reason} (at character {position})")]
pub struct PathError {
    /// The text as given.
    pub path: String,
    /// The character, counted from 1, at which reading stopped.
    pub position: usize,
    /// What was expected there.
    pub reason: &'static str,
}
