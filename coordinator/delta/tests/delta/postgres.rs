//! PostgreSQL: every kind of row and of difference.

use cutover_delta::{DeltaError, SyncOptions};

use crate::support::{Pair, chain, changes, in_pieces, postgres, postgres_target};

const TYPES: &str = "
CREATE SCHEMA \"odd \"\"one\";
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE everything (id bigserial PRIMARY KEY, i smallint, n numeric, f real, d double precision, b boolean, t text, v varchar(20), c char(5),
  ba bytea, ts timestamp, tz timestamptz, day date, iv interval, u uuid, j json, jb jsonb, a int[], m mood, bits bit(5), addr inet, x xml,
  blind text COLLATE blind, twice int GENERATED ALWAYS AS (i * 2) STORED, \"odd \"\"name\" int);
INSERT INTO everything (i) VALUES (1), (2), (3);
CREATE TABLE key_text (name varchar(100) NOT NULL, tenant int NOT NULL, v text, PRIMARY KEY (name, tenant));
INSERT INTO key_text VALUES ('admin', -1234, 'x'), ('Admin', -1234, 'y'), ('bob ', 0, 'z'), ('bob', 0, 'z');
CREATE TABLE key_numeric (k numeric NOT NULL UNIQUE, at timestamp NOT NULL DEFAULT '2014-01-01', v int);
INSERT INTO key_numeric VALUES (1.0), (2.5);
CREATE TABLE keyless (a int, t text, b bytea);
INSERT INTO keyless VALUES (1,'x',NULL),(1,'x',NULL),(1,'x',NULL),(2,NULL,''),(2,'',NULL),(3,'A','q'),(3,'a','q');
CREATE TABLE \"odd \"\"one\".\"T t\" (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text);
INSERT INTO \"odd \"\"one\".\"T t\" (v) VALUES ('a'), ('b');
CREATE SEQUENCE free_standing;
";

#[test]
fn rows_of_every_type_when_changed_then_equal_to_the_byte() {
    let pair = Pair::postgres("types", TYPES);
    assert_eq!(pair.sync().changes(), 0);
    let bytes: String = (0..=255).map(|byte| format!("{byte:02x}")).collect();
    pair.here(&format!(
        "INSERT INTO everything (i, n, f, d, b, t, v, c, ba, ts, tz, day, iv, u, j, jb, a, m, bits, addr, x, blind, \"odd \"\"name\")
           VALUES (-32768, 'NaN', 1.1, 0.1, true, E'tab\\t line\\n back\\\\ quote''', '', 'ab', '\\x{bytes}', 'infinity', '2014-03-30 01:30:00+01',
             '0044-03-15 BC', '1 mon -3 days', '6ccd780c-baba-1026-9564-5b8c656024db', '{{\"b\": 1,  \"a\": 2}}', '{{\"b\": 1}}', '{{1,NULL,3}}', 'ok', B'10101', '::1', '<a/>', 'A', 7);
         UPDATE everything SET n = 1.0, d = '-0', blind = 'a' WHERE i = 1; UPDATE everything SET n = 1.00, t = '' WHERE i = 2; DELETE FROM everything WHERE i = 3;
         UPDATE \"odd \"\"one\".\"T t\" SET v = NULL WHERE id = 2; INSERT INTO \"odd \"\"one\".\"T t\" (v) VALUES ('c');
         SELECT nextval('free_standing');"
    ));
    let report = pair.sync_and_compare();
    assert_eq!(changes(&report, "everything"), (1, 2, 1));
    assert_eq!(changes(&report, "odd \"one.T t"), (1, 1, 0));
    assert!(report.counters >= 2, "{report:?}");
    pair.here("UPDATE everything SET n = 1.00, blind = 'A', d = 0 WHERE i = 1");
    let report = pair.sync_and_compare();
    assert_eq!(
        changes(&report, "everything"),
        (0, 1, 0),
        "equal to an operator is not the same value"
    );
    let text = "SELECT md5(string_agg(e::text, '|' ORDER BY id)) FROM everything e";
    assert_eq!(pair.here(text), pair.there(text));
}

#[test]
fn rows_named_by_text_when_case_and_blanks_change_then_each_is_found() {
    let pair = Pair::postgres("text", TYPES);
    pair.here(
        "UPDATE key_text SET v = 'q' WHERE name = 'Admin'; DELETE FROM key_text WHERE name = 'bob ';
         INSERT INTO key_text VALUES (E'b\"o\\\\b''{,}', 0, 'z'), ('', 1, NULL);
         UPDATE key_numeric SET k = 1.00 WHERE k = 1; INSERT INTO key_numeric VALUES ('NaN'), (1e40);",
    );
    let report = pair.sync_and_compare();
    assert_eq!(changes(&report, "key_text"), (2, 1, 1));
    assert_eq!(changes(&report, "key_numeric"), (3, 0, 1));
}

#[test]
fn rows_without_key_when_duplicates_come_and_go_then_each_copy_counts() {
    let pair = Pair::postgres("keyless", TYPES);
    pair.here(
        "DELETE FROM keyless WHERE ctid IN (SELECT ctid FROM keyless WHERE a = 1 LIMIT 2);
         INSERT INTO keyless VALUES (2,NULL,''), (2,NULL,''), (4,'new','\\x00'), (4,'new','\\x00'); DELETE FROM keyless WHERE t = 'a';",
    );
    let report = pair.sync_and_compare();
    assert_eq!(changes(&report, "keyless"), (4, 0, 3));
}

const MANY: &str = "
CREATE TABLE p (id serial, tenant int NOT NULL DEFAULT 0, name varchar(40) NOT NULL UNIQUE, PRIMARY KEY (id, tenant));
CREATE TABLE c (id serial PRIMARY KEY, p int, tenant int DEFAULT 0, v varchar(40), FOREIGN KEY (p, tenant) REFERENCES p (id, tenant) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE texts (name varchar(60) NOT NULL PRIMARY KEY, v int);
CREATE TABLE log (a int, t varchar(60));
INSERT INTO p (name) SELECT 'p' || i FROM generate_series(1, 20000) i;
INSERT INTO c (p, v) SELECT 1 + i % 20000, md5(i::text) FROM generate_series(1, 40000) i;
INSERT INTO texts SELECT 'Name ' || md5(i::text), i FROM generate_series(1, 20000) i;
INSERT INTO log SELECT i % 5000, 't' || i % 7 FROM generate_series(1, 30000) i;
ANALYZE;
";

#[test]
fn tables_of_many_chunks_when_few_rows_change_then_only_their_chunks_are_read_again() {
    let pair = Pair::postgres("many", MANY);
    pair.here(
        "DELETE FROM p WHERE id = 77; UPDATE p SET id = 30001 WHERE id = 78;
         UPDATE p SET name = 'swap' WHERE id = 1; UPDATE p SET name = 'p1' WHERE id = 2; UPDATE p SET name = 'p2' WHERE id = 1;
         UPDATE texts SET v = -1 WHERE v IN (5, 6); DELETE FROM texts WHERE v = 9; INSERT INTO texts VALUES ('NEW', 1);
         DELETE FROM log WHERE a = 3; INSERT INTO log VALUES (3, 't3'), (3, 't3');",
    );
    let report = pair.sync_and_compare();
    assert_eq!(
        changes(&report, "p"),
        (1, 2, 2),
        "a moved key, and two names that changed places"
    );
    assert_eq!(
        changes(&report, "c"),
        (0, 2, 2),
        "cascades are found, and not fired again"
    );
    assert_eq!(changes(&report, "texts"), (1, 2, 1));
    let table = report.tables.iter().find(|table| table.name == "c").unwrap();
    assert!(
        table.chunks > 4 && table.differing_chunks < table.chunks / 2,
        "{table:?}"
    );
    assert!(report.foreign_keys >= 1 && report.seconds_per_gb().is_some());
}

#[test]
fn triggers_of_staging_when_rows_are_brought_over_then_silent() {
    let pair = Pair::postgres(
        "triggers",
        "CREATE TABLE t (id int PRIMARY KEY, v int);
         CREATE FUNCTION plus() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.v := NEW.v + 1; RETURN NEW; END';
         CREATE TRIGGER one BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION plus();
         INSERT INTO t VALUES (1, 1)",
    );
    pair.here("INSERT INTO t VALUES (2, 2)");
    assert_eq!(changes(&pair.sync_and_compare(), "t"), (1, 0, 0));
    pair.there("ALTER TABLE t ENABLE ALWAYS TRIGGER one");
    let error = pair.try_sync(&SyncOptions::default()).unwrap_err();
    assert!(
        matches!(error, DeltaError::Triggers { .. }) && chain(&error).contains("one on t"),
        "{error}"
    );
}

#[test]
fn account_when_it_may_not_silence_triggers_then_refused_with_the_remedy() {
    let pair = Pair::postgres("rights", "CREATE TABLE t (id int PRIMARY KEY)");
    let (_, there) = postgres();
    there.create_user("plain", "pw", &[]).unwrap();
    there
        .sql(
            &pair.staging.database,
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO plain",
        )
        .unwrap();
    let mut staging = postgres_target(there, &pair.staging.database);
    staging.user = "plain".to_owned();
    staging.password = "pw".into();
    let pair = Pair {
        production: pair.production,
        staging,
    };
    let error = pair.try_sync(&SyncOptions::default()).unwrap_err();
    assert!(
        chain(&error).contains("GRANT SET ON PARAMETER session_replication_role TO \"plain\""),
        "{}",
        chain(&error)
    );
}

#[test]
fn schema_when_production_drifted_then_refused_by_name() {
    let pair = Pair::postgres("drift", TYPES);
    pair.here("ALTER TABLE keyless ADD COLUMN later int; CREATE TABLE added (id int)");
    let error = pair.try_sync(&SyncOptions::default()).unwrap_err();
    let text = chain(&error);
    assert!(matches!(error, DeltaError::Drift { .. }), "{text}");
    assert!(
        text.contains("column `keyless.later` appeared") && text.contains("table `added` appeared"),
        "{text}"
    );
}

#[test]
fn one_byte_when_changed_in_staging_then_found_and_mended() {
    let pair = Pair::postgres("byte", MANY);
    pair.there("UPDATE c SET v = 'x' || substr(v, 2) WHERE id = 12345; UPDATE log SET t = 'T1' WHERE ctid = (SELECT ctid FROM log WHERE a = 1 LIMIT 1)");
    let report = pair.sync_and_compare();
    assert_eq!(changes(&report, "c"), (0, 1, 0));
    assert_eq!(changes(&report, "log"), (1, 0, 1));
}

/// Below, at and above what is held whole, in one row and in several, beside NULL and short values; with a key and without.
#[test]
fn values_when_too_large_to_be_held_then_brought_over_in_pieces() {
    let pair = Pair::postgres(
        "pieces",
        "CREATE TABLE big (id int, a bytea, \"B b\" bytea, t text, n numeric, j json, v varchar, PRIMARY KEY (id));
         CREATE TABLE keyless (n int, a bytea); ALTER TABLE keyless ALTER a SET STORAGE EXTERNAL;
         INSERT INTO big VALUES (9, decode(repeat('6f', 9000000), 'hex')), (8, decode(repeat('6f', 9000000), 'hex'))",
    );
    pair.here(
        "INSERT INTO big VALUES (1, decode(repeat('00ff5c0a', 5 * 1024 * 1024), 'hex'), NULL, NULL, 1.50, NULL, ''),
           (-2, NULL, decode(repeat('41', 9000000), 'hex'), repeat('é', 100), NULL, NULL, NULL), (3, '\\x01', '\\x', '', 0, '1', NULL),
           (4, decode(repeat('42', 8388608), 'hex'), decode(repeat('43', 8388609), 'hex'), 'both', -1, NULL, NULL),
           (6, NULL, NULL, 'x' || repeat('é', 6000000), 2, ('[\"' || repeat('ß', 5000000) || '\"]')::json, repeat('v', 8388609));
         UPDATE big SET a = a || '\\x6e' WHERE id = 9; DELETE FROM big WHERE id = 8;
         INSERT INTO keyless SELECT 3, decode(repeat('6b', 9000000), 'hex') FROM generate_series(1, 2);
         INSERT INTO keyless VALUES (7, 'short')",
    );
    let report = pair.sync_and_compare();
    assert_eq!(changes(&report, "big"), (5, 1, 1));
    assert_eq!(changes(&report, "keyless"), (3, 0, 0));
    assert_eq!((in_pieces(&report, "big"), in_pieces(&report, "keyless")), (5, 2));
    let lengths = postgres().1.sql(
        &pair.staging.database,
        "SELECT sum(length(a)), sum(length(\"B b\")), sum(octet_length(t)), sum(length(v)) FROM big",
    );
    assert_eq!(lengths.unwrap().trim(), "38360130\t17388609\t12000205\t8388609");
}
