//! How a table is cut into chunks, and which rows the chunks that differ hold.

use std::collections::{BTreeMap, BTreeSet};

/// Rows of a chunk, roughly: few enough to be read again quickly, enough to keep the list of sums short.
const CHUNK_ROWS: u64 = 4096;
const MOST_CHUNKS: u64 = 65_536;
/// Ranges in one condition.
const RANGES: usize = 100;
/// Hash chunks in one condition.
const BUCKETS: usize = 8192;

/// The chunk a row lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// All rows are one chunk, number 0.
    Whole,
    /// The leading key column divided by the width, fractions cut off.
    Ranges {
        /// Values of one chunk.
        width: i128,
    },
    /// The hash of the key, or of the row where there is none, modulo this.
    Buckets(u64),
}

/// Rows and sum of hashes of each chunk.
pub(crate) type Sums = BTreeMap<i128, (u64, String)>;

/// Which rows to read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All.
    All,
    /// Those whose leading key column lies in one of these ranges, bounds included.
    Ranges(Vec<(i128, i128)>),
    /// Those of these hash chunks.
    Buckets(Vec<i128>),
}

impl Layout {
    /// For a table of about `rows` rows whose leading key column, if it is a whole number, spans `bounds`.
    pub(crate) fn choose(rows: u64, bounds: Option<(i128, i128)>) -> Self {
        let chunks = (rows / CHUNK_ROWS).min(MOST_CHUNKS);
        if chunks < 2 {
            return Layout::Whole;
        }
        match bounds {
            Some((low, high)) => Layout::Ranges {
                width: ((high - low) / i128::from(chunks)).max(1),
            },
            None => Layout::Buckets(chunks),
        }
    }

    pub(crate) fn needs_bounds(rows: u64) -> bool {
        rows / CHUNK_ROWS >= 2
    }

    /// The conditions under which the rows of these chunks are read, each of bearable length.
    pub(crate) fn selections(self, chunks: &BTreeSet<i128>) -> Vec<Selection> {
        if chunks.is_empty() {
            return Vec::new();
        }
        match self {
            Layout::Whole => vec![Selection::All],
            Layout::Ranges { width } => {
                let ranges = merged(chunks, width);
                ranges
                    .chunks(RANGES)
                    .map(|part| Selection::Ranges(part.to_vec()))
                    .collect()
            }
            Layout::Buckets(count) if chunks.len() as u64 > count / 2 || chunks.len() > BUCKETS => {
                vec![Selection::All]
            }
            Layout::Buckets(_) => vec![Selection::Buckets(chunks.iter().copied().collect())],
        }
    }
}

/// The values of a chunk. Division cuts fractions off, so chunk 0 reaches to both sides of zero.
fn range(chunk: i128, width: i128) -> (i128, i128) {
    match chunk {
        0 => (1 - width, width - 1),
        1.. => (chunk * width, (chunk + 1) * width - 1),
        ..0 => ((chunk - 1) * width + 1, chunk * width),
    }
}

fn merged(chunks: &BTreeSet<i128>, width: i128) -> Vec<(i128, i128)> {
    let mut found: Vec<(i128, i128)> = Vec::new();
    for (low, high) in chunks.iter().map(|chunk| range(*chunk, width)) {
        match found.last_mut() {
            Some(last) if last.1 + 1 == low => last.1 = high,
            Some(_) | None => found.push((low, high)),
        }
    }
    found
}

/// The chunks whose rows are not the same.
pub(crate) fn differing(a: &Sums, b: &Sums) -> BTreeSet<i128> {
    let either = a.keys().chain(b.keys());
    either
        .filter(|chunk| a.get(chunk) != b.get(chunk))
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn layout_when_table_is_small_then_one_chunk() {
        assert_eq!(Layout::choose(8000, Some((1, 8000))), Layout::Whole);
        assert_eq!(Layout::choose(0, None), Layout::Whole);
    }

    #[test]
    fn layout_when_table_is_large_then_ranges_or_buckets() {
        assert_eq!(
            Layout::choose(4096 * 10, Some((1, 40_960))),
            Layout::Ranges { width: 4095 }
        );
        assert_eq!(Layout::choose(4096 * 10, None), Layout::Buckets(10));
        assert_eq!(Layout::choose(u64::MAX, None), Layout::Buckets(MOST_CHUNKS));
    }

    #[test]
    fn selections_when_most_buckets_differ_then_all_rows_are_read() {
        let chunks: BTreeSet<i128> = (0..6).collect();
        assert_eq!(Layout::Buckets(10).selections(&chunks), [Selection::All]);
        assert_eq!(
            Layout::Buckets(100).selections(&chunks),
            [Selection::Buckets((0..6).collect())]
        );
    }

    fn selected(selections: &[Selection], value: i128) -> bool {
        selections.iter().any(|selection| match selection {
            Selection::All => true,
            Selection::Ranges(ranges) => ranges.iter().any(|(low, high)| (*low..=*high).contains(&value)),
            Selection::Buckets(buckets) => buckets.contains(&value),
        })
    }

    proptest! {
        // What the server does: integer division that cuts fractions off.
        #[test]
        fn ranges_when_chunks_are_chosen_then_exactly_their_values_are_selected(
            values in proptest::collection::vec(-2_000_i128..2_000, 1..60),
            probe in -2_100_i128..2_100,
            width in 1_i128..200,
        ) {
            let chunks: BTreeSet<i128> = values.iter().map(|value| value / width).collect();
            let selections = Layout::Ranges { width }.selections(&chunks);
            prop_assert_eq!(selected(&selections, probe), chunks.contains(&(probe / width)));
        }

        #[test]
        fn ranges_when_at_the_ends_of_the_numbers_then_nothing_overflows(
            low in i128::from(i64::MIN)..0, high in 0..i128::from(u64::MAX), rows in 8192_u64..u64::MAX,
        ) {
            let layout = Layout::choose(rows, Some((low, high)));
            let Layout::Ranges { width } = layout else { return Err(TestCaseError::fail("no ranges")); };
            let chunks = [low / width, high / width].into();
            let selections = layout.selections(&chunks);
            prop_assert!(selected(&selections, low) && selected(&selections, high));
        }

        #[test]
        fn sums_when_compared_then_exactly_the_changed_chunks_are_found(
            rows in proptest::collection::btree_map(0_i128..40, 0_u64..4, 0..40),
            changed in proptest::collection::btree_map(0_i128..40, 0_u64..4, 0..6),
        ) {
            let sums = |rows: &BTreeMap<i128, u64>| -> Sums {
                rows.iter().map(|(chunk, value)| (*chunk, (1, value.to_string()))).collect()
            };
            let mut other = rows.clone();
            other.extend(changed.clone());
            let expected: BTreeSet<i128> = changed.iter()
                .filter(|(chunk, value)| rows.get(chunk) != Some(value)).map(|(chunk, _)| *chunk).collect();
            prop_assert_eq!(differing(&sums(&rows), &sums(&other)), expected);
        }
    }
}
