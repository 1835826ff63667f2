//! Two trees side by side.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::path::RelPath;
use crate::tree::Entry;

/// How a second tree differs from a first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// Only the first has it.
    pub missing: Vec<RelPath>,
    /// Only the second has it.
    pub extra: Vec<RelPath>,
    /// Both have it, with other content, kind or link target.
    pub content: Vec<RelPath>,
    /// Both have it with the same content and other permission bits.
    pub mode: Vec<RelPath>,
}

impl Comparison {
    /// Whether the second tree holds all of the first, whatever else it holds.
    pub fn contains_all(&self) -> bool {
        self.missing.is_empty() && self.content.is_empty()
    }

    /// Whether the two trees hold the same.
    pub fn is_equal(&self) -> bool {
        self.contains_all() && self.extra.is_empty() && self.mode.is_empty()
    }
}

/// Compares two manifests, each ordered by path as [`manifest`](crate::tree::manifest) returns them.
pub fn compare(first: &[Entry], second: &[Entry]) -> Comparison {
    let mut result = Comparison::default();
    let (mut left, mut right) = (first.iter().peekable(), second.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (Some(a), Some(b)) => a.path.cmp(&b.path),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return result,
        };
        match order {
            Ordering::Less => result.missing.extend(left.next().map(|entry| entry.path.clone())),
            Ordering::Greater => result.extra.extend(right.next().map(|entry| entry.path.clone())),
            Ordering::Equal => {
                let Some((a, b)) = left.next().zip(right.next()) else {
                    return result;
                };
                if !a.same_content(b) {
                    result.content.push(a.path.clone());
                } else if a.mode != b.mode {
                    result.mode.push(a.path.clone());
                }
            }
        }
    }
}
