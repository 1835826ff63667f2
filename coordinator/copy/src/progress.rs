//! How far a copy or a comparison is.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Told how far the work is; called often and from several tasks, so it must be quick.
pub trait CopyProgress: Send + Sync {
    /// Tables to do and their estimated size.
    fn total(&self, tables: u64, bytes: u64);
    /// Rows and bytes of a table so far; `done` when it is whole.
    fn table(&self, name: &str, rows: u64, bytes: u64, done: bool);
    /// A table that will be worked on, and its estimated bytes.
    fn planned(&self, _name: &str, _bytes: u64) {}
    /// How far all of it is, some times a second.
    fn overall(&self, _overall: &Overall) {}
}

/// How far all tables together are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overall {
    /// Tables.
    pub tables: u64,
    /// Tables that are whole.
    pub done: u64,
    /// Rows so far.
    pub rows: u64,
    /// Bytes so far, as they travelled.
    pub bytes: u64,
    /// Share of the work that is done, from 0 to 1, by the tables' estimated sizes.
    pub share: f64,
    /// Time left at the pace of the last half minute; none before there is a pace.
    pub left: Option<Duration>,
}

/// Passes everything on to the caller's progress, and adds how far all of it is.
pub(crate) struct Tracker {
    inner: Arc<dyn CopyProgress>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    planned: BTreeMap<String, u64>,
    tables: BTreeMap<String, TableState>,
    total: u64,
    pace: Pace,
    told: Option<Instant>,
}

#[derive(Default, Clone, Copy)]
struct TableState {
    rows: u64,
    bytes: u64,
    done: bool,
}

/// A table of unknown size still costs something.
const LEAST: u64 = 4096;
/// Pause between two reports of the whole.
const PAUSE: Duration = Duration::from_millis(200);

impl State {
    fn weight(&self, name: &str) -> u64 {
        self.planned.get(name).copied().unwrap_or_default().max(LEAST)
    }

    /// Bytes of work done and of all work. What travels may be more than the estimate: no table counts for more
    /// than its own estimate, and only a whole one for all of it.
    fn work(&self) -> (u64, u64) {
        let all = self.planned.keys().map(|name| self.weight(name)).sum();
        let done = self.tables.iter().map(|(name, table)| {
            let weight = self.weight(name);
            if table.done {
                weight
            } else {
                table.bytes.min(weight - weight / 20)
            }
        });
        (done.sum(), all)
    }

    fn overall(&mut self, now: Instant) -> Overall {
        let (done, all) = self.work();
        self.pace.note(now, done);
        #[expect(clippy::cast_precision_loss, reason = "a share for people")]
        let share = if all == 0 {
            0.0
        } else {
            (done as f64 / all as f64).min(1.0)
        };
        Overall {
            tables: self.total,
            done: self.tables.values().filter(|table| table.done).count() as u64,
            rows: self.tables.values().map(|table| table.rows).sum(),
            bytes: self.tables.values().map(|table| table.bytes).sum(),
            share,
            left: self.pace.left(all.saturating_sub(done)),
        }
    }
}

impl Tracker {
    pub(crate) fn around(inner: Arc<dyn CopyProgress>) -> Arc<dyn CopyProgress> {
        Arc::new(Tracker {
            inner,
            state: Mutex::default(),
        })
    }
}

impl CopyProgress for Tracker {
    fn total(&self, tables: u64, bytes: u64) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).total = tables;
        self.inner.total(tables, bytes);
    }

    fn planned(&self, name: &str, bytes: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.planned.insert(name.to_owned(), bytes);
        drop(state);
        self.inner.planned(name, bytes);
    }

    fn table(&self, name: &str, rows: u64, bytes: u64, done: bool) {
        self.inner.table(name, rows, bytes, done);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state
            .tables
            .insert(name.to_owned(), TableState { rows, bytes, done });
        let now = Instant::now();
        if !done && state.told.is_some_and(|told| now.duration_since(told) < PAUSE) {
            return;
        }
        state.told = Some(now);
        // Told under the lock, so that what is told never goes back.
        self.inner.overall(&state.overall(now));
    }
}

/// How fast work goes, over a window that slides: the start of a copy says little about its end.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    samples: VecDeque<(Instant, u64)>,
}

/// What counts for the pace.
const WINDOW: Duration = Duration::from_secs(30);
/// Before this much of it there is no pace.
const FIRST: Duration = Duration::from_secs(1);

impl Pace {
    fn note(&mut self, now: Instant, done: u64) {
        self.samples.push_back((now, done));
        while self
            .samples
            .get(1)
            .is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW)
        {
            self.samples.pop_front();
        }
    }

    fn left(&self, work: u64) -> Option<Duration> {
        let ((first, before), (last, after)) = (self.samples.front()?, self.samples.back()?);
        let time = last.duration_since(*first);
        let done = after.saturating_sub(*before);
        if work == 0 {
            return Some(Duration::ZERO);
        }
        if time < FIRST || done == 0 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "an estimate for people")]
        let seconds = time.as_secs_f64() * (work as f64 / done as f64);
        Duration::try_from_secs_f64(seconds).ok()
    }
}

/// For callers that show nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl CopyProgress for NoProgress {
    fn total(&self, _tables: u64, _bytes: u64) {}
    fn table(&self, _name: &str, _rows: u64, _bytes: u64, _done: bool) {}
}

/// Counts one table and reports it now and then.
pub(crate) struct TableMeter {
    progress: Arc<dyn CopyProgress>,
    name: String,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

impl TableMeter {
    pub(crate) fn new(progress: &Arc<dyn CopyProgress>, name: &str) -> Self {
        TableMeter {
            progress: Arc::clone(progress),
            name: name.to_owned(),
            rows: 0,
            bytes: 0,
        }
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.progress.table(&self.name, self.rows, self.bytes, false);
    }

    pub(crate) fn done(&self) {
        self.progress.table(&self.name, self.rows, self.bytes, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pace_when_it_changes_then_only_the_window_counts() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        pace.note(start, 0);
        assert_eq!(pace.left(100), None);
        for second in 1..=100_u64 {
            // A hundred a second at first, ten a second in the end.
            let done = if second <= 60 {
                second * 100
            } else {
                6000 + (second - 60) * 10
            };
            pace.note(start + Duration::from_secs(second), done);
        }
        assert_eq!(pace.left(600), Some(Duration::from_secs(60)));
        assert_eq!(pace.left(0), Some(Duration::ZERO));
    }

    #[test]
    fn share_when_more_travels_than_estimated_then_only_whole_tables_count_whole() {
        let mut state = State::default();
        state.planned.insert("a".to_owned(), 1_000_000);
        state.planned.insert("b".to_owned(), 1_000_000);
        let table = |bytes, done| TableState { rows: 1, bytes, done };
        state.tables.insert("a".to_owned(), table(5_000_000, false));
        let overall = state.overall(Instant::now());
        assert!(overall.share > 0.4 && overall.share < 0.5, "{overall:?}");
        state.tables.insert("a".to_owned(), table(5_000_000, true));
        state.tables.insert("b".to_owned(), table(1, true));
        let overall = state.overall(Instant::now());
        assert_eq!(
            (overall.share, overall.done, overall.left),
            (1.0, 2, Some(Duration::ZERO))
        );
    }
}
