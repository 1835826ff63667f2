//! PostgreSQL: awkward data and objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use cutover_copy::{
    CopyError, CopyOptions, CopyProgress, CopyWay, TableSum, compares_as_fingerprint, copy, fingerprint,
};
use cutover_database::Target;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::support::{
    assert_difference, assert_equal, chain, postgres, postgres_pair, postgres_target, run_copy, runtime,
    unique,
};

const AWKWARD: &str = r#"
CREATE SCHEMA "other schema";
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE TYPE pair AS (a integer, b text);
CREATE TABLE bytes (id serial PRIMARY KEY, b bytea, t text);
INSERT INTO bytes (b, t) SELECT decode(lpad(to_hex(i), 2, '0'), 'hex'), CASE WHEN i BETWEEN 1 AND 1000 THEN chr(i) ELSE '' END FROM generate_series(0, 255) i;
INSERT INTO bytes (b, t) VALUES (NULL, NULL), ('', ''), ('\x00'::bytea, E'\\N'), (NULL, E'a\tb\nc\\d\r😀');
CREATE TABLE types (i smallint, n numeric, f real, d double precision, ts timestamptz, iv interval, j json, jb jsonb, m mood, ms mood[], p pair, po positive, c char(5), cc char, x xml, pt point, r int4range, ip inet, u uuid, a text[], rc regclass, o oid, bits bit(5), mo money, tz timetz);
INSERT INTO types VALUES (1, 1.00, 1.1, 0.1, '2014-01-01 00:00:00.123456+02', '1 month 2 days', '{"a": 1,  "b":2}', '{"b": 1}', 'happy', '{sad,ok}', '(1,"x,y")', 5, 'ab', 'c', '<a/>', '(1,2)', '[1,5)', '::1', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a",NULL,"b c"}', 'bytes', 42, B'10101', '1.50', '04:05:06+02');
INSERT INTO types (n, f, d, ts) VALUES ('NaN', 'Infinity', '-Infinity', 'infinity'), (1.0, -0.0, 1e-307, '-infinity');
INSERT INTO types DEFAULT VALUES;
CREATE TABLE generated (a integer GENERATED ALWAYS AS IDENTITY, b integer, c integer GENERATED ALWAYS AS (b * 2) STORED);
INSERT INTO generated (b) VALUES (1), (2);
CREATE TABLE dropped (a integer, gone text, b text); INSERT INTO dropped VALUES (1, 'x', 'y'); ALTER TABLE dropped DROP COLUMN gone;
CREATE TABLE keyless (a integer, b text); INSERT INTO keyless VALUES (1, 'x'), (1, 'x'), (2, 'y'), (2, 'y');
CREATE TABLE "other schema"."odd ""name, (x) 'q'" ("order" integer PRIMARY KEY, "a ""b" text); INSERT INTO "other schema"."odd ""name, (x) 'q'" VALUES (1, 'z');
CREATE TABLE tree (id integer PRIMARY KEY, parent integer REFERENCES tree ON DELETE CASCADE); INSERT INTO tree VALUES (1, NULL), (2, 1);
CREATE TABLE hen (id integer PRIMARY KEY, egg integer); CREATE TABLE egg (id integer PRIMARY KEY, hen integer REFERENCES hen); INSERT INTO hen VALUES (1, 1); INSERT INTO egg VALUES (1, 1); ALTER TABLE hen ADD FOREIGN KEY (egg) REFERENCES egg;
CREATE TABLE parts (id integer, x text) PARTITION BY RANGE (id); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10); CREATE TABLE parts_2 PARTITION OF parts DEFAULT; INSERT INTO parts VALUES (1, 'a'), (50, 'b');
CREATE TABLE base (a integer); CREATE TABLE child (b integer) INHERITS (base); INSERT INTO base VALUES (1); INSERT INTO child VALUES (2, 3);
CREATE UNLOGGED TABLE unlogged (a integer); INSERT INTO unlogged VALUES (1);
CREATE TABLE empty_table (a integer); CREATE TABLE no_columns ();
CREATE SEQUENCE reg_log_pk_seq INCREMENT BY 5 CACHE 10; SELECT nextval('reg_log_pk_seq'), nextval('reg_log_pk_seq');
CREATE SEQUENCE down INCREMENT BY -1; SELECT nextval('down');
CREATE SEQUENCE set_not_used; SELECT setval('set_not_used', 50, false);
CREATE FUNCTION twice(a integer) RETURNS integer LANGUAGE sql AS 'SELECT a * 2';
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.b := coalesce(NEW.b, '') || '; -- Name: x; Type: TABLE'; RETURN NEW; END $$;
CREATE TRIGGER stamped BEFORE INSERT ON keyless FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE VIEW v1 AS SELECT twice(a) AS t FROM keyless; CREATE VIEW v2 AS SELECT t FROM v1;
CREATE MATERIALIZED VIEW mat AS SELECT count(*) AS n FROM bytes; CREATE INDEX ON mat (n);
CREATE INDEX lower_t ON bytes (lower(left(t, 10)));
COMMENT ON TABLE bytes IS 'it''s';
SELECT lo_from_bytea(0, '\x0001fe'::bytea), lo_from_bytea(0, 'second');
"#;

#[test]
fn awkward_data_and_objects_arrive_unchanged() {
    let (from, to) = postgres_pair("awkward");
    let (production, staging) = postgres();
    production.sql(&from.database, AWKWARD).unwrap();
    let report = run_copy(&from, &to, &CopyOptions::default()).unwrap();
    assert_eq!(report.way, CopyWay::Stream);
    let compared = assert_equal(&from, &to);
    assert_eq!(
        report.rows,
        compared.tables.iter().map(|table| table.rows_b).sum::<u64>()
    );
    for (kind, count) in [
        ("large object", 2),
        ("sequence", 5),
        ("materialized view", 1),
        ("trigger", 1),
    ] {
        assert_eq!(
            report.objects.get(kind),
            Some(&count),
            "{kind} of {:?}",
            report.objects
        );
    }
    for query in [
        "SELECT * FROM bytes ORDER BY id",
        "SELECT * FROM types ORDER BY 1, 2",
        "SELECT * FROM generated ORDER BY 1",
        "SELECT * FROM mat",
        "SELECT * FROM v2 ORDER BY 1",
        "SELECT tableoid::regclass, * FROM parts ORDER BY id",
        "SELECT tableoid::regclass, * FROM base ORDER BY a",
        "SELECT loid, pageno, data FROM pg_largeobject ORDER BY 1, 2",
        "SELECT nextval('reg_log_pk_seq'), nextval('down'), nextval('set_not_used'), nextval('bytes_id_seq')",
        "INSERT INTO generated (b) VALUES (9) RETURNING a, c",
    ] {
        let (ours, theirs) = (
            staging.sql(&to.database, query),
            production.sql(&from.database, query),
        );
        assert_eq!(ours.unwrap(), theirs.unwrap(), "{query}");
    }
    assert!(
        staging
            .sql(&to.database, "INSERT INTO egg VALUES (2, 99)")
            .is_err(),
        "foreign keys are there"
    );
}

#[test]
fn change_when_smallest_then_found_and_named() {
    let (from, to) = postgres_pair("mutate");
    let (production, staging) = postgres();
    let sql = "CREATE TABLE reg_content (id serial PRIMARY KEY, data bytea, n integer); \
               INSERT INTO reg_content (data, n) SELECT decode(repeat(to_hex(10 + i % 6) || '0', 200), 'hex'), i FROM generate_series(1, 3000) i; \
               CREATE TABLE prices (id integer PRIMARY KEY, p numeric); INSERT INTO prices VALUES (1, 1.0), (2, 2.0); \
               CREATE TABLE keyless (a integer); INSERT INTO keyless VALUES (1), (1), (2), (2); \
               CREATE SEQUENCE s START 10";
    production.sql(&from.database, sql).unwrap();
    run_copy(&from, &to, &CopyOptions::default()).unwrap();
    assert_equal(&from, &to);
    let cases: [(&str, &str, &[&str]); 8] = [
        (
            "UPDATE reg_content SET data = set_byte(data, 99, 1) WHERE id = 1234",
            "UPDATE reg_content SET data = decode(repeat(to_hex(10 + n % 6) || '0', 200), 'hex') WHERE id = 1234",
            &["reg_content", "id = 1234"],
        ),
        // Equal as numbers, not as values.
        (
            "UPDATE prices SET p = 2.00 WHERE id = 2",
            "UPDATE prices SET p = 2.0 WHERE id = 2",
            &["prices", "id = 2"],
        ),
        (
            "UPDATE prices SET p = 3 - p",
            "UPDATE prices SET p = 3 - p",
            &["prices", "id = 1"],
        ),
        (
            "UPDATE keyless SET a = 2 WHERE a = 1",
            "UPDATE keyless SET a = 1 WHERE ctid IN (SELECT ctid FROM keyless LIMIT 2)",
            &["keyless"],
        ),
        (
            "DELETE FROM keyless WHERE ctid = (SELECT min(ctid) FROM keyless WHERE a = 1)",
            "INSERT INTO keyless VALUES (1)",
            &["keyless", "4 rows against 3"],
        ),
        (
            "SELECT setval('reg_content_id_seq', 2999)",
            "SELECT setval('reg_content_id_seq', 3000)",
            &["reg_content_id_seq", "behind"],
        ),
        (
            "CREATE INDEX i ON prices (p)",
            "DROP INDEX i",
            &["index `i`", "missing"],
        ),
        (
            "ALTER TABLE keyless ALTER a SET DEFAULT 7",
            "ALTER TABLE keyless ALTER a DROP DEFAULT",
            &["keyless", "DEFAULT 7"],
        ),
    ];
    for (change, undo, words) in cases {
        staging.sql(&to.database, change).unwrap();
        assert_difference(&from, &to, words);
        staging.sql(&to.database, undo).unwrap();
        assert_equal(&from, &to);
    }
    let options = CopyOptions::default();
    let prints = [&from, &to].map(|target| runtime().block_on(fingerprint(target, &options)).unwrap());
    assert_eq!(prints[0], prints[1]);
}

#[test]
fn database_when_on_the_same_server_then_its_files_are_copied() {
    let (production, _) = postgres();
    let (from, to) = (unique("here"), unique("there"));
    production.create_database(&from).unwrap();
    production.create_database(&to).unwrap();
    production.sql(&from, AWKWARD).unwrap();
    let (from, to) = (
        postgres_target(production, &from),
        postgres_target(production, &to),
    );
    let report = run_copy(&from, &to, &CopyOptions::default()).unwrap();
    assert_eq!(report.way, CopyWay::Template, "{:?}", report.notes);
    assert_equal(&from, &to);
}

/// Production and staging on one server, with a table of one row in production.
fn neighbours(name: &str) -> (Target, Target) {
    let (production, _) = postgres();
    let (from, to) = (unique(name), unique("there"));
    production.create_database(&from).unwrap();
    production.create_database(&to).unwrap();
    production
        .sql(&from, "CREATE TABLE t (a integer); INSERT INTO t VALUES (1)")
        .unwrap();
    (
        postgres_target(production, &from),
        postgres_target(production, &to),
    )
}

/// The databases whose names begin with staging's, in order.
fn around(to: &Target) -> String {
    let sql = format!(
        "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE datname LIKE '{}%'",
        to.database
    );
    postgres().0.sql("", &sql).unwrap().trim().to_owned()
}

#[test]
fn copy_when_an_interrupted_one_left_databases_then_they_go() {
    let (production, _) = postgres();
    let (from, to) = neighbours("left");
    for left in ["new", "old"] {
        let left = format!("{}_cutover_{left}", to.database);
        production.create_database(&left).unwrap();
        production.sql(&left, "CREATE TABLE half (a integer)").unwrap();
        let mark = format!("ALTER DATABASE {left} ALLOW_CONNECTIONS false");
        production.sql("", &mark).unwrap();
    }
    let report = run_copy(&from, &to, &CopyOptions::default()).unwrap();
    assert_eq!(report.way, CopyWay::Template, "{:?}", report.notes);
    assert_equal(&from, &to);
    assert_eq!(around(&to), to.database);
}

#[test]
fn copy_when_a_database_of_someone_is_in_the_way_then_left_alone() {
    let (production, _) = postgres();
    for kind in ["new", "old"] {
        let (from, to) = neighbours("taken");
        let theirs = format!("{}_cutover_{kind}", to.database);
        production.create_database(&theirs).unwrap();
        production
            .sql(&theirs, "CREATE TABLE precious (a integer)")
            .unwrap();
        let report = run_copy(&from, &to, &CopyOptions::default()).unwrap();
        assert_eq!(report.way, CopyWay::Stream);
        assert!(report.why.contains(&theirs), "{}", report.why);
        assert_equal(&from, &to);
        production.sql(&theirs, "SELECT * FROM precious").unwrap();
    }
}

#[test]
fn copy_when_staging_can_not_be_replaced_then_it_stays_and_is_streamed_into() {
    let (from, to) = neighbours("kept");
    let runtime = runtime();
    let oid = format!("SELECT oid FROM pg_database WHERE datname = '{}'", to.database);
    let before = postgres().0.sql("", &oid).unwrap();
    let session = runtime.block_on(to.postgres()).unwrap();
    let report = run_copy(&from, &to, &CopyOptions::default()).unwrap();
    drop(session);
    assert_eq!(report.way, CopyWay::Stream);
    assert_equal(&from, &to);
    assert_eq!(postgres().0.sql("", &oid).unwrap(), before);
    assert_eq!(around(&to), to.database);
}

#[test]
fn database_when_someone_is_connected_then_it_is_streamed_and_said() {
    let (production, _) = postgres();
    let (from, to) = (unique("busy"), unique("there"));
    production.create_database(&from).unwrap();
    production.create_database(&to).unwrap();
    production
        .sql(&from, "CREATE TABLE t (a integer); INSERT INTO t VALUES (1)")
        .unwrap();
    let (from, to) = (
        postgres_target(production, &from),
        postgres_target(production, &to),
    );
    let runtime = runtime();
    let session = runtime.block_on(from.postgres()).unwrap();
    let report = run_copy(&from, &to, &CopyOptions::default()).unwrap();
    drop(session);
    assert_eq!(report.way, CopyWay::Stream);
    assert!(
        report.why.contains("not copied inside the server"),
        "{}",
        report.why
    );
    assert_equal(&from, &to);
    assert_eq!(around(&to), to.database);
}

#[test]
fn account_when_not_a_superuser_then_objects_become_its_own() {
    let (production, staging) = postgres();
    let (from, to) = (unique("owned"), unique("owned"));
    production.create_database(&from).unwrap();
    staging.create_database(&to).unwrap();
    let role = unique("carbon_app");
    production.create_user(&role, "x", &[]).unwrap();
    let sql = format!(
        "CREATE TABLE t (id serial PRIMARY KEY); INSERT INTO t DEFAULT VALUES; ALTER TABLE t OWNER TO {role}; GRANT SELECT ON t TO {role}; CREATE TABLE u (a integer); GRANT SELECT ON u TO {role}"
    );
    production.sql(&from, &sql).unwrap();
    staging.create_user("stager", "p:w\\d", &[]).unwrap_err();
    staging
        .create_user("stager", "p:w'd", &[&format!("ALL ON DATABASE {to}")])
        .unwrap();
    staging.grant(&to, "ALL ON SCHEMA public", "stager").unwrap();
    let url = format!("postgres://stager@127.0.0.1:{}/{to}", staging.port());
    let (from, to) = (
        postgres_target(production, &from),
        Target::parse(&url, SecretString::from("p:w'd")).unwrap(),
    );
    let report = run_copy(&from, &to, &CopyOptions::default()).unwrap();
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains(&role) && note.contains("now belong to stager")),
        "{:?}",
        report.notes
    );
    assert!(
        report.notes.iter().any(|note| note.contains("privileges")),
        "{:?}",
        report.notes
    );
    assert_eq!(
        staging
            .sql(
                &to.database,
                "SELECT tableowner FROM pg_tables WHERE tablename='t'"
            )
            .unwrap(),
        "stager\n"
    );
    assert_equal(&from, &to);
    let wrong = Target::parse(&url, SecretString::from("planted-secret")).unwrap();
    let text = chain(&run_copy(&from, &wrong, &CopyOptions::default()).unwrap_err());
    assert!(
        text.contains("cannot connect") && !text.contains("planted-secret"),
        "{text}"
    );
}

/// Ends the session that loads, in the middle of a table.
#[derive(Debug)]
struct Killer {
    database: String,
}

impl CopyProgress for Killer {
    fn total(&self, _tables: u64, _bytes: u64) {}
    fn table(&self, name: &str, _rows: u64, bytes: u64, done: bool) {
        if name == "second" && bytes > 1 << 20 && !done {
            let (_, staging) = postgres();
            let sql = format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname='{}' AND query LIKE 'COPY%FROM STDIN%'",
                self.database
            );
            staging.sql("", &sql).unwrap();
        }
    }
}

#[test]
fn loader_when_killed_then_its_table_is_empty_and_the_others_are_named() {
    let (from, to) = postgres_pair("kill");
    let (production, staging) = postgres();
    let sql = "CREATE TABLE first (id integer, x text); ALTER TABLE first ALTER x SET STORAGE EXTERNAL; \
               INSERT INTO first SELECT i, repeat('x', 50000) FROM generate_series(1, 900) i; \
               CREATE TABLE second (id integer, x text); ALTER TABLE second ALTER x SET STORAGE EXTERNAL; \
               INSERT INTO second SELECT i, repeat('x', 50000) FROM generate_series(1, 600) i";
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
        staging.sql(&to.database, "SELECT count(*) FROM second").unwrap(),
        "0\n"
    );
    assert_eq!(
        staging.sql(&to.database, "SELECT count(*) FROM first").unwrap(),
        "900\n"
    );
}

#[test]
fn table_when_skipped_then_left_out() {
    let (from, to) = postgres_pair("skip");
    let (production, staging) = postgres();
    production
        .sql(
            &from.database,
            "CREATE TABLE t (a serial); CREATE TABLE cutover_journal (a serial)",
        )
        .unwrap();
    let options = CopyOptions {
        skip_tables: vec!["cutover_journal".to_owned()],
        ..CopyOptions::default()
    };
    run_copy(&from, &to, &options).unwrap();
    assert_eq!(
        staging
            .sql(
                &to.database,
                "SELECT tablename FROM pg_tables WHERE schemaname='public'"
            )
            .unwrap(),
        "t\n"
    );
}

/// The proof before the switch compares a fingerprint with the sums of this comparison.
#[test]
fn comparison_when_it_sums_as_a_fingerprint_does_then_its_sums_are_one_and_change_with_a_row() {
    let (from, to) = postgres_pair("prints");
    let sql = "CREATE SCHEMA s; CREATE TABLE s.b (n numeric, t text); INSERT INTO s.b VALUES (1.50, 'x'), (NULL, 'y'); \
               CREATE TABLE a (id int PRIMARY KEY, x bytea); INSERT INTO a VALUES (1, '\\x00'), (2, NULL); \
               CREATE TABLE z (id int)";
    postgres().0.sql(&from.database, sql).unwrap();
    let options = CopyOptions::default();
    run_copy(&from, &to, &options).unwrap();
    assert!(
        runtime()
            .block_on(compares_as_fingerprint(&from, &to, &options))
            .unwrap()
    );
    let compared = assert_equal(&from, &to);
    let of = |found: BTreeMap<String, TableSum>| -> Vec<(String, u64, String)> {
        found
            .into_iter()
            .map(|(name, sum)| (name, sum.rows, sum.checksum))
            .collect()
    };
    let printed = || of(runtime().block_on(fingerprint(&from, &options)).unwrap());
    let sums: Vec<(String, u64, String)> = compared
        .tables
        .iter()
        .map(|table| (table.name.clone(), table.rows_a, table.checksum_a.clone()))
        .collect();
    assert_eq!(sums, printed());
    postgres()
        .0
        .sql(&from.database, "UPDATE s.b SET n = 1.5 WHERE t = 'x'")
        .unwrap();
    assert_ne!(sums, printed());
}
