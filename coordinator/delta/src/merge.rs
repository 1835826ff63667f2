//! The difference of two ordered streams of entries, in one go and with two entries in memory.

use std::cmp::Ordering;

use futures::{Stream, StreamExt as _};

use crate::DeltaError;
use crate::entry::{Entry, Hash};

/// What the rows of one name are before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) sort: Vec<u8>,
    pub(crate) key: Vec<Vec<u8>>,
    /// Hash and number of rows; nothing when there is none.
    pub(crate) before: Option<(Hash, u64)>,
    pub(crate) after: Option<(Hash, u64)>,
}

/// One side, whose order is checked: entries out of order would be taken for missing ones.
struct Side<S> {
    stream: S,
    head: Option<Entry>,
    last: Option<Vec<u8>>,
}

impl<S: Stream<Item = Result<Entry, DeltaError>> + Unpin> Side<S> {
    async fn start(stream: S) -> Result<Self, DeltaError> {
        let mut side = Side {
            stream,
            head: None,
            last: None,
        };
        side.advance().await?;
        Ok(side)
    }

    async fn advance(&mut self) -> Result<Option<Entry>, DeltaError> {
        let next = self.stream.next().await.transpose()?;
        if let Some(entry) = &next {
            if self.last.as_ref().is_some_and(|last| *last >= entry.sort) {
                return Err(DeltaError::local(
                    "comparing rows",
                    "a server sent them out of order, or one key twice",
                ));
            }
            self.last = Some(entry.sort.clone());
        }
        Ok(std::mem::replace(&mut self.head, next))
    }
}

/// Calls `each` with every name whose rows are not the same on both sides.
pub(crate) async fn differences<A, B>(
    before: A,
    after: B,
    mut each: impl FnMut(Difference) -> Result<(), DeltaError>,
) -> Result<(), DeltaError>
where
    A: Stream<Item = Result<Entry, DeltaError>> + Unpin,
    B: Stream<Item = Result<Entry, DeltaError>> + Unpin,
{
    let (mut old, mut new) = futures::try_join!(Side::start(before), Side::start(after))?;
    loop {
        let order = match (&old.head, &new.head) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => one.sort.cmp(&other.sort),
        };
        let (one, other) = match order {
            Ordering::Less => (old.advance().await?, None),
            Ordering::Greater => (None, new.advance().await?),
            Ordering::Equal => futures::try_join!(old.advance(), new.advance())?,
        };
        if let Some(found) = difference(one, other) {
            each(found)?;
        }
    }
}

fn difference(before: Option<Entry>, after: Option<Entry>) -> Option<Difference> {
    let state = |entry: &Option<Entry>| entry.as_ref().map(|entry| (entry.hash, entry.count));
    let (old, new) = (state(&before), state(&after));
    let entry = after.or(before).filter(|_| old != new)?;
    Some(Difference {
        sort: entry.sort,
        key: entry.key,
        before: old,
        after: new,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use futures::executor::block_on;
    use futures::stream;
    use proptest::prelude::*;

    use super::*;

    type Rows = BTreeMap<u8, (u8, u64)>;

    fn entries(rows: &Rows) -> Vec<Result<Entry, DeltaError>> {
        let entry = |(key, (hash, count)): (&u8, &(u8, u64))| {
            Ok(Entry {
                sort: vec![*key],
                key: vec![vec![*key]],
                hash: [*hash; 16],
                count: *count,
            })
        };
        rows.iter().map(entry).collect()
    }

    fn apply(rows: &Rows, differences: Vec<Difference>) -> Rows {
        let mut rows = rows.clone();
        for found in differences {
            let key = found.sort[0];
            let before = rows.get(&key).map(|(hash, count)| ([*hash; 16], *count));
            assert_eq!(before, found.before);
            match found.after {
                Some((hash, count)) => drop(rows.insert(key, (hash[0], count))),
                None => drop(rows.remove(&key)),
            }
        }
        rows
    }

    proptest! {
        #[test]
        fn differences_when_applied_to_one_side_then_it_is_the_other(
            a in proptest::collection::btree_map(0_u8..30, (0_u8..3, 1_u64..4), 0..30),
            b in proptest::collection::btree_map(0_u8..30, (0_u8..3, 1_u64..4), 0..30),
        ) {
            let mut found = Vec::new();
            let sides = (stream::iter(entries(&a)), stream::iter(entries(&b)));
            block_on(differences(sides.0, sides.1, |one| { found.push(one); Ok(()) })).unwrap();
            let same = a.iter().filter(|(key, value)| b.get(key) == Some(value)).count();
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            prop_assert_eq!(found.len(), keys.len() - same);
            prop_assert_eq!(apply(&a, found), b);
        }
    }

    #[test]
    fn differences_when_a_side_is_out_of_order_then_refused() {
        let mut wrong = entries(&Rows::from([(1, (0, 1)), (2, (0, 1))]));
        wrong.reverse();
        let none = stream::iter(entries(&Rows::new()));
        let result = block_on(differences(stream::iter(wrong), none, |_| Ok(())));
        assert!(matches!(result, Err(DeltaError::Local { .. })), "{result:?}");
    }
}
