//! Many tables, and values larger than a server's packets.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use cutover_copy::{CopyOptions, CopyProgress, Overall, copy};
use cutover_testdb::MariaDb;
use tokio_util::sync::CancellationToken;

use crate::support::{
    assert_difference, assert_equal, maria, maria_pair, maria_target, postgres, postgres_pair, run_copy,
    runtime, unique,
};

const MANY: u32 = 200;

/// Tables of which each names the one before, and a chain of views against the order of their names.
fn many() -> String {
    let mut sql = String::new();
    for number in 0..MANY {
        let parent = number.saturating_sub(1);
        write!(
            sql,
            "CREATE TABLE t{number} (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES t{parent} (id)); \
             INSERT INTO t{number} VALUES ({number}, NULL); "
        )
        .unwrap();
    }
    sql.push_str("CREATE VIEW v50 AS SELECT id FROM t0; ");
    for number in (0..50).rev() {
        write!(
            sql,
            "CREATE VIEW v{number:02} AS SELECT id FROM v{:02}; ",
            number + 1
        )
        .unwrap();
    }
    sql
}

/// Keeps what was said of the whole.
#[derive(Debug, Default)]
struct Listener(Mutex<Vec<Overall>>);

impl CopyProgress for Listener {
    fn total(&self, _tables: u64, _bytes: u64) {}
    fn table(&self, _name: &str, _rows: u64, _bytes: u64, _done: bool) {}
    fn overall(&self, overall: &Overall) {
        self.0.lock().unwrap().push(*overall);
    }
}

#[test]
fn tables_when_many_then_all_arrive_and_progress_ends_whole() {
    let listener = Arc::new(Listener::default());
    let (from, to) = postgres_pair("many");
    postgres().0.sql(&from.database, &many()).unwrap();
    let (options, cancel) = (CopyOptions::default(), CancellationToken::new());
    let told = Arc::clone(&listener) as Arc<dyn CopyProgress>;
    let report = runtime()
        .block_on(copy(&from, &to, &options, told, &cancel))
        .unwrap();
    assert_eq!((report.tables, report.rows), (u64::from(MANY), u64::from(MANY)));
    assert_equal(&from, &to);
    let said = listener.0.lock().unwrap();
    let last = said.last().unwrap();
    assert_eq!((last.done, last.tables, last.rows), (200, 200, 200));
    assert!(last.share > 0.999, "{last:?}");
    assert!(said.windows(2).all(|pair| pair[0].share <= pair[1].share));

    let (from, to) = maria_pair("many");
    maria().0.sql(&from.database, &many()).unwrap();
    let report = run_copy(&from, &to, &options).unwrap();
    assert_eq!((report.tables, report.objects["view"]), (u64::from(MANY), 51));
    assert_equal(&from, &to);
    maria().1.sql(&to.database, "UPDATE t150 SET p = 149").unwrap();
    assert_difference(&from, &to, &["t150", "id = 150 differs in p"]);
}

#[test]
fn value_when_of_100_megabytes_and_the_targets_packets_small_then_copied() {
    let production =
        MariaDb::start_with(&["--max-allowed-packet=512M", "--innodb-log-file-size=1G"]).unwrap();
    let staging = MariaDb::start_with(&["--max-allowed-packet=1M", "--innodb-log-file-size=1G"]).unwrap();
    let name = unique("huge");
    production.create_database(&name).unwrap();
    staging.create_database(&name).unwrap();
    let sql = "CREATE TABLE REG_CONTENT (id INT PRIMARY KEY, data LONGBLOB); \
               INSERT INTO REG_CONTENT VALUES (1, REPEAT('\\0\\t\\\\x', 25 * 1024 * 1024)), (2, 'small')";
    production.sql(&name, sql).unwrap();
    let (from, to) = (maria_target(&production, &name), maria_target(&staging, &name));
    run_copy(&from, &to, &CopyOptions::default()).unwrap();
    assert_equal(&from, &to);
    let length = staging.sql(&name, "SELECT LENGTH(data) FROM REG_CONTENT WHERE id = 1");
    assert_eq!(length.unwrap(), "104857600\n");
}
