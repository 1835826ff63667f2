//! What an element says, in one number: equal for elements that differ in order, layout and comments alone.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::compare::{Kept, attribute_local};
use crate::document::Document;

/// The fingerprint of every element of a document.
pub(super) struct Fingerprints(Vec<u128>);

impl Fingerprints {
    pub(super) fn of(document: &Document) -> Self {
        let count = document.tree.elements.len();
        let mut all = vec![0; count];
        // Children stand behind their parents.
        for id in (0..count).rev() {
            let mut children: Vec<u128> = document.tree.elements[id]
                .children
                .iter()
                .filter_map(|child| all.get(*child).copied())
                .collect();
            children.sort_unstable();
            let own = one(document, id, &children);
            if let Some(slot) = all.get_mut(id) {
                *slot = own;
            }
        }
        Self(all)
    }

    pub(super) fn get(&self, id: usize) -> Option<u128> {
        self.0.get(id).copied()
    }
}

fn one(document: &Document, id: usize, children: &[u128]) -> u128 {
    let mut attributes: Vec<(&str, (u8, String))> = document
        .valued(id)
        .into_iter()
        .map(|index| {
            let name = attribute_local(document, id, index);
            (name, plain(document.kept_attribute(id, index)))
        })
        .collect();
    attributes.sort();
    let empty = (0, String::new());
    let text = document.kept_text(id).map(plain).filter(|text| *text != empty);
    let name = document.view().local_name(id);
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, name, &attributes, &text, children).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

fn plain(kept: Kept) -> (u8, String) {
    match kept {
        Kept::Plain(value) => (0, value),
        Kept::Vault(alias) => (1, alias),
        Kept::Encrypted(cipher) => (2, cipher),
        Kept::Unresolved(raw) => (3, raw),
    }
}
