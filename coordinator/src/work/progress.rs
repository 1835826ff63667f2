//! Progress of database work, told to watchers: at most a few times a second.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use cutover_copy::CopyProgress;
use cutover_delta::SyncProgress;

use super::Job;
use crate::engine::driver::{StepProgress, Update};

const PAUSE: Duration = Duration::from_millis(200);

/// Tells watchers of one step.
pub(super) struct Teller {
    job: Job,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tables: u64,
    bytes: u64,
    done_tables: u64,
    by_table: BTreeMap<String, u64>,
    last: Option<Instant>,
}

impl Teller {
    pub(super) fn new(job: &Job) -> Self {
        Self {
            job: job.clone(),
            state: Mutex::default(),
        }
    }

    /// Bytes of one piece of work.
    pub(super) fn bytes(&self, detail: &str, done: u64, total: Option<u64>) {
        self.tell(detail, (done, total.unwrap_or(0)), (0, 0), false);
    }

    /// Notes how far a table is; bytes and tables of all of them.
    fn table_at(&self, name: &str, bytes: u64, done: bool) -> ((u64, u64), (u64, u64)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.by_table.insert(name.to_owned(), bytes);
        drop(state);
        self.so_far(done)
    }

    /// Bytes and tables of all of them, with one more table done or not.
    fn so_far(&self, done: bool) -> ((u64, u64), (u64, u64)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.done_tables += u64::from(done);
        let sum = state.by_table.values().sum();
        ((sum, state.bytes.max(sum)), (state.done_tables, state.tables))
    }

    fn tell(&self, detail: &str, bytes: (u64, u64), items: (u64, u64), always: bool) {
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if !always && state.last.is_some_and(|last| last.elapsed() < PAUSE) {
                return;
            }
            state.last = Some(Instant::now());
        }
        let progress = StepProgress {
            step: self.job.step.id.clone(),
            detail: detail.to_owned(),
            bytes,
            items,
        };
        // Nobody may be watching.
        self.job.updates.send(Update::Progress(progress)).ok();
    }
}

impl CopyProgress for Teller {
    fn total(&self, tables: u64, bytes: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.tables = tables;
        state.bytes = bytes;
    }

    fn table(&self, name: &str, _rows: u64, bytes: u64, done: bool) {
        let (all, items) = self.table_at(name, bytes, done);
        self.tell(name, all, items, done);
    }
}

impl SyncProgress for Teller {
    fn total(&self, tables: u64, bytes: u64) {
        CopyProgress::total(self, tables, bytes);
    }

    fn scanned(&self, table: &str, _rows: u64, bytes: u64, _differing_chunks: u64) {
        let (all, items) = self.table_at(table, bytes, false);
        self.tell(&format!("hashed {table}"), all, items, false);
    }

    fn applied(&self, table: &str, rows: u64, _bytes: u64) {
        let (all, items) = self.so_far(false);
        self.tell(&format!("{rows} rows of {table} brought over"), all, items, false);
    }

    fn done(&self, table: &str) {
        let (all, items) = self.so_far(true);
        self.tell(table, all, items, true);
    }
}
