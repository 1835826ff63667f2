//! From a table that differs to the rows that differ, whatever keys it has.
//!
//! Rows are sorted into buckets by their hash. Only buckets whose sums differ are looked into; their hashes are
//! compared as multisets, and only the rows of the hashes that are left over are read.

mod report;

pub use self::report::may_be_secret;

use std::collections::BTreeMap;

use crate::CopyError;
use crate::rowhash::{TableShape, row_hash};

/// Buckets are the highest bits of the hash.
const BUCKET_BITS: u32 = 12;
/// Hashes held at once, per side; further buckets are left out, and the report says so.
const HASHES: u64 = 200_000;
/// Rows that are read and named, per side.
const ROWS: usize = 10;

/// A session whose answers are text.
pub(crate) trait Reader {
    async fn texts(&mut self, what: &str, sql: &str) -> Result<Vec<Vec<Option<String>>>, CopyError>;
}

/// Names the rows in which two tables differ; `None` when their columns differ or no row does.
pub(crate) async fn differing_rows<R: Reader>(
    (a, left): (&mut R, &TableShape),
    (b, right): (&mut R, &TableShape),
) -> Result<Option<String>, CopyError> {
    let Some(hash) = row_hash(&[left, right]) else {
        return Ok(None);
    };
    let (first, second) = futures::try_join!(buckets(a, left, &hash), buckets(b, right, &hash))?;
    let (chosen, all) = differing_buckets(&first, &second);
    if chosen.is_empty() {
        return Ok(None);
    }
    let (first, second) =
        futures::try_join!(hashes(a, left, &hash, &chosen), hashes(b, right, &hash, &chosen))?;
    let (only_a, only_b) = (surplus(&first, &second), surplus(&second, &first));
    let rows_a = rows(a, left, &hash, &only_a).await?;
    let rows_b = rows(b, right, &hash, &only_b).await?;
    let counts = (only_a.values().sum(), only_b.values().sum());
    Ok(Some(report::describe(left, counts, all, &rows_a, &rows_b)))
}

/// Bucket, and its count and sum as they came.
type Buckets = BTreeMap<u64, (u64, String)>;

fn bucket(shape: &TableShape, hash: &str) -> String {
    let shift = 64 - BUCKET_BITS;
    match shape.engine {
        cutover_database::Engine::MySql => format!("({hash}) >> {shift}"),
        cutover_database::Engine::Postgres => format!("(({hash}) >> {shift}) & {}", (1 << BUCKET_BITS) - 1),
    }
}

/// The sum of 64-bit hashes needs more than 64 bits.
fn wide(shape: &TableShape, hash: &str) -> String {
    match shape.engine {
        cutover_database::Engine::MySql => format!("SUM({hash})"),
        cutover_database::Engine::Postgres => format!("sum(({hash})::numeric)::text"),
    }
}

fn from(shape: &TableShape) -> String {
    match shape.engine {
        cutover_database::Engine::MySql => shape.quoted(),
        cutover_database::Engine::Postgres => format!("ONLY {}", shape.quoted()),
    }
}

async fn buckets(reader: &mut impl Reader, shape: &TableShape, hash: &str) -> Result<Buckets, CopyError> {
    let sql = format!(
        "SELECT {}, COUNT(*), {} FROM {} GROUP BY 1",
        bucket(shape, hash),
        wide(shape, hash),
        from(shape)
    );
    let found = reader.texts(&what(shape), &sql).await?;
    let entry = |row: &Vec<Option<String>>| {
        let count = number(row, 1);
        Some((number(row, 0)?, (count?, row.get(2).cloned().flatten()?)))
    };
    Ok(found.iter().filter_map(entry).collect())
}

fn what(shape: &TableShape) -> String {
    format!("looking for the difference in table `{}`", shape.label())
}

fn number(row: &[Option<String>], index: usize) -> Option<u64> {
    row.get(index)?.as_ref()?.parse().ok()
}

/// Buckets to look into, and whether these are all that differ.
fn differing_buckets(a: &Buckets, b: &Buckets) -> (Vec<u64>, bool) {
    let mut chosen = Vec::new();
    let mut held = 0;
    let keys: std::collections::BTreeSet<&u64> = a.keys().chain(b.keys()).collect();
    for key in keys {
        let (left, right) = (a.get(key), b.get(key));
        if left == right {
            continue;
        }
        let count = |side: Option<&(u64, String)>| side.map_or(0, |(count, _)| *count);
        held += count(left).max(count(right));
        // One bucket is looked into in any case.
        if held > HASHES && !chosen.is_empty() {
            return (chosen, false);
        }
        chosen.push(*key);
    }
    (chosen, true)
}

/// How often each hash occurs.
type Hashes = BTreeMap<String, u64>;

async fn hashes(
    reader: &mut impl Reader,
    shape: &TableShape,
    hash: &str,
    buckets: &[u64],
) -> Result<Hashes, CopyError> {
    let list: Vec<String> = buckets.iter().map(u64::to_string).collect();
    let sql = format!(
        "SELECT {hash}, COUNT(*) FROM {} WHERE {} IN ({}) GROUP BY 1 LIMIT {}",
        from(shape),
        bucket(shape, hash),
        list.join(", "),
        HASHES * 4
    );
    let found = reader.texts(&what(shape), &sql).await?;
    let entry = |row: &Vec<Option<String>>| Some((row.first().cloned().flatten()?, number(row, 1)?));
    Ok(found.iter().filter_map(entry).collect())
}

/// What the first side has more of.
fn surplus(one: &Hashes, other: &Hashes) -> Hashes {
    let more = |(hash, count): (&String, &u64)| {
        let less = other.get(hash).copied().unwrap_or(0);
        count
            .checked_sub(less)
            .filter(|more| *more > 0)
            .map(|more| (hash.clone(), more))
    };
    one.iter().filter_map(more).collect()
}

/// A row that only one side has, or has more of.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) hash: String,
    /// How many more.
    pub(crate) surplus: u64,
    /// Text of the stored columns.
    pub(crate) values: Vec<Option<String>>,
}

async fn rows(
    reader: &mut impl Reader,
    shape: &TableShape,
    hash: &str,
    wanted: &Hashes,
) -> Result<Vec<Found>, CopyError> {
    let list: Vec<String> = wanted.keys().take(4 * ROWS).cloned().collect();
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let columns: Vec<String> = shape
        .stored()
        .map(|column| report::shown(shape, column))
        .collect();
    let order = match shape.key() {
        Some(key) => {
            let key: Vec<String> = key.iter().map(|name| shape.quote(name)).collect();
            format!(" ORDER BY {}", key.join(", "))
        }
        None => String::new(),
    };
    let separator = if columns.is_empty() { "" } else { ", " };
    let sql = format!(
        "SELECT {hash}{separator}{} FROM {} WHERE {hash} IN ({}){order} LIMIT {}",
        columns.join(", "),
        from(shape),
        list.join(", "),
        8 * ROWS
    );
    let mut found: Vec<Found> = Vec::new();
    for mut row in reader.texts(&what(shape), &sql).await? {
        let hash = row.first_mut().and_then(Option::take).unwrap_or_default();
        let known = found.iter().any(|other| other.hash == hash);
        if known || found.len() >= ROWS {
            continue;
        }
        let surplus = wanted.get(&hash).copied().unwrap_or(1);
        let values = row.split_off(1);
        found.push(Found {
            hash,
            surplus,
            values,
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(pairs: &[(&str, u64)]) -> Hashes {
        pairs
            .iter()
            .map(|(hash, count)| ((*hash).to_owned(), *count))
            .collect()
    }

    #[test]
    fn surplus_when_rows_are_doubled_then_only_what_is_too_many() {
        let (a, b) = (
            hashes(&[("1", 2), ("2", 2), ("3", 1)]),
            hashes(&[("1", 3), ("2", 2)]),
        );
        assert_eq!(surplus(&a, &b), hashes(&[("3", 1)]));
        assert_eq!(surplus(&b, &a), hashes(&[("1", 1)]));
    }

    #[test]
    fn buckets_when_too_many_differ_then_cut_and_said() {
        let side = |sum: &str| -> Buckets {
            (0..4096)
                .map(|bucket| (bucket, (HASHES / 10, sum.to_owned())))
                .collect()
        };
        let (chosen, all) = differing_buckets(&side("1"), &side("2"));
        assert_eq!((chosen.len(), all), (10, false));
        let (chosen, all) = differing_buckets(&side("1"), &side("1"));
        assert!(chosen.is_empty() && all);
    }
}
