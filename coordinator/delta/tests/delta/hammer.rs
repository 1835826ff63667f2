//! Passes while somebody writes to production all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cutover_database::{Engine, Target};
use cutover_delta::{NoProgress, SyncOptions, synchronise};
use sqlx::AssertSqlSafe;
use tokio_util::sync::CancellationToken;

use crate::support::{Pair, chain, runtime};

const MARIA: &str = "
CREATE TABLE UM_USER (UM_ID INT NOT NULL AUTO_INCREMENT, UM_USER_NAME VARCHAR(255) COLLATE utf8mb4_bin NOT NULL, UM_TENANT_ID INT NOT NULL DEFAULT 0, PRIMARY KEY (UM_ID, UM_TENANT_ID), UNIQUE (UM_USER_NAME, UM_TENANT_ID)) ENGINE=InnoDB;
CREATE TABLE UM_ATTRIBUTE (UM_ID INT NOT NULL AUTO_INCREMENT PRIMARY KEY, UM_USER_ID INT, UM_TENANT_ID INT DEFAULT 0, V LONGBLOB, FOREIGN KEY (UM_USER_ID, UM_TENANT_ID) REFERENCES UM_USER (UM_ID, UM_TENANT_ID) ON DELETE CASCADE ON UPDATE CASCADE) ENGINE=InnoDB;
CREATE TABLE NAMES (NAME VARCHAR(60) COLLATE utf8mb4_nopad_bin NOT NULL PRIMARY KEY, V INT) ENGINE=InnoDB;
CREATE TABLE REG_TAG (PATH INT, TAG VARCHAR(40)) ENGINE=InnoDB;
INSERT INTO UM_USER (UM_USER_NAME) SELECT CONCAT('user', seq) FROM seq_1_to_12000;
INSERT INTO UM_ATTRIBUTE (UM_USER_ID, V) SELECT 1 + seq MOD 12000, REPEAT(MD5(seq), 1 + seq MOD 40) FROM seq_1_to_12000;
INSERT INTO NAMES SELECT CONCAT('Name', seq), seq FROM seq_1_to_12000;
INSERT INTO REG_TAG SELECT seq MOD 300, CONCAT('tag', seq MOD 3) FROM seq_1_to_12000;
ANALYZE TABLE UM_USER, UM_ATTRIBUTE, NAMES, REG_TAG;
";

const POSTGRES: &str = "
CREATE TABLE UM_USER (UM_ID serial, UM_USER_NAME VARCHAR(255) NOT NULL, UM_TENANT_ID INT NOT NULL DEFAULT 0, PRIMARY KEY (UM_ID, UM_TENANT_ID), UNIQUE (UM_USER_NAME, UM_TENANT_ID));
CREATE TABLE UM_ATTRIBUTE (UM_ID serial PRIMARY KEY, UM_USER_ID INT, UM_TENANT_ID INT DEFAULT 0, V text, FOREIGN KEY (UM_USER_ID, UM_TENANT_ID) REFERENCES UM_USER (UM_ID, UM_TENANT_ID) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE NAMES (NAME VARCHAR(60) NOT NULL PRIMARY KEY, V INT);
CREATE TABLE REG_TAG (PATH INT, TAG VARCHAR(40));
INSERT INTO UM_USER (UM_USER_NAME) SELECT 'user' || i FROM generate_series(1, 12000) i;
INSERT INTO UM_ATTRIBUTE (UM_USER_ID, V) SELECT 1 + i % 12000, repeat(md5(i::text), 1 + i % 40) FROM generate_series(1, 12000) i;
INSERT INTO NAMES SELECT 'Name' || i, i FROM generate_series(1, 12000) i;
INSERT INTO REG_TAG SELECT i % 300, 'tag' || i % 3 FROM generate_series(1, 12000) i;
CREATE INDEX ON um_attribute (um_user_id, um_tenant_id); CREATE INDEX ON reg_tag (path);
ANALYZE;
";

/// The n-th transaction: inserts, updates, deletes with cascades, keys that move, names that differ by case and
/// trailing blanks, rows without key.
fn transaction(engine: Engine, n: u64) -> Vec<String> {
    // Spread over the tables without a generator of random numbers, so that a failure can be repeated.
    let id = 1 + n.wrapping_mul(7919) % 12_000;
    let other = 1 + n.wrapping_mul(104_729) % 12_000;
    let one = match engine {
        Engine::MySql => format!("DELETE FROM REG_TAG WHERE PATH = {} LIMIT 1", id % 300),
        Engine::Postgres => {
            format!(
                "DELETE FROM REG_TAG WHERE ctid = (SELECT ctid FROM REG_TAG WHERE PATH = {} LIMIT 1)",
                id % 300
            )
        }
    };
    let work = match n % 6 {
        0 => vec![
            format!("INSERT INTO UM_USER (UM_USER_NAME) VALUES ('new{n}')"),
            format!(
                "INSERT INTO UM_ATTRIBUTE (UM_USER_ID, V) SELECT UM_ID, '{n}' FROM UM_USER WHERE UM_USER_NAME = 'new{n}'"
            ),
        ],
        1 => vec![format!("DELETE FROM UM_USER WHERE UM_ID = {id}")],
        2 => vec![format!(
            "UPDATE UM_USER SET UM_ID = {} WHERE UM_ID = {id}",
            1_000_000 + n
        )],
        3 => vec![
            format!(
                "UPDATE UM_ATTRIBUTE SET V = '{}' WHERE UM_ID IN ({id}, {other})",
                "b".repeat((n % 9000) as usize)
            ),
            format!("UPDATE UM_USER SET UM_USER_NAME = 'USER{n}' WHERE UM_ID = {other}"),
        ],
        4 => vec![
            format!(
                "INSERT INTO REG_TAG VALUES ({}, 'tag1'), ({}, 'tag1')",
                id % 300,
                id % 300
            ),
            one,
        ],
        _ => vec![
            format!("DELETE FROM NAMES WHERE NAME = 'Name{id}'"),
            format!(
                "INSERT INTO NAMES VALUES ('name{id} {n}', 1), ('NAME{id} {n}', 2), ('name{id} {n} ', 3)"
            ),
            format!("UPDATE NAMES SET V = V + 1 WHERE NAME IN ('Name{other}')"),
        ],
    };
    ["BEGIN".to_owned()]
        .into_iter()
        .chain(work)
        .chain(["COMMIT".to_owned()])
        .collect()
}

/// Writes until told to stop; counts transactions.
async fn hammer(target: Target, stop: Arc<AtomicBool>, done: Arc<AtomicU64>) {
    let mut n = 0;
    match target.engine {
        Engine::MySql => {
            let mut conn = target.mysql().await.unwrap();
            while !stop.load(Ordering::Relaxed) {
                for sql in transaction(target.engine, n) {
                    sqlx::raw_sql(AssertSqlSafe(sql))
                        .execute(&mut conn)
                        .await
                        .unwrap();
                }
                n += 1;
                done.store(n, Ordering::Relaxed);
            }
        }
        Engine::Postgres => {
            let mut conn = target.postgres().await.unwrap();
            while !stop.load(Ordering::Relaxed) {
                for sql in transaction(target.engine, n) {
                    sqlx::raw_sql(AssertSqlSafe(sql))
                        .execute(&mut conn)
                        .await
                        .unwrap();
                }
                n += 1;
                done.store(n, Ordering::Relaxed);
            }
        }
    }
}

fn hammered(pair: &Pair) {
    let runtime = runtime();
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writer = runtime.spawn(hammer(
        pair.production.clone(),
        Arc::clone(&stop),
        Arc::clone(&done),
    ));
    let pass = |fenced| {
        let options = SyncOptions {
            fenced,
            prove_all_foreign_keys: true,
            ..SyncOptions::default()
        };
        let result = runtime.block_on(synchronise(
            &pair.production,
            &pair.staging,
            &options,
            Arc::new(NoProgress),
            &CancellationToken::new(),
        ));
        result.unwrap_or_else(|error| panic!("{}", chain(&error)))
    };
    let mut written = 0;
    for _ in 0..4 {
        // Every pass has something new to find.
        while done.load(Ordering::Relaxed) < written + 60 && !writer.is_finished() {
            std::thread::yield_now();
        }
        let report = pass(false);
        assert!(report.changes() > 0 && report.foreign_keys > 0, "{report:?}");
        written = done.load(Ordering::Relaxed);
    }
    stop.store(true, Ordering::Relaxed);
    runtime.block_on(writer).unwrap();
    pass(true);
    pair.assert_equal();
    assert_eq!(pass(true).changes(), 0);
}

#[test]
fn mariadb_when_written_to_during_passes_then_equal_after_the_final_one() {
    hammered(&Pair::maria("hammer", MARIA));
}

#[test]
fn postgres_when_written_to_during_passes_then_equal_after_the_final_one() {
    hammered(&Pair::postgres("hammer", POSTGRES));
}
