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

/// Values below, at and above what is held whole, in one row and in several, beside NULL and short ones.
#[test]
fn values_when_too_large_to_be_held_then_they_arrive_in_pieces() {
    let (from, to) = maria_pair("pieces");
    let sql = "CREATE TABLE big (id INT, tenant BIGINT, a LONGBLOB, t LONGTEXT CHARACTER SET latin1, n VARCHAR(20), \
                 PRIMARY KEY (id, tenant)); \
               SET NAMES utf8mb4; \
               INSERT INTO big VALUES (1, 0, REPEAT('\\0\\t\\\\x', 3 * 1024 * 1024), NULL, NULL), \
                 (-2, -7, NULL, REPEAT(CONVERT('é' USING latin1), 9000000), 'tab\\there'), (3, 0, 'small', '', ''), \
                 (4, 0, REPEAT('y', 8388608), REPEAT('z', 8388609), 'both'), (5, 1, '', NULL, NULL); \
               CREATE TABLE keyless (n INT, a LONGBLOB, KEY n (n)); INSERT INTO keyless VALUES (9, NULL), (3, REPEAT('k', 9000000)), \
                 (7, 'small'), (3, REPEAT('k', 9000000)), (1, REPEAT('j', 9000001)); \
               CREATE TABLE named (name VARCHAR(50) CHARACTER SET latin1 COLLATE latin1_general_ci, bin VARBINARY(9), \
                 at DATETIME(3), sum DECIMAL(9,2), a LONGBLOB, PRIMARY KEY (name, bin, at, sum)); \
               INSERT INTO named VALUES ('é''x', X'00ff27', '2014-01-01 00:00:00.5', -1.50, REPEAT('n', 9000000)), \
                 ('é''x', X'00ff', '0000-00-00', 0, REPEAT('m', 9000001)), ('', '', '2014-01-01', 1, 'small'); \
               ANALYZE TABLE big, keyless, named";
    maria().0.sql(&from.database, sql).unwrap();
    let report = run_copy(&from, &to, &CopyOptions::default()).unwrap();
    assert_eq!(report.rows, 13);
    assert_equal(&from, &to);
    let lengths = maria()
        .1
        .sql(&to.database, "SELECT SUM(LENGTH(a)), SUM(LENGTH(t)) FROM big");
    assert_eq!(lengths.unwrap(), "20971525\t17388609\n");

    let (from, to) = postgres_pair("pieces");
    let sql = "CREATE TABLE big (id int, a bytea, \"B b\" bytea, t text, n numeric, j json, PRIMARY KEY (id)); \
               ALTER TABLE big ALTER a SET STORAGE EXTERNAL; ALTER TABLE big ALTER t SET STORAGE EXTERNAL; \
               INSERT INTO big VALUES (1, decode(repeat('00ff5c0a', 5 * 1024 * 1024), 'hex'), NULL, NULL, 1.50), \
                 (-2, NULL, decode(repeat('41', 9000000), 'hex'), repeat('é', 100), NULL), (3, '\\x01', '\\x', '', 0), \
                 (4, decode(repeat('42', 8388608), 'hex'), decode(repeat('43', 8388609), 'hex'), 'both', -1), \
                 (5, '', NULL, NULL, 'NaN'), (6, NULL, NULL, 'x' || repeat('é', 6000000), 2); \
               UPDATE big SET j = ('[\"' || repeat('ß', 5000000) || '\"]')::json WHERE id IN (-2, 3)";
    postgres().0.sql(&from.database, sql).unwrap();
    let report = run_copy(&from, &to, &CopyOptions::default()).unwrap();
    assert_eq!(report.rows, 6);
    assert_equal(&from, &to);
    let lengths = postgres().1.sql(
        &to.database,
        "SELECT sum(length(a)), sum(length(\"B b\")) FROM big",
    );
    assert_eq!(lengths.unwrap().trim(), "29360129\t17388609");
}
