//! What the journal of a copy holds: see [`crate::JOURNAL`].

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

/// Row that says what is being copied; the others name tables and steps.
pub(crate) const IDENTITY: &str = "#copy ";

/// A table that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// Places as the journal names them. Tables have a mark of their own: no table is taken for a step.
pub(crate) fn table_place(label: &str) -> String {
    format!("table {label}")
}

/// Everything that is done, by place.
#[derive(Debug, Default)]
pub(crate) struct Done(pub(crate) BTreeMap<String, Whole>);

impl Done {
    pub(crate) fn table(&self, label: &str) -> Option<Whole> {
        self.0.get(&table_place(label)).copied()
    }

    pub(crate) fn has(&self, place: &str) -> bool {
        self.0.contains_key(place)
    }

    /// Why a copy of `identity` cannot go on from here, if so.
    pub(crate) fn refusal(&self, identity: &str) -> Option<String> {
        if self.has(identity) {
            return None;
        }
        Some(match self.0.keys().any(|place| place.starts_with(IDENTITY)) {
            true => "it was of another production, or production's definitions have changed since".to_owned(),
            false => "it stopped before it had begun in earnest".to_owned(),
        })
    }
}

/// What is copied, as one value: the production database and all its definitions.
pub(crate) fn identity<'a>(
    from: &cutover_database::Target,
    definitions: impl Iterator<Item = &'a str>,
) -> String {
    let mut hasher = Sha256::new();
    hasher.update(from.to_string());
    for text in definitions {
        hasher.update([0]);
        hasher.update(text);
    }
    let digest = hasher.finalize();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{IDENTITY}{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journal_when_of_another_copy_or_cut_off_then_refused() {
        let whole = Whole { rows: 1, bytes: 1 };
        let mut done = Done::default();
        assert!(done.refusal("#copy 1").unwrap().contains("before it had begun"));
        done.0.insert("#copy 1".to_owned(), whole);
        done.0.insert(table_place("#copy 2"), whole);
        assert_eq!(done.refusal("#copy 1"), None);
        assert!(done.refusal("#copy 2").unwrap().contains("another production"));
        assert_eq!(done.table("#copy 2"), Some(whole));
        assert_eq!(done.table("#copy 1"), None);
    }
}
