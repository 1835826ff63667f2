//! Differences are narrowed to rows, whatever keys a table has.

use cutover_copy::rowhash::{self, TableShape};
use cutover_copy::{CopyOptions, compare};
use cutover_database::{Engine, Target};

use crate::support::{maria, maria_pair, postgres, postgres_pair, run_compare, run_copy, runtime};

const TABLES: &str = "
CREATE TABLE by_text (k VARCHAR(40) PRIMARY KEY, n INT);
CREATE TABLE by_pair (a INT, b VARCHAR(10), n INT, PRIMARY KEY (a, b));
CREATE TABLE by_unique (a INT NOT NULL, b INT NOT NULL, n INT, UNIQUE (b, a));
CREATE TABLE without_key (a INT, note VARCHAR(200), UM_USER_PASSWORD VARCHAR(40));
CREATE TABLE emptied (id INT PRIMARY KEY);
CREATE TABLE nullable_key (a INT, b INT, UNIQUE (a));
INSERT INTO by_text VALUES ('one', 1), ('it''s', 2), ('three', 3);
INSERT INTO by_pair VALUES (1, 'x', 1), (1, 'y', 2), (2, 'x', 3);
INSERT INTO by_unique VALUES (1, 1, 1), (1, 2, 2), (2, 1, 3);
INSERT INTO without_key VALUES (1, 'same', 'planted'), (1, 'same', 'planted'), (2, 'other', NULL), (2, 'other', NULL), (NULL, '', NULL);
INSERT INTO emptied VALUES (1), (2);
INSERT INTO nullable_key VALUES (NULL, 1), (NULL, 1), (3, 3);
";

/// One change per table: six tables differ at once.
const CHANGES: &str = "
UPDATE by_text SET n = 9 WHERE k = 'it''s';
DELETE FROM by_pair WHERE a = 1 AND b = 'y';
INSERT INTO by_unique VALUES (7, 7, 7);
UPDATE without_key SET a = 2, note = 'other', UM_USER_PASSWORD = NULL WHERE a = 1;
DELETE FROM emptied;
UPDATE nullable_key SET b = 2 WHERE a IS NULL;
";

fn expect(a: &Target, b: &Target) {
    let result = run_compare(a, b);
    assert_eq!(result.differences.len(), 6, "{:#?}", result.differences);
    let all = result.differences.join("\n");
    for words in [
        "by_text`: 3 rows on both sides, but not the same ones: 1 row(s) only in the first, 1 only in the second: \
         k = it's differs in n",
        "by_pair`: 3 rows against 2: 1 row(s) only in the first, 0 only in the second: a = 1, b = y of the first",
        "by_unique`: 3 rows against 4: 0 row(s) only in the first, 1 only in the second: b = 7, a = 7 of the second",
        "without_key`: 5 rows on both sides, but not the same ones: 2 row(s) only in the first, 2 only in the second: \
         2 more in the first of the row with hash",
        "emptied`: 2 rows against 0: 2 row(s) only in the first, 0 only in the second: id = 1 of the first",
        "nullable_key`: 3 rows on both sides, but not the same ones: 2 row(s) only in the first, 2 only",
    ] {
        assert!(all.contains(words), "{words} is not in\n{all}");
    }
    assert!(all.contains("note = same") && !all.contains("planted"), "{all}");
}

#[test]
fn rows_when_they_differ_in_mariadb_tables_of_any_key_then_all_are_named() {
    let (from, to) = maria_pair("narrow");
    let (production, staging) = maria();
    production.sql(&from.database, TABLES).unwrap();
    run_copy(&from, &to, &CopyOptions::default()).unwrap();
    staging.sql(&to.database, CHANGES).unwrap();
    expect(&from, &to);
}

#[test]
fn rows_when_they_differ_in_postgresql_tables_of_any_key_then_all_are_named() {
    let (from, to) = postgres_pair("narrow");
    let (production, staging) = postgres();
    production.sql(&from.database, TABLES).unwrap();
    run_copy(&from, &to, &CopyOptions::default()).unwrap();
    staging.sql(&to.database, CHANGES).unwrap();
    expect(&from, &to);
}

fn shapes(target: &Target) -> Vec<TableShape> {
    let options = CopyOptions::default();
    runtime().block_on(rowhash::catalog(target, &options)).unwrap()
}

/// What the public expressions give, run by the engine's own client.
fn check_expressions(from: &Target, to: &Target, sql: impl Fn(&Target, &str) -> String) {
    let (left, right) = (shapes(from), shapes(to));
    assert_eq!(left.len(), right.len());
    for (a, b) in left.iter().zip(&right) {
        assert_eq!(a.columns, b.columns);
        let sum = rowhash::checksum(&[a, b]).unwrap();
        let query = format!("SELECT {sum} FROM {}", a.quoted());
        let (one, other) = (sql(from, &query), sql(to, &query));
        assert_eq!(one, other, "{query}");
        assert!(!one.starts_with("0:"), "{}: {one}", a.label());
    }
    let by = |name: &str| left.iter().find(|table| table.name == name).unwrap();
    assert_eq!(by("by_pair").primary_key, ["a", "b"]);
    assert_eq!(by("by_unique").key().unwrap(), ["b", "a"]);
    assert_eq!((by("without_key").key(), by("nullable_key").key()), (None, None));
    assert_eq!(by("nullable_key").unique_keys.len(), 1);
    assert_eq!(rowhash::row_hash(&[by("by_pair"), by("by_text")]), None);
}

#[test]
fn expressions_when_run_by_a_client_then_alike_on_both_sides() {
    let (from, to) = maria_pair("hash");
    let (production, staging) = maria();
    production.sql(&from.database, TABLES).unwrap();
    run_copy(&from, &to, &CopyOptions::default()).unwrap();
    check_expressions(&from, &to, |target, query| {
        assert_eq!(target.engine, Engine::MySql);
        let server = if *target.database == from.database {
            production
        } else {
            staging
        };
        server.sql(&target.database, query).unwrap()
    });
    let (from, to) = postgres_pair("hash");
    let (production, staging) = postgres();
    production.sql(&from.database, TABLES).unwrap();
    run_copy(&from, &to, &CopyOptions::default()).unwrap();
    check_expressions(&from, &to, |target, query| {
        let server = if *target.database == from.database {
            production
        } else {
            staging
        };
        server.sql(&target.database, query).unwrap()
    });
}

#[test]
fn comparison_when_nothing_is_alike_then_still_bounded_and_said() {
    let (from, to) = postgres_pair("all");
    let (production, staging) = postgres();
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, x INT); INSERT INTO t SELECT i, i FROM generate_series(1, 300000) i";
    production.sql(&from.database, sql).unwrap();
    staging
        .sql(&to.database, &sql.replace("SELECT i, i", "SELECT i, -i"))
        .unwrap();
    let (options, cancel) = (CopyOptions::default(), tokio_util::sync::CancellationToken::new());
    let progress = std::sync::Arc::new(cutover_copy::NoProgress);
    let result = runtime()
        .block_on(compare(&from, &to, &options, progress, &cancel))
        .unwrap();
    assert!(
        result.differences[0].contains("at least 1"),
        "{:?}",
        result.differences
    );
}
