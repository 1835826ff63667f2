//! Definitions of everything in a database but its rows, for finding later what changed.

use std::collections::BTreeMap;

use cutover_database::{Engine, Target};
use serde::{Deserialize, Serialize};

use crate::{CopyError, CopyOptions, mysql, postgres};

/// Text of each object, by kind and name; of equal objects in two databases the texts are equal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definitions(BTreeMap<String, String>);

impl Definitions {
    pub(crate) fn new(found: BTreeMap<(String, String), String>) -> Self {
        let label = |((kind, name), text)| (format!("{kind} `{name}`"), text);
        Self(found.into_iter().map(label).collect())
    }

    /// What is new, gone or another one than in `before`, in words.
    #[must_use]
    pub fn changes_since(&self, before: &Self) -> Vec<String> {
        let gone = before.0.keys().filter(|label| !self.0.contains_key(*label));
        let changed = self
            .0
            .iter()
            .filter_map(|(label, text)| match before.0.get(label) {
                None => Some(format!("{label} is new")),
                Some(old) if old != text => Some(format!("{label} was changed")),
                Some(_) => None,
            });
        gone.map(|label| format!("{label} is gone"))
            .chain(changed)
            .collect()
    }
}

/// The definitions of `target`, described as those of `other` are: two versions of a tool use different words.
///
/// # Errors
/// When the database can't be read.
pub async fn definitions(
    target: &Target,
    other: &Target,
    options: &CopyOptions,
) -> Result<Definitions, CopyError> {
    let found = match target.engine {
        Engine::MySql => mysql::definitions(target, options).await?,
        Engine::Postgres => postgres::definitions(target, other, options).await?,
    };
    Ok(Definitions::new(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_when_changed_then_each_change_is_named() {
        let of = |list: &[(&str, &str)]| {
            let entry =
                |(name, text): &(&str, &str)| (("view".to_owned(), (*name).to_owned()), (*text).to_owned());
            Definitions::new(list.iter().map(entry).collect())
        };
        let before = of(&[("a", "1"), ("b", "1"), ("c", "1")]);
        assert_eq!(before.changes_since(&before), Vec::<String>::new());
        let after = of(&[("b", "2"), ("c", "1"), ("d", "1")]);
        assert_eq!(
            after.changes_since(&before),
            ["view `a` is gone", "view `b` was changed", "view `d` is new"]
        );
    }
}
