//! One row as it is compared: what names it, and the hash of its values.

use crate::session::{Row, text};
use crate::table::Table;

/// 128 bits of a row's values.
pub(crate) type Hash = [u8; 16];

/// A row with a key, or all rows that are alike of a table without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Bytes in whose order both sides are read.
    pub(crate) sort: Vec<u8>,
    /// The key's values as text; the hash in hexadecimal where there is no key.
    pub(crate) key: Vec<Vec<u8>>,
    pub(crate) hash: Hash,
    /// Rows that are alike; 1 where there is a key.
    pub(crate) count: u64,
}

/// The columns of the answer that entries are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Key columns, all whole numbers, then the hash; in the order of the numbers.
    Integers(usize),
    /// Digest of the key, key columns, then the hash; in the order of the digest.
    Digest(usize),
    /// The hash and how many rows have it; in the order of the hash.
    Keyless,
}

impl Shape {
    pub(crate) fn of(table: &Table) -> Self {
        match table.key.len() {
            0 => Shape::Keyless,
            columns if table.integer_key() => Shape::Integers(columns),
            columns => Shape::Digest(columns),
        }
    }

    /// Reads a row of the answer; nothing when it has another shape than was asked for.
    pub(crate) fn entry(self, row: &Row) -> Option<Entry> {
        match self {
            Shape::Integers(columns) => {
                let key = key(row, 0, columns)?;
                let mut sort = Vec::with_capacity(16 * columns);
                for value in &key {
                    let number: i128 = std::str::from_utf8(value).ok()?.parse().ok()?;
                    // The sign bit flipped, bytes compare as the numbers do.
                    sort.extend_from_slice(&(number ^ i128::MIN).to_be_bytes());
                }
                Some(Entry {
                    sort,
                    key,
                    hash: hash(row, columns)?,
                    count: 1,
                })
            }
            Shape::Digest(columns) => Some(Entry {
                sort: hash(row, 0)?.to_vec(),
                key: key(row, 1, columns)?,
                hash: hash(row, columns + 1)?,
                count: 1,
            }),
            Shape::Keyless => {
                let found = hash(row, 0)?;
                Some(Entry {
                    sort: found.to_vec(),
                    key: vec![hex::encode(found).into_bytes()],
                    hash: found,
                    count: text(row, 1).parse().ok()?,
                })
            }
        }
    }
}

fn key(row: &Row, from: usize, columns: usize) -> Option<Vec<Vec<u8>>> {
    row.get(from..from + columns)?.iter().cloned().collect()
}

fn hash(row: &Row, index: usize) -> Option<Hash> {
    let value = row.get(index)?.as_deref()?;
    let mut found = Hash::default();
    hex::decode_to_slice(value, &mut found).ok()?;
    Some(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(values: &[&str]) -> Row {
        values
            .iter()
            .map(|value| Some(value.as_bytes().to_vec()))
            .collect()
    }

    const HASH: &str = "000102030405060708090a0b0c0d0e0f";

    #[test]
    fn row_when_of_another_shape_then_refused() {
        assert_eq!(Shape::Integers(1).entry(&row(&["x", HASH])), None);
        assert_eq!(Shape::Integers(1).entry(&row(&["1", "00"])), None);
        assert_eq!(Shape::Integers(1).entry(&vec![None, Some(HASH.into())]), None);
        assert_eq!(Shape::Keyless.entry(&row(&[HASH])), None);
    }

    #[test]
    fn row_when_without_key_then_named_by_its_hash() {
        let entry = Shape::Keyless.entry(&row(&[HASH, "3"])).unwrap();
        assert_eq!((entry.count, entry.key.len()), (3, 1));
        assert_eq!(entry.key[0], HASH.as_bytes());
    }

    proptest! {
        #[test]
        fn integers_when_sorted_as_bytes_then_in_their_own_order(a in any::<[i64; 2]>(), b in any::<[i64; 2]>()) {
            let entry = |pair: [i64; 2]| {
                Shape::Integers(2).entry(&row(&[&pair[0].to_string(), &pair[1].to_string(), HASH])).unwrap()
            };
            prop_assert_eq!(entry(a).sort.cmp(&entry(b).sort), a.cmp(&b));
        }
    }
}
