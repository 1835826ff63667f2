//! Passes that are cancelled, dropped, or lose a server in the middle.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cutover_delta::{DeltaError, SyncOptions, SyncProgress, SyncReport, synchronise};
use cutover_testdb::{MariaDb, Postgres};
use tokio_util::sync::CancellationToken;

use crate::support::{Pair, maria_target, postgres_target, runtime};

const MARIA: &str = "
CREATE TABLE A (ID INT NOT NULL AUTO_INCREMENT PRIMARY KEY, V VARCHAR(200)) ENGINE=InnoDB;
CREATE TABLE B (ID INT, V VARCHAR(200)) ENGINE=InnoDB;
CREATE TABLE D (ID INT NOT NULL PRIMARY KEY, V VARCHAR(200)) ENGINE=InnoDB;
CREATE TRIGGER D_T BEFORE INSERT ON D FOR EACH ROW SET NEW.V = 'wrong';
INSERT INTO A (V) SELECT REPEAT(MD5(seq), 4) FROM seq_1_to_9000;
INSERT INTO B SELECT seq MOD 400, 'x' FROM seq_1_to_9000;
";
const MARIA_CHANGE: &str = "
UPDATE A SET V = REVERSE(V) WHERE ID MOD 2 = 0; DELETE FROM A WHERE ID MOD 5 = 1;
INSERT INTO B SELECT seq, 'y' FROM seq_1_to_3000; DELETE FROM B WHERE V = 'x' AND ID < 200;
DROP TRIGGER D_T; INSERT INTO D SELECT seq, MD5(seq) FROM seq_1_to_5000;
CREATE TRIGGER D_T BEFORE INSERT ON D FOR EACH ROW SET NEW.V = 'wrong';
";
const POSTGRES: &str = "
CREATE TABLE a (id serial PRIMARY KEY, v text); CREATE TABLE b (id int, v text); CREATE TABLE d (id int PRIMARY KEY, v text);
INSERT INTO a (v) SELECT repeat(md5(i::text), 4) FROM generate_series(1, 9000) i;
INSERT INTO b SELECT i % 400, 'x' FROM generate_series(1, 9000) i;
";
const POSTGRES_CHANGE: &str = "
UPDATE a SET v = reverse(v) WHERE id % 2 = 0; DELETE FROM a WHERE id % 5 = 1;
INSERT INTO b SELECT i, 'y' FROM generate_series(1, 3000) i; DELETE FROM b WHERE v = 'x' AND id < 200;
INSERT INTO d SELECT i, md5(i::text) FROM generate_series(1, 5000) i;
";

/// Does something once, at the n-th piece of news.
struct At<F> {
    left: AtomicU64,
    act: F,
}

impl<F: Fn() + Send + Sync> At<F> {
    fn new(n: u64, act: F) -> Arc<Self> {
        Arc::new(At {
            left: AtomicU64::new(n),
            act,
        })
    }

    fn news(&self) {
        let left = self.left.load(Ordering::SeqCst);
        if left > 0 && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            (self.act)();
        }
    }
}

impl<F: Fn() + Send + Sync> SyncProgress for At<F> {
    fn total(&self, _tables: u64, _bytes: u64) {
        self.news();
    }
    fn scanned(&self, _table: &str, _rows: u64, _bytes: u64, _differing_chunks: u64) {
        self.news();
    }
    fn applied(&self, _table: &str, _rows: u64, _bytes: u64) {
        self.news();
    }
    fn done(&self, _table: &str) {
        self.news();
    }
}

/// Small transactions, so that a kill finds some of a table's rows stored and some not.
fn options() -> SyncOptions {
    SyncOptions {
        batch_bytes: 50_000,
        jobs: 1,
        ..SyncOptions::default()
    }
}

fn pass(
    pair: &Pair,
    progress: Arc<dyn SyncProgress>,
    cancel: &CancellationToken,
) -> Result<SyncReport, DeltaError> {
    runtime().block_on(synchronise(
        &pair.production,
        &pair.staging,
        &options(),
        progress,
        cancel,
    ))
}

/// Cancels at ever later news until a pass ends undisturbed; then everything must be there once.
fn cancelled_everywhere(pair: &Pair) {
    let mut ended = 0;
    for n in 1.. {
        let cancel = CancellationToken::new();
        let token = cancel.clone();
        match pass(pair, At::new(n, move || token.cancel()), &cancel) {
            Ok(_) => break,
            Err(DeltaError::Cancelled) => ended += 1,
            Err(error) => panic!("{}", crate::support::chain(&error)),
        }
    }
    assert!(ended > 5, "cancelled {ended} times only");
    pair.sync_and_compare();
}

#[test]
fn mariadb_when_the_pass_is_cancelled_anywhere_then_the_next_one_completes_it() {
    let pair = Pair::maria("cancel", MARIA);
    pair.here(MARIA_CHANGE);
    cancelled_everywhere(&pair);
}

#[test]
fn postgres_when_the_pass_is_cancelled_anywhere_then_the_next_one_completes_it() {
    let pair = Pair::postgres("cancel", POSTGRES);
    pair.here(POSTGRES_CHANGE);
    cancelled_everywhere(&pair);
}

/// Kills a server at the n-th news of a pass, starts it again, and expects the pass after that to complete.
fn killed(
    pair: &Pair,
    kill: impl Fn() + Send + Sync + 'static + Clone,
    restart: impl Fn(),
    change: impl Fn(u64),
) {
    let mut failed = 0;
    for n in [2, 4, 6] {
        change(n);
        if pass(pair, At::new(n, kill.clone()), &CancellationToken::new()).is_err() {
            failed += 1;
        }
        restart();
        pass(pair, At::new(0, || {}), &CancellationToken::new())
            .unwrap_or_else(|error| panic!("{}", crate::support::chain(&error)));
        pair.assert_equal();
    }
    assert!(failed > 0, "no pass noticed that its server died");
}

#[test]
fn mariadb_when_either_server_dies_in_the_middle_then_the_next_pass_completes_it() {
    let here = Arc::new(MariaDb::start_with(&["--sql-mode="]).unwrap());
    let there = Arc::new(MariaDb::start_with(&["--sql-mode="]).unwrap());
    here.create_database("p").unwrap();
    there.create_database("s").unwrap();
    here.sql("p", MARIA).unwrap();
    let pair = Pair {
        production: maria_target(&here, "p"),
        staging: maria_target(&there, "s"),
    };
    pair.copy();
    for victim in [&there, &here] {
        let (kill, back, source) = (Arc::clone(victim), Arc::clone(victim), Arc::clone(&here));
        killed(
            &pair,
            move || kill.kill9().unwrap(),
            || back.restart().unwrap(),
            |n| {
                source.sql("p", &format!("UPDATE A SET V = CONCAT(V, '{n}') WHERE ID MOD 3 = 0; INSERT INTO B SELECT seq, '{n}' FROM seq_1_to_2000")).unwrap();
            },
        );
    }
}

#[test]
fn postgres_when_either_server_dies_in_the_middle_then_the_next_pass_completes_it() {
    let here = Arc::new(Postgres::start().unwrap());
    let there = Arc::new(Postgres::start().unwrap());
    here.create_database("p").unwrap();
    there.create_database("s").unwrap();
    here.sql("p", POSTGRES).unwrap();
    let pair = Pair {
        production: postgres_target(&here, "p"),
        staging: postgres_target(&there, "s"),
    };
    pair.copy();
    for victim in [&there, &here] {
        let (kill, back, source) = (Arc::clone(victim), Arc::clone(victim), Arc::clone(&here));
        killed(
            &pair,
            move || kill.kill9().unwrap(),
            || back.restart().unwrap(),
            |n| {
                source.sql("p", &format!("UPDATE a SET v = v || '{n}' WHERE id % 3 = 0; INSERT INTO b SELECT i, '{n}' FROM generate_series(1, 2000) i")).unwrap();
            },
        );
    }
}
