//! A copy that is interrupted goes on: what was whole stays as it is, the rest is done, and nothing is doubled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cutover_copy::{CopyError, CopyOptions, CopyProgress, CopyReport, JOURNAL, copy};
use cutover_database::Target;
use cutover_testdb::{MariaDb, Postgres};
use tokio_util::sync::CancellationToken;

use crate::support::{
    assert_equal, chain, maria, maria_pair, maria_target, postgres, postgres_pair, postgres_target, run_copy,
    runtime, unique,
};

/// Three tables, largest first, with keys, a trigger that must not act on copied rows, and what is made last.
const MARIA: &str = "
CREATE TABLE first (id INT PRIMARY KEY, x MEDIUMBLOB, n INT, KEY n (n)); INSERT INTO first SELECT seq, REPEAT('x', 50000), seq FROM seq_1_to_900;
CREATE TABLE second (id INT PRIMARY KEY, f INT, x MEDIUMBLOB, KEY f (f), FOREIGN KEY (f) REFERENCES first (id)); INSERT INTO second SELECT seq, 1, REPEAT('x', 50000) FROM seq_1_to_600;
CREATE TABLE third (x VARCHAR(20)); INSERT INTO third VALUES ('a'), ('a'), (NULL);
CREATE TABLE isam (id INT, t TEXT) ENGINE=MyISAM; INSERT INTO isam VALUES (1, 'words');
CREATE TABLE counted (n INT); CREATE SEQUENCE s; SELECT NEXTVAL(s);
CREATE VIEW v AS SELECT x FROM third; CREATE PROCEDURE p() SELECT 1;
CREATE TRIGGER t AFTER INSERT ON isam FOR EACH ROW INSERT INTO counted VALUES (1);
ANALYZE TABLE first, second, third";

const POSTGRES: &str = "
CREATE TABLE first (id serial PRIMARY KEY, x text, n integer, UNIQUE (n, id)); ALTER TABLE first ALTER x SET STORAGE EXTERNAL;
INSERT INTO first SELECT i, repeat('x', 50000), i FROM generate_series(1, 900) i; CREATE INDEX first_n ON first (n);
CREATE TABLE second (id integer PRIMARY KEY, f integer REFERENCES first, x text); ALTER TABLE second ALTER x SET STORAGE EXTERNAL;
INSERT INTO second SELECT i, 1, repeat('x', 50000) FROM generate_series(1, 600) i;
CREATE TABLE third (x text); INSERT INTO third VALUES ('a'), ('a'), (NULL); CREATE VIEW v AS SELECT x FROM third;
CREATE MATERIALIZED VIEW m AS SELECT x FROM third; SELECT lo_from_bytea(0, 'large');
COMMENT ON INDEX first_n IS 'x
-- Name: not one; Type: INDEX; Schema: public; Owner: -
y'";

/// Does something once, when `table` is under way.
struct Interrupter<F> {
    table: &'static str,
    /// When its rows are there, instead of amid them.
    at_end: bool,
    done: AtomicBool,
    act: F,
}

impl<F: Fn() + Send + Sync> CopyProgress for Interrupter<F> {
    fn total(&self, _tables: u64, _bytes: u64) {}
    fn table(&self, name: &str, _rows: u64, bytes: u64, done: bool) {
        let due = done == self.at_end && (done || bytes > 1 << 20);
        if name == self.table && due && !self.done.swap(true, Ordering::SeqCst) {
            (self.act)();
            // What was done is to be noticed before the rest of the table is there.
            std::thread::sleep(std::time::Duration::from_millis(500));
        }
    }
}

fn interrupted(
    from: &Target,
    to: &Target,
    (table, at_end): (&'static str, bool),
    cancel: &CancellationToken,
    act: impl Fn() + Send + Sync + 'static,
) -> CopyError {
    let progress = Interrupter {
        table,
        at_end,
        done: AtomicBool::new(false),
        act,
    };
    let options = CopyOptions {
        jobs: 1,
        ..CopyOptions::default()
    };
    let result = runtime().block_on(copy(from, to, &options, Arc::new(progress), cancel));
    result.unwrap_err()
}

fn resume(from: &Target, to: &Target) -> Result<CopyReport, CopyError> {
    let options = CopyOptions {
        resume: true,
        ..CopyOptions::default()
    };
    run_copy(from, to, &options)
}

#[track_caller]
fn assert_resumed(from: &Target, to: &Target, kept: u64) {
    let report = resume(from, to).unwrap();
    assert_eq!(report.kept, kept, "{report:?}");
    let compared = assert_equal(from, to);
    assert_eq!(
        report.rows,
        compared.tables.iter().map(|table| table.rows_b).sum::<u64>()
    );
}

/// A mark in staging alone: it stays if and only if the table is not copied again.
const MARK: &str = "UPDATE first SET n = 12345 WHERE id = 7";
const UNMARK: &str = "UPDATE first SET n = 7 WHERE id = 7";

#[test]
fn mariadb_copy_when_cancelled_amid_a_table_then_the_whole_ones_stay() {
    let (from, to) = maria_pair("resume");
    let (production, staging) = maria();
    production.sql(&from.database, MARIA).unwrap();
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    let error = interrupted(&from, &to, ("second", false), &cancel, move || token.cancel());
    assert!(matches!(error, CopyError::Cancelled), "{}", chain(&error));
    staging.sql(&to.database, MARK).unwrap();
    let report = resume(&from, &to).unwrap();
    assert_eq!(report.kept, 1, "{report:?}");
    let marked =
        "SELECT n FROM first WHERE id = 7; SELECT COUNT(*) FROM second; SELECT COUNT(*) FROM counted";
    assert_eq!(staging.sql(&to.database, marked).unwrap(), "12345\n600\n0\n");
    staging.sql(&to.database, UNMARK).unwrap();
    assert_equal(&from, &to);
    let journal = format!("SHOW TABLES LIKE '{JOURNAL}'");
    assert_eq!(staging.sql(&to.database, &journal).unwrap(), "");
}

#[test]
fn mariadb_copy_when_it_had_all_but_its_last_objects_then_nothing_is_doubled() {
    let (from, to) = maria_pair("last");
    let (production, staging) = maria();
    production.sql(&from.database, MARIA).unwrap();
    // The account that defines the view is known to nobody in staging and may not be replaced: the copy stops there.
    let taken = format!("CREATE TABLE {}.v (x INT)", to.database);
    let error = interrupted(
        &from,
        &to,
        ("counted", true),
        &CancellationToken::new(),
        move || {
            maria().1.sql("", &taken).unwrap();
        },
    );
    assert!(chain(&error).contains("creating view `v`"), "{}", chain(&error));
    staging.sql(&to.database, "DROP TABLE v").unwrap();
    // MyISAM knows no transactions: its table is always copied again.
    assert_resumed(&from, &to, 4);
    let counted = staging.sql(
        &to.database,
        "SELECT COUNT(*) FROM isam; SELECT COUNT(*) FROM counted",
    );
    assert_eq!(counted.unwrap(), "1\n0\n");
}

#[test]
fn mariadb_copy_when_the_server_is_killed_amid_a_table_then_goes_on_after_its_restart() {
    let server = Arc::new(MariaDb::start().unwrap());
    let (production, _) = maria();
    let name = unique("killed");
    production.create_database(&name).unwrap();
    server.create_database(&name).unwrap();
    production.sql(&name, MARIA).unwrap();
    let (from, to) = (maria_target(production, &name), maria_target(&server, &name));
    let victim = Arc::clone(&server);
    let error = interrupted(
        &from,
        &to,
        ("second", false),
        &CancellationToken::new(),
        move || {
            victim.kill9().unwrap();
        },
    );
    let text = chain(&error);
    assert!(
        text.contains("second") && text.contains("whole in staging: first"),
        "{text}"
    );
    server.restart().unwrap();
    assert_resumed(&from, &to, 1);
}

#[test]
fn mariadb_copy_when_there_is_nothing_to_go_on_with_then_refused_or_begun() {
    let (from, to) = maria_pair("fresh");
    let (production, staging) = maria();
    production.sql(&from.database, MARIA).unwrap();
    assert_resumed(&from, &to, 0);
    let error = resume(&from, &to).unwrap_err();
    assert!(
        matches!(error, CopyError::NotResumable { .. }),
        "{}",
        chain(&error)
    );

    let (other, _) = maria_pair("other");
    production.sql(&other.database, MARIA).unwrap();
    let to = maria_target(staging, &unique("fresh"));
    staging.create_database(&to.database).unwrap();
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    interrupted(&from, &to, ("second", false), &cancel, move || token.cancel());
    let error = resume(&other, &to).unwrap_err();
    assert!(chain(&error).contains("another production"), "{}", chain(&error));
    production
        .sql(&from.database, "ALTER TABLE third ADD y INT")
        .unwrap();
    let error = resume(&from, &to).unwrap_err();
    assert!(
        chain(&error).contains("definitions have changed"),
        "{}",
        chain(&error)
    );
    production
        .sql(&from.database, "ALTER TABLE third DROP y")
        .unwrap();
    assert_resumed(&from, &to, 1);
}

#[test]
fn postgresql_copy_when_cancelled_amid_a_table_then_the_whole_ones_stay() {
    let (from, to) = postgres_pair("resume");
    let (production, staging) = postgres();
    production.sql(&from.database, POSTGRES).unwrap();
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    let error = interrupted(&from, &to, ("second", false), &cancel, move || token.cancel());
    assert!(matches!(error, CopyError::Cancelled), "{}", chain(&error));
    staging.sql(&to.database, MARK).unwrap();
    let report = resume(&from, &to).unwrap();
    assert_eq!(report.kept, 1, "{report:?}");
    let marked = "SELECT n FROM first WHERE id = 7; SELECT count(*) FROM second; SELECT count(*) FROM m";
    assert_eq!(staging.sql(&to.database, marked).unwrap(), "12345\n600\n3\n");
    staging.sql(&to.database, UNMARK).unwrap();
    assert_equal(&from, &to);
    let journal = format!("SELECT to_regclass('public.{JOURNAL}') IS NULL");
    assert_eq!(staging.sql(&to.database, &journal).unwrap(), "t\n");
}

#[test]
fn postgresql_copy_when_it_had_all_rows_then_only_what_is_missing_is_created() {
    let (from, to) = postgres_pair("last");
    let (production, staging) = postgres();
    // Without the comment that looks like an object, so that every object is journaled.
    let sql = POSTGRES.split("COMMENT ON INDEX").next().unwrap();
    production.sql(&from.database, sql).unwrap();
    production
        .sql(&from.database, "CREATE INDEX taken ON third (upper(x))")
        .unwrap();
    let (staging_sql, table) = (to.database.clone(), "CREATE TABLE taken (x integer)");
    let error = interrupted(
        &from,
        &to,
        ("third", true),
        &CancellationToken::new(),
        move || {
            postgres().1.sql(&staging_sql, table).unwrap();
        },
    );
    assert!(
        chain(&error).contains("creating index public.taken"),
        "{}",
        chain(&error)
    );
    staging.sql(&to.database, "DROP TABLE taken").unwrap();
    assert_resumed(&from, &to, 3);
}

#[test]
fn postgresql_copy_when_objects_can_not_be_told_apart_then_refused_after_the_rows() {
    let (from, to) = postgres_pair("apart");
    let (production, staging) = postgres();
    production.sql(&from.database, POSTGRES).unwrap();
    production
        .sql(&from.database, "CREATE INDEX taken ON third (upper(x))")
        .unwrap();
    let (staging_sql, table) = (to.database.clone(), "CREATE TABLE taken (x integer)");
    let error = interrupted(
        &from,
        &to,
        ("third", true),
        &CancellationToken::new(),
        move || {
            postgres().1.sql(&staging_sql, table).unwrap();
        },
    );
    assert!(
        chain(&error).contains("creating indexes and constraints"),
        "{}",
        chain(&error)
    );
    staging.sql(&to.database, "DROP TABLE taken").unwrap();
    let error = resume(&from, &to).unwrap_err();
    assert!(chain(&error).contains("in one go"), "{}", chain(&error));
}

#[test]
fn postgresql_copy_when_the_server_is_killed_amid_a_table_then_goes_on_after_its_restart() {
    let server = Arc::new(Postgres::start().unwrap());
    let (production, _) = postgres();
    let name = unique("killed");
    production.create_database(&name).unwrap();
    server.create_database(&name).unwrap();
    production.sql(&name, POSTGRES).unwrap();
    let (from, to) = (
        postgres_target(production, &name),
        postgres_target(&server, &name),
    );
    let victim = Arc::clone(&server);
    let error = interrupted(
        &from,
        &to,
        ("second", false),
        &CancellationToken::new(),
        move || {
            victim.kill9().unwrap();
        },
    );
    let text = chain(&error);
    assert!(
        text.contains("second") && text.contains("whole in staging: first"),
        "{text}"
    );
    server.restart().unwrap();
    assert_resumed(&from, &to, 1);
}

#[test]
fn postgresql_copy_when_production_is_killed_amid_a_table_then_goes_on_after_its_restart() {
    let server = Arc::new(Postgres::start().unwrap());
    let (_, staging) = postgres();
    let name = unique("killed");
    server.create_database(&name).unwrap();
    staging.create_database(&name).unwrap();
    server.sql(&name, POSTGRES).unwrap();
    let (from, to) = (postgres_target(&server, &name), postgres_target(staging, &name));
    let victim = Arc::clone(&server);
    let error = interrupted(
        &from,
        &to,
        ("second", false),
        &CancellationToken::new(),
        move || {
            victim.kill9().unwrap();
        },
    );
    assert!(chain(&error).contains("second"), "{}", chain(&error));
    server.restart().unwrap();
    assert_resumed(&from, &to, 1);
}
