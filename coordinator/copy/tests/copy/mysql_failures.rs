//! MariaDB: what goes wrong is said, and half a table is never left.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cutover_copy::{CopyError, CopyOptions, CopyProgress, CopyWay, copy};
use cutover_database::Target;
use cutover_testdb::MariaDb;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::support::{assert_equal, chain, maria, maria_pair, maria_target, run_copy, runtime, unique};

#[test]
fn local_infile_when_off_then_rows_are_inserted() {
    let staging = MariaDb::start_with(&["--local-infile=0"]).unwrap();
    let (production, _) = maria();
    let name = unique("insert");
    production.create_database(&name).unwrap();
    staging.create_database(&name).unwrap();
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, b BLOB, bits BIT(9), p POINT, f FLOAT, d DATE); \
               INSERT INTO t SELECT seq, CONCAT(CHAR(seq MOD 256), '''\\\\'), seq, POINT(seq, 1), seq / 3, '0000-00-00' FROM seq_1_to_40000; \
               INSERT INTO t VALUES (0, NULL, NULL, NULL, NULL, NULL), (-1, REPEAT('x', 60000), 1, NULL, 1.1, NULL)";
    production.sql(&name, sql).unwrap();
    let (from, to) = (maria_target(production, &name), maria_target(&staging, &name));
    let report = run_copy(&from, &to, &CopyOptions::default()).unwrap();
    assert_eq!((report.way, report.rows), (CopyWay::Insert, 40002));
    assert_equal(&from, &to);
}

#[test]
fn definer_when_unknown_in_staging_then_mapped_and_reported() {
    let (from, to) = maria_pair("definer");
    let (production, staging) = maria();
    production
        .create_user("carbon_app", "x", &["ALL ON *.*"])
        .unwrap();
    production
        .sql(
            &from.database,
            "CREATE TABLE t (x INT); CREATE DEFINER=`carbon_app`@`%` VIEW v AS SELECT x FROM t",
        )
        .unwrap();
    let report = run_copy(&from, &to, &CopyOptions::default()).unwrap();
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("view `v`") && note.contains("carbon_app")),
        "{:?}",
        report.notes
    );
    assert_eq!(
        staging.sql(&to.database, "SELECT COUNT(*) FROM v").unwrap(),
        "0\n"
    );
    assert_equal(&from, &to);
}

#[test]
fn routine_when_it_names_production_then_reported() {
    let (from, to) = maria_pair("names");
    let (production, _) = maria();
    let sql = format!(
        "CREATE TABLE t (x INT); CREATE FUNCTION f() RETURNS INT RETURN (SELECT COUNT(*) FROM {}.t)",
        from.database
    );
    production.sql(&from.database, &sql).unwrap();
    let report = run_copy(&from, &to, &CopyOptions::default()).unwrap();
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("function `f`") && note.contains(&from.database))
    );
}

#[test]
fn account_when_it_lacks_rights_then_error_names_what_and_where_without_the_password() {
    let (from, to) = maria_pair("rights");
    let (production, staging) = maria();
    production.sql(&from.database, "CREATE TABLE t (x INT)").unwrap();
    staging
        .create_user(
            "weak",
            "planted-secret",
            &[&format!("SELECT ON {}.*", to.database)],
        )
        .unwrap();
    let url = format!("mysql://weak@127.0.0.1:{}/{}", staging.port(), to.database);
    let weak = Target::parse(&url, SecretString::from("planted-secret")).unwrap();
    let error = run_copy(&from, &weak, &CopyOptions::default()).unwrap_err();
    let text = chain(&error);
    assert!(
        text.contains("beginning the journal") && text.contains(&to.database) && text.contains("denied"),
        "{text}"
    );
    assert!(
        !text.contains("planted-secret") && !format!("{error:?}").contains("planted-secret"),
        "{text}"
    );
    let wrong = Target::parse(&url, SecretString::from("wrong-secret")).unwrap();
    let text = chain(&run_copy(&from, &wrong, &CopyOptions::default()).unwrap_err());
    assert!(
        text.contains("cannot connect") && !text.contains("wrong-secret"),
        "{text}"
    );
}

#[test]
fn staging_when_it_holds_a_table_of_that_name_then_said_and_left_alone() {
    let (from, to) = maria_pair("taken");
    let (production, staging) = maria();
    production
        .sql(
            &from.database,
            "CREATE TABLE t (id INT); INSERT INTO t VALUES (1)",
        )
        .unwrap();
    staging
        .sql(
            &to.database,
            "CREATE TABLE t (id INT, own INT); INSERT INTO t VALUES (7, 7)",
        )
        .unwrap();
    let text = chain(&run_copy(&from, &to, &CopyOptions::default()).unwrap_err());
    assert!(
        text.contains("creating table `t`") && text.contains("already exists"),
        "{text}"
    );
    assert_eq!(
        staging.sql(&to.database, "SELECT id, own FROM t").unwrap(),
        "7\t7\n"
    );
}

/// Kills the connection that loads, in the middle of a table.
#[derive(Debug)]
struct Killer {
    database: String,
}

impl CopyProgress for Killer {
    fn total(&self, _tables: u64, _bytes: u64) {}
    fn table(&self, name: &str, _rows: u64, bytes: u64, done: bool) {
        if name == "second" && bytes > 1 << 20 && !done {
            let (_, staging) = maria();
            let find = format!(
                "SELECT CONCAT('KILL ', ID) FROM information_schema.PROCESSLIST WHERE DB='{}' AND INFO LIKE 'LOAD DATA%'",
                self.database
            );
            let kill = staging.sql("", &find).unwrap();
            if !kill.is_empty() {
                staging.sql("", &kill.trim().replace('\n', ";")).ok();
            }
        }
    }
}

#[test]
fn loader_when_killed_then_its_table_is_empty_and_the_others_are_named() {
    let (from, to) = maria_pair("kill");
    let (production, staging) = maria();
    let sql = "CREATE TABLE first (id INT PRIMARY KEY, x MEDIUMBLOB); INSERT INTO first SELECT seq, REPEAT('x', 50000) FROM seq_1_to_900; \
               CREATE TABLE second (id INT PRIMARY KEY, x MEDIUMBLOB); INSERT INTO second SELECT seq, REPEAT('x', 50000) FROM seq_1_to_600; \
               ANALYZE TABLE first, second";
    production.sql(&from.database, sql).unwrap();
    let killer = Arc::new(Killer {
        database: to.database.clone(),
    });
    let options = CopyOptions {
        jobs: 1,
        ..CopyOptions::default()
    };
    let error = runtime()
        .block_on(copy(&from, &to, &options, killer, &CancellationToken::new()))
        .unwrap_err();
    let CopyError::Table { table, complete, .. } = &error else {
        panic!("{}", chain(&error));
    };
    assert_eq!(
        (table.as_str(), complete.as_slice()),
        ("second", ["first".to_owned()].as_slice())
    );
    assert_eq!(
        staging.sql(&to.database, "SELECT COUNT(*) FROM second").unwrap(),
        "0\n"
    );
    assert_eq!(
        staging.sql(&to.database, "SELECT COUNT(*) FROM first").unwrap(),
        "900\n"
    );
}

/// Cancels when the first rows are under way.
#[derive(Debug)]
struct Canceller(CancellationToken);

impl CopyProgress for Canceller {
    fn total(&self, _tables: u64, _bytes: u64) {}
    fn table(&self, _name: &str, _rows: u64, _bytes: u64, _done: bool) {
        self.0.cancel();
    }
}

#[test]
fn copy_when_cancelled_then_ends_soon_says_so_and_leaves_no_half_table() {
    let (from, to) = maria_pair("cancel");
    let (production, staging) = maria();
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, x MEDIUMBLOB); \
               INSERT INTO t SELECT seq, REPEAT('x', 50000) FROM seq_1_to_2000";
    production.sql(&from.database, sql).unwrap();
    let (cancel, options) = (CancellationToken::new(), CopyOptions::default());
    let progress = Arc::new(Canceller(cancel.clone()));
    let result = runtime().block_on(async {
        let work = copy(&from, &to, &options, progress, &cancel);
        tokio::time::timeout(Duration::from_secs(120), work)
            .await
            .expect("ends soon")
    });
    assert!(matches!(result, Err(CopyError::Cancelled)), "{result:?}");
    // The server may still be rolling back; the read waits for it.
    let rows = staging.sql(&to.database, "SELECT COUNT(*) FROM t LOCK IN SHARE MODE");
    assert_eq!(rows.unwrap(), "0\n");
}

/// Writes to a table without transactions while another one is copied, once; whether it could.
#[derive(Debug)]
struct Writer {
    database: String,
    could: OnceLock<bool>,
}

impl CopyProgress for Writer {
    fn total(&self, _tables: u64, _bytes: u64) {}
    fn table(&self, name: &str, _rows: u64, _bytes: u64, done: bool) {
        if name == "big" && !done {
            let sql = "SET lock_wait_timeout=1; INSERT INTO isam VALUES (2)";
            self.could
                .get_or_init(|| maria().0.sql(&self.database, sql).is_ok());
        }
    }
}

#[test]
fn table_without_transactions_when_production_serves_then_its_writers_are_not_held_up() {
    for serving in [true, false] {
        let (from, to) = maria_pair("isam");
        let sql = "CREATE TABLE isam (id INT) ENGINE=MyISAM; INSERT INTO isam VALUES (1); \
                   CREATE TABLE big (id INT PRIMARY KEY, x MEDIUMBLOB); INSERT INTO big SELECT seq, REPEAT('x', 50000) FROM seq_1_to_200";
        maria().0.sql(&from.database, sql).unwrap();
        let writer = Arc::new(Writer {
            database: from.database.clone(),
            could: OnceLock::new(),
        });
        let options = CopyOptions {
            serving,
            ..CopyOptions::default()
        };
        let cancel = CancellationToken::new();
        let report = runtime()
            .block_on(copy(&from, &to, &options, writer.clone(), &cancel))
            .unwrap();
        assert_eq!(writer.could.get(), Some(&serving), "while serving: {serving}");
        let told = report.notes.iter().any(|note| note.contains("brought in step"));
        assert_eq!(told, serving, "{:?}", report.notes);
    }
}
